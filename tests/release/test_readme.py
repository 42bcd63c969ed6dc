"""The README in five minutes: somebody with only the sources follows it step by step."""

import os
import re
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from tests.docs.pages import COMMANDS, PYTHON, blocks, missing, prose
from tests.docs.terminal import in_terminal
from tests.docs.test_examples import SERVING
from tests.release.conftest import Built
from tests.release.environments import Environment

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

# Commands that take too long here, and what is run instead; `.ci/run` runs all the tests.
SHORTER = {
    ".venv/bin/pytest": ".venv/bin/pytest -q tests/unit/test_secret.py",
    "python -m benchmarks": "python -m benchmarks --help",
    "python -m benchmarks --quick": "python -m benchmarks --help",
    "python -m benchmarks.lanes --virtual": "python -m benchmarks.lanes --help",
}
_INLINE = re.compile(r"`((?:pip|python|python3|uv|nox|pytest|woodpecker-async) [^`]+)`")


def test_the_readme_in_five_minutes(built: Built, tmp_path: Path):
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (clone,) = tmp_path.iterdir()
    readme = clone / "README.md"
    here = Environment(clone / ".venv", clone)

    walked = 0
    steps = list(blocks(readme))
    for block, after in zip(steps, [*steps[1:], None], strict=True):
        if block.kind in COMMANDS:
            lines = [line.removeprefix("$ ") for line in block.text.splitlines()]
            printed = "".join(_in_shell(here, line) for line in lines if line and not line.startswith("#"))
        elif block.kind in PYTHON:
            program = clone / f"line_{block.line}.py"
            program.write_text(block.text, encoding="utf-8")
            printed = here.run(here.program("python"), "-W", "error", program).stdout
            assert printed
        else:
            continue
        walked += 1
        if after is not None and after.kind == "text":
            assert missing(after.text.splitlines(), printed) == [], printed
    assert walked >= 3

    # Commands in the text and tables, and the example programs.
    for command in dict.fromkeys(_INLINE.findall(prose(readme))):
        if not command.startswith("uv ") or shutil.which("uv"):
            _in_shell(here, command)
    for example in dict.fromkeys(re.findall(r"\]\((examples/\w+\.py)\)", prose(readme))):
        if Path(example).name in SERVING:
            continue
        if "redis-server" not in (clone / example).read_text(encoding="utf-8") or shutil.which("redis-server"):
            here.run(here.program("python"), "-W", "error", example)


def _in_shell(here: Environment, line: str) -> str:
    """Run a line unchanged, in a terminal, and return what it prints."""
    *before, last = line.split(" && ")
    if last.startswith("woodpecker-async ") and "--sandbox" not in last:
        last += " --help"  # it would need an account
    command = " && ".join([*before, SHORTER.get(last, last)])
    # The line that creates the environment runs before it is activated.
    active = Path(sys.executable).parent if line.startswith("python3 -m venv ") else here.path / "bin"
    path = f"{active}{os.pathsep}{os.environ['PATH']}"
    code, printed = in_terminal(["bash", "-euo", "pipefail", "-c", command], path=path, cwd=here.work)
    assert code == 0, f"{command}\nexited with {code}:\n{printed}"
    return printed
