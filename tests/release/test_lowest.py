"""The oldest allowed versions are those that `.ci/lowest.py` pins."""

import runpy

import pytest

from tests.release.environments import FOR_USERS, PROJECT, ROOT, TOOLS

LOWEST = runpy.run_path(str(ROOT / ".ci" / "lowest.py"))


def test_every_extra_that_users_install_is_held():
    assert LOWEST["TOOLS"] == TOOLS
    held = "\n".join(LOWEST["constraints"](PROJECT))
    for extra in FOR_USERS:
        for line in PROJECT["optional-dependencies"][extra]:
            name = line.partition(">=")[0].partition("[")[0]
            assert f"{name}==" in held


def test_extras_of_all_lines():
    project = {
        "name": "ours",
        "dependencies": ["a>=1.2,<3"],
        "optional-dependencies": {"x": ["b.c[d]>=4"], "all": ["ours[x]"], "lint": ["e>=5"]},
    }
    assert LOWEST["constraints"](project) == ["a==1.2", "b.c==4"]


@pytest.mark.parametrize("line", ["a", "a<3", "a==1", "a ~= 1.2"])
def test_a_dependency_without_a_lowest_version_is_an_error(line: str):
    with pytest.raises(SystemExit, match="has no lower bound"):
        LOWEST["constraints"]({"name": "ours", "dependencies": [line], "optional-dependencies": {}})
