"""What type checkers and editors see, and the errors for programs that ignore them."""

import asyncio
import inspect
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import get_type_hints

import pytest

from woodpecker_async import ConfigError, SetupError, WoodpeckerSession, bulk, errors
from woodpecker_async.sandbox import Sandbox
from woodpecker_async.session import SessionArguments

USES = Path(__file__).with_name("uses.py")


def checked(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, cwd=folder)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.system
def test_mypy_is_content_with_forty_natural_uses(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "", str(USES)]
    assert checked(command, tmp_path) == ""


@pytest.mark.system
@pytest.mark.skipif(find_spec("basedpyright") is None, reason="needs pyright: pip install '.[system]'")
def test_pyright_is_content_with_them_too(tmp_path: Path) -> None:
    (tmp_path / "pyrightconfig.json").write_text(
        json.dumps({"typeCheckingMode": "strict", "include": [str(USES)], "pythonVersion": "3.11"})
    )
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    assert checked(command, tmp_path) == ""


def test_the_arguments_of_a_session_are_those_of_its_constructor() -> None:
    taken = inspect.signature(WoodpeckerSession.__init__).parameters.keys() - {"self", "api_key"}
    assert get_type_hints(SessionArguments).keys() == taken


def test_every_error_tells_whether_trying_again_may_help() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) > 25
    assert all(isinstance(kind.retryable, bool) for kind in classes)


async def test_what_is_wrong_with_the_set_up_is_not_the_callers_fault(tmp_path: Path) -> None:
    async with WoodpeckerSession(lambda: "", base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(SetupError, match="the API key is empty"):
            await woodpecker.account.me()
        with pytest.raises(ConfigError) as argument:
            await woodpecker.agency.api_keys.list(-1)
        assert not isinstance(argument.value, SetupError)
    for wrong in ({}, {"api_key": "a b"}, {"api_key": "1.a", "proxy": "ftp://proxy"}):
        with pytest.raises(SetupError):
            WoodpeckerSession(**wrong)
    others = tmp_path / "keys.jsonl"
    others.touch(0o644)
    async with Sandbox(companies=1) as box, box.session() as woodpecker:
        with pytest.raises(SetupError, match="can be read by others"):
            async with bulk.ensure_api_keys(woodpecker, label="crm", sink=others):
                pass


async def test_what_forgets_to_be_async_is_told_so() -> None:
    async with Sandbox(companies=1) as box, box.session() as woodpecker:
        pager = woodpecker.agency.companies.list()
        with pytest.raises(TypeError, match=r"`async for item in \.\.\.`"):
            list(pager)
        with pytest.raises(TypeError, match=r"collect\(\)`, which can be made a task of"):
            asyncio.create_task(pager)  # noqa: RUF006
        for thing in (woodpecker, woodpecker.company(1), bulk.list_api_keys(woodpecker)):
            with pytest.raises(TypeError, match="is used with `async with`, not with `with`"), thing:
                pass
        assert len(await asyncio.create_task(pager.collect())) == 1
        async with bulk.list_api_keys(woodpecker, pager) as run:
            assert [outcome.ok async for outcome in run] == [True]
