"""mypy and pyright accept every Python block of the documentation.

Blocks of a page are one module, as they are one run in `test_snippets`; whole programs and tests are modules of
their own. Functions of a snippet need no annotations, and neither do its empty collections.
"""

import json
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, PYTHON, blocks

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

_HEAD = """\
from woodpecker_async import WoodpeckerSession as _WoodpeckerSession
from woodpecker_async.feldera import FelderaSession as _FelderaSession

"""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("snippets")
    for page in PAGES:
        name, together = page.stem.replace("-", "_"), ""
        for block in blocks(page):
            if block.kind not in PYTHON:
                continue
            if "asyncio.run(" in block.text or "def test_" in block.text:
                (directory / f"{name}_{block.line}.py").write_text(block.text)
            else:
                together += block.text + "\n"
        try:
            compile(together, name, "exec")
        except SyntaxError:  # it awaits at the top level
            head = "async def _page(woodpecker: _WoodpeckerSession, feldera: _FelderaSession) -> None:\n"
            together = head + textwrap.indent(together, "    ")
        (directory / f"{name}.py").write_text(_HEAD + together)
    return directory


def _said(command: list[str], directory: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250, cwd=directory)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_mypy_accepts_every_snippet(modules: Path):
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--config-file", "", "--check-untyped-defs"]
    command += ["--disable-error-code", "var-annotated", "--ignore-missing-imports", "--warn-redundant-casts"]
    assert _said([*command, *map(str, sorted(modules.glob("*.py")))], modules) == ""


def test_an_application_pastes_into_a_strict_project(modules: Path):
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--config-file", "", "--strict"]
    assert _said([*command, str(modules / "web_apps.py")], modules) == ""


@pytest.mark.skipif(find_spec("basedpyright") is None, reason="needs pyright: pip install '.[system]'")
def test_pyright_accepts_every_snippet(modules: Path):
    settings = {"typeCheckingMode": "standard", "pythonVersion": "3.11", "reportMissingModuleSource": False}
    (modules / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "-p", str(modules)]
    assert _said(command, modules) == ""
