"""Every command line of the documentation is run against the sandbox, or at least parsed.

A `console` block is what a terminal shows: commands after `$ `, their output below, in which `...` stands for
what was left out. Output of stdout and stderr is not told apart.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from tests.docs.pages import COMMANDS, PAGES, ROOT, blocks, identify, missing, prose, sandbox
from tests.docs.terminal import in_terminal
from woodpecker_async.cli.main import root, run_command

_OURS = "woodpecker-async "
_INSTALLERS = ("pip ", ".venv/bin/pip ", "uv ", "python3 -m venv ", "sphinx-build ")


def _commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """The commands of a page, each with the output shown below it."""
    for block in blocks(page):
        if block.kind not in COMMANDS:
            continue
        shown: list[str] = []
        for line in block.text.splitlines():
            if block.kind == "console" and not line.startswith("$ "):
                assert shown or line, f"{identify(page)}: output before any command"
                shown.append(line)
                continue
            if not line.strip() or line.startswith("#"):
                continue
            shown = []
            yield line.removeprefix("$ "), shown


_WITH_COMMANDS = [page for page in PAGES if any(True for _ in _commands(page))]


@pytest.fixture
def background() -> Iterator[Callable[[str, str], str]]:
    """Starts a command that runs until the end of the page; returns its output up to a given line."""
    with contextlib.ExitStack() as stack:

        def start(command: str, ready: str) -> str:
            process = stack.enter_context(
                subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            )
            stack.callback(process.terminate)
            assert process.stdout is not None
            output = ""
            for line in process.stdout:
                output += line
                if ready in line:
                    break
            return output

        yield start


@pytest.mark.system
@pytest.mark.parametrize("page", _WITH_COMMANDS, ids=identify)
def test_commands(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    background: Callable[[str, str], str],
):
    with sandbox() as box:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("WOODPECKER_API_KEY", box.hq_key)
        monkeypatch.setenv("WOODPECKER_BASE_URL", box.base_url)
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        key_file = tmp_path / ".woodpecker-key"
        key_file.touch(0o600)
        key_file.write_text(box.hq_key + "\n")
        code = 0
        # Collect all of them first: what is shown below a command is known only at the next one.
        commands = list(_commands(page))
        for (command, shown), (after, _) in zip(commands, [*commands[1:], ("", [])], strict=True):
            if command == "echo $?":
                assert shown == [str(code)], f"{command} in {identify(page)}: it is {code}"
                continue
            code, output = _run(command, capsys, background)
            assert code == 0 or after == "echo $?", f"{command}\nexited with {code}:\n{output}"
            assert missing(shown, output) == [], f"{command}\nprinted:\n{output}"


def _run(command: str, capsys: pytest.CaptureFixture[str], background: Callable[[str, str], str]) -> tuple[int, str]:
    parts = command.split(" && ")
    if any(part.startswith(_INSTALLERS) for part in parts):
        return 0, ""  # not run here; what they name is checked below
    if command.startswith(_OURS + "sandbox serve"):
        return _serve(command)
    if command.startswith(_OURS + "worker"):
        return 0, background(command, "Working on queue")
    if re.search(r"[|<>&;$~]", command):
        ran = subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=30,
        )
        return ran.returncode, ran.stdout
    assert command.startswith(_OURS), f"nobody looks after this command: {command}"
    capsys.readouterr()
    code = run_command(shlex.split(command)[1:])
    output = capsys.readouterr()
    return code, output.out + output.err


def _serve(command: str) -> tuple[int, str]:
    with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        output = ""
        for line in server.stdout:
            output += line
            if "Ctrl-C" in line:
                break
        server.send_signal(signal.SIGINT)
        output += server.stdout.read()
    return server.returncode, output


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_installers_name_extras_that_exist(page: Path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"--extra (\w+)", text)) | {
        extra.strip()
        for group in re.findall(r"(?:\.|woodpecker-async)\[([\w, ]+)\]", text)
        for extra in group.split(",")
    }
    assert named <= set(project["optional-dependencies"])


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_commands_in_the_text_exist(page: Path, capsys: pytest.CaptureFixture[str]):
    for words in re.findall(rf"`{_OURS}((?:[a-z]+ ?)+)[^`]*`", prose(page)):
        assert run_command([*words.split(), "--help"]) == 0, words
    capsys.readouterr()


def _helps(command: click.Command, context: click.Context) -> Iterator[str]:
    """The help of a command and of all its subcommands."""
    yield command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _helps(below, click.Context(below, info_name=name, parent=context))


def test_options_in_the_text_exist():
    help_ = "".join(_helps(root, click.Context(root, info_name=_OURS.strip())))
    for page in PAGES:
        told = set(re.findall(r"`(--[a-z][a-z-]*)", prose(page)))
        assert [option for option in told if option not in help_] == [], identify(page)


# ---- how the README begins


def test_the_readme_begins_with_a_sentence_and_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    title, sentence, *_ = [part for part in text.split("\n\n") if part.strip()]
    assert title == "# woodpecker-async"
    assert re.fullmatch(r"[^.]+(?:\.\w[^.]*)*\.", sentence), sentence
    before_why, _, _ = text.partition("\n## ")
    commands = [block.text for block in blocks(ROOT / "README.md") if block.kind == "bash"]
    made = "python3 -m venv .venv"  # the system's Python may refuse to be installed into (PEP 668)
    assert commands == [
        f"{made} && .venv/bin/pip install -q '.[cli]' && .venv/bin/woodpecker-async keys list --all --sandbox\n",
        f"{made} && .venv/bin/pip install -q '.[test]' && .venv/bin/pytest\n",
    ]
    assert before_why.count("```bash") == 2


@pytest.mark.system
def test_the_first_command_prints_what_the_readme_shows():
    shown = next(block for block in blocks(ROOT / "README.md") if block.kind == "text")
    command = [Path(sys.executable).parent / "woodpecker-async", "keys", "list", "--all", "--sandbox"]
    code, output = in_terminal(command, path=os.environ["PATH"])
    assert code == 0
    assert missing(shown.text.splitlines(), output) == []
