"""Every Python block of the documentation is run, unchanged, against the sandbox.

What a page says of all its blocks holds here too: `woodpecker` (or, on the page about Feldera, `feldera`) is
an open session, and the environment has the key. Names go from block to block of a page. If a block of kind
`text` follows, it is what the Python block prints.
"""

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import COMMANDS, PAGES, PYTHON, SHOWN, Block, blocks, identify, sandbox
from woodpecker_async import WoodpeckerSession
from woodpecker_async.feldera import FelderaSession

_CHECK = doctest.OutputChecker()
_OPTIONS = doctest.ELLIPSIS

# Blocks that patch libraries permanently run in their own process.
_CHANGES_PROCESS = ("sentry_sdk.init(",)

# What a user's project has in its configuration.
_OF_THEIR_OWN = ("-W", "error", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_every_block_is_of_a_kind_that_is_looked_after(page: Path):
    kinds = {block.kind for block in blocks(page)}
    assert kinds <= PYTHON | COMMANDS | SHOWN
    # A block that is not marked as Python is not Python.
    for block in blocks(page):
        if block.kind == "text":
            assert not re.search(r"^\s*(import|from|async|await|with|def)\b", block.text, re.MULTILINE), block


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    logger = logging.getLogger("woodpecker_async")
    level, handlers = logger.level, [*logger.handlers]
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


def _with_python() -> Iterator[Any]:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        # A pytest of its own; a Redis; pandas; what changes a whole process.
        system = any(word in text for word in ("def test_", "WOODPECKER_REDIS_URL", "import pandas", *_CHANGES_PROCESS))
        if any(block.kind in PYTHON for block in blocks(page)):
            yield pytest.param(page, id=identify(page), marks=[pytest.mark.system] * system)


@pytest.mark.parametrize("page", list(_with_python()))
async def test_python(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if "import pandas" in page.read_text(encoding="utf-8"):
        pytest.importorskip("pandas", reason="pandas is not installed: pip install '.[system]'")
    monkeypatch.chdir(tmp_path)
    async with sandbox() as box:
        monkeypatch.setenv("WOODPECKER_API_KEY", box.hq_key)
        monkeypatch.setenv("WOODPECKER_BASE_URL", box.base_url)
        monkeypatch.setenv("FELDERA_URL", box.feldera_url)
        monkeypatch.setenv("FELDERA_TOKEN", box.feldera_token)
        async with (
            WoodpeckerSession() as woodpecker,
            FelderaSession(box.feldera_url, token=box.feldera_token) as feldera,
        ):
            names: dict[str, Any] = {"__name__": "__main__"}
            on_page = list(blocks(page))
            ran = 0
            for block, after in zip(on_page, [*on_page[1:], None], strict=True):
                if block.kind not in PYTHON:
                    continue
                names |= {"woodpecker": woodpecker, "feldera": feldera}
                printed = await _run(block, page, names, tmp_path)
                ran += 1
                if after is not None and after.kind == "text" and after.follows:
                    assert _CHECK.check_output(after.text, printed, _OPTIONS), f"{after.text}\nbut printed:\n{printed}"
            assert ran == sum(block.kind in PYTHON for block in on_page)


async def _run(block: Block, page: Path, names: dict[str, Any], directory: Path) -> str:
    if block.text.startswith("# conftest.py\n"):
        (directory / "conftest.py").write_text(block.text, encoding="utf-8")
        return ""
    if "def test_" in block.text:
        return await asyncio.to_thread(_run_tests, block, directory)
    if any(word in block.text for word in _CHANGES_PROCESS):
        return await asyncio.to_thread(_run_apart, block)
    # Leading blank lines, so that a traceback shows the line of the page.
    code = compile(
        "\n" * (block.line - 1) + block.text, identify(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        if "asyncio.run(" in block.text:  # a complete program with its own event loop
            await asyncio.to_thread(eval, code, names)
        elif inspect.isawaitable(result := eval(code, names)):
            await result
    return stdout.getvalue()


def _run_apart(block: Block) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def _run_tests(block: Block, directory: Path) -> str:
    """Tests for users to copy are run by their own pytest."""
    file = directory / f"test_line_{block.line}.py"
    file.write_text(block.text, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *_OF_THEIR_OWN, "--rootdir", directory, file],
        cwd=directory,
        env={name: value for name, value in os.environ.items() if not name.startswith("WOODPECKER_")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
