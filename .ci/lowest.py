"""Print pip constraints that hold each direct dependency at the oldest version that pyproject.toml allows.

The tools of the other extras (test, docs, lint, bench) are not held: users do not install them.
"""

import re
import tomllib
from pathlib import Path

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?>=(?P<version>[\w.]+)")


def constraints() -> list[str]:
    """One line `name==version` for each dependency of the package and of the extras that users install."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = list(project["dependencies"])
    for extra in ("cli", "redis", "workers"):
        lines += project["optional-dependencies"][extra]
    found = [_REQUIREMENT.match(line) for line in lines]
    return [f"{each['name']}=={each['version']}" for each in found if each is not None]


if __name__ == "__main__":
    print("\n".join(constraints()))
