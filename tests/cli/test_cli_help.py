"""Complete help, examples that can be parsed, and suggestions for misspelled commands."""

import importlib
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

import woodpecker_async
from woodpecker_async.cli import process
from woodpecker_async.cli.examples import EXAMPLES
from woodpecker_async.cli.groups import PROGRAM, summary
from woodpecker_async.cli.help import ENVIRONMENT, EXIT_CODES
from woodpecker_async.cli.main import root
from woodpecker_async.cli.settings import SETTINGS


def walk(command=root, path=""):
    """All commands, each with its full name."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            yield f"{path} {name}".strip(), below
            yield from walk(below, f"{path} {name}".strip())


COMMANDS = dict(walk())


def test_the_table_of_commands_says_what_their_help_says():
    assert {name: summary(COMMANDS[name]) for name in root.lazy} == dict(root.lazy)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help_with_examples(cli, path):
    got = cli(*path.split(), "--help")
    assert (got.code, got.err) == (0, "")
    assert "Examples:\n" in got.out
    assert all(f"  {PROGRAM} {line}\n" in got.out for line in EXAMPLES[path])  # not wrapped, not truncated
    usage, _, rest = got.out.partition("\n\n")
    assert "..." not in re.sub(r"\b(COMMAND|ARGS|EMAIL|ENTRY|EVENT|GUEST|GUEST_ID)\]?\.\.\.", "", usage)
    assert "..." not in rest
    assert cli("help", *path.split()).out == got.out
    assert all(len(line) <= 80 for line in got.out.splitlines() if PROGRAM not in line)


@pytest.mark.parametrize(
    "path", ["", *(path for path, command in COMMANDS.items() if isinstance(command, click.Group))]
)
def test_summaries_are_whole_sentences(cli, path):
    out = " ".join(cli(*path.split(), "--help").out.split())
    for name, command in walk(COMMANDS.get(path, root)):
        if " " not in name:
            assert summary(command).endswith(".")
            assert f"{name} {summary(command)}" in out


def test_examples_are_of_commands_that_exist():
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("line", sorted({line for lines in EXAMPLES.values() for line in lines}))
def test_examples_can_be_parsed(line):
    words = shlex.split(re.split(r" >>? ", line)[0])
    command, context = root, click.Context(root, obj=None)
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
    command.make_context("x", words)  # an unknown option or argument would raise


def test_one_place_for_the_environment(cli):
    out = cli("help", "environment").out
    assert all(name in out for name in ENVIRONMENT)
    read = set()
    for module in ("settings", "connection", "worker"):
        source = importlib.import_module(f"woodpecker_async.cli.{module}").__file__
        read |= set(re.findall(r"\"(WOODPECKER_[A-Z_]+)\"", Path(source).read_text()))
    assert read | {setting.variable for setting in SETTINGS} <= set(ENVIRONMENT)


def test_one_place_for_exit_codes(cli):
    out = cli("help", "exit-codes").out
    codes = {process.DONE, process.FAILED, process.USAGE, process.SOME_FAILED, process.INTERRUPTED, 141}
    assert set(EXIT_CODES) == set(map(str, codes))
    assert all(re.search(rf"^{code} ", out, re.MULTILINE) for code in EXIT_CODES)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["keys", "lst"], "there is no command 'lst'; did you mean list?"),
        (["doktor"], "there is no command 'doktor'; did you mean doctor?"),
        (["help", "doktor"], "did you mean doctor?"),
        (["help", "keys", "lst"], "did you mean list?"),
        (["help", "enviroment"], "did you mean environment"),
        (["help", "me", "too"], "woodpecker-async me has no subcommands, so there is no 'too'"),
        (["inventory", "dif"], "did you mean diff?"),
        (["x\x1b[2J"], "there is no command 'x\\x1b[2J'; available: keys, companies, inventory,"),
    ],
)
def test_did_you_mean(cli, words, said):
    got = cli(*words)
    assert (got.code, got.out) == (2, "")
    assert said in got.err
    assert "\x1b" not in got.err


def test_help_alone_is_the_help_of_the_root(cli):
    assert cli("help").out == cli("--help").out == cli("-h").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli, shell):
    got = cli("completion", shell)
    assert got.code == 0
    assert "_WOODPECKER_ASYNC_COMPLETE" in got.out
    assert PROGRAM in got.out


@pytest.mark.system
def test_completion_in_bash(cli, tmp_path):
    script = tmp_path / "completion"
    script.write_text(cli("completion", "bash").out)
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    program = bin_ / PROGRAM
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m woodpecker_async "$@"\n')
    program.chmod(0o755)
    ask = f"""
source {script}
COMP_WORDS=({PROGRAM} keys au) COMP_CWORD=2
_woodpecker_async_completion {PROGRAM}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", ask],
        env={"PATH": f"{bin_}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "audit\n"


@pytest.mark.system
def test_python_m():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "woodpecker_async", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == f"woodpecker-async {woodpecker_async.__version__}\n"


@pytest.mark.system
def test_a_cold_start_takes_two_and_a_half_times_what_click_takes():
    """Alternating, so that other load affects both; the best of each counts."""
    help_, click_ = [], []
    for _ in range(15):
        for command, taken in ((["-m", "woodpecker_async", "--help"], help_), (["-c", "import click"], click_)):
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], capture_output=True, check=True, timeout=60)
            taken.append(time.perf_counter() - began)
    assert min(help_) <= 2.5 * min(click_), (min(help_), min(click_))
