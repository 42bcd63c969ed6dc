"""Usage errors are found before anything is sent; keys are never in argv."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import woodpecker_async
from tests.waiting import until


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["keys", "list"], "say which companies"),
        (["keys", "list", "--all", "--company", "1"], "say which companies"),
        (["keys", "list", "--company", "1", "--active"], "work only with --all"),
        (["keys", "list", "--company", "zero"], "not a valid integer"),
        (["keys", "list", "--company", "Nordlicht Logistics"], "`woodpecker-async companies list` shows the IDs"),
        (["me", "--company", "0"], "'0' is not a valid integer >= 1; `woodpecker-async companies list` shows the IDs"),
        (["keys", "list", "--company", "1,2"], "'1,2' is not a valid integer >= 1; give each ID separately"),
        (["campaigns", "list", "--company", "1 2"], "give each ID separately"),
        (["prospects", "list", "--campaign", "x"], "'x' is not a valid integer >= 1."),
        (["keys", "list", "--all", "--format", "xml"], "'xml' is not one of"),
        (["keys", "list", "--all", "--report", "/nowhere/report"], "there is no directory /nowhere"),
        (["keys", "list", "--all", "--report", "/"], "is a directory"),
        (["keys", "list", "--all", "--resume", "/nowhere/report"], "cannot read /nowhere/report"),
        (["keys", "create", "--company", "1"], "Missing option '--label'"),
        (["keys", "create", "--company", "1", "--label", " x"], "must not begin or end with whitespace"),
        (["keys", "list", "--all", "--sandbox", "--base-url", "http://x"], "cannot be used together"),
        (["keys", "list", "--all", "--base-url", "x"], "the base URL needs a scheme"),
        (["keys", "list", "--all", "--deadline", "0"], "0.0 is not in the range x>0"),
        (["keys", "list", "1"], "unexpected extra argument (1); to choose companies, use --company ID"),
        (["mailboxes", "list", "1", "2"], "unexpected extra arguments (1 2); to choose companies, use --company ID"),
        (["companies", "list", "1"], "Got unexpected extra argument (1)\n"),
        (["keys", "list", "--all", "-o", "x.csv"], "No such option '-o'. Use --output FILE, and --format for"),
        (["keys", "list", "--all", "--csv"], "No such option '--csv'. Use --format csv."),
        (["blacklist", "add", "x.example", "--all"], "Use --agency, which covers all companies at once."),
        (["keys", "report", "--output", "x"], "Use --html FILE."),
        (["keys", "lits"], "there is no command 'lits'; did you mean list?"),
        (["kyes"], "did you mean keys?"),
        (["zzzzzz"], "available: keys, companies,"),
        (["sandbox", "serve", "--companies", "1", "--inactive", "2"], "must not exceed"),
        (["sandbox", "serve", "--state-file", "/"], "is a directory"),
        (
            ["sandbox", "serve", "--fault", "down", "--fault", "dwon"],
            "there is no fault 'dwon'; available: body, close",
        ),
        (["sandbox", "serve", "--fault", "wait soon"], "seconds=soon: must be a number >= 0"),
        (["sandbox", "serve", "--state-file", "/nowhere/state"], "there is no directory /nowhere"),
    ],
)
def test_usage(cli, box, args, said):
    before = len(box.journal)
    got = cli(*args)
    assert got.code == 2
    assert said in got.err
    assert got.out == ""
    assert len(box.journal) == before


@pytest.mark.parametrize("args", [["companies", "list", "--all"], ["doctor", "-o", "x"]])
def test_an_option_that_the_command_does_not_have_is_not_suggested(cli, args):
    got = cli(*args)
    assert got.code == 2
    assert "No such option" in got.err
    assert "Use --" not in got.err


def test_a_report_that_is_none(cli, tmp_path):
    path = tmp_path / "report"
    path.write_text("[]")
    got = cli("keys", "list", "--all", "--resume", path)
    assert (got.code, len(got.err.splitlines())) == (2, 1)
    assert "this is not a saved report" in got.err


def test_without_a_key(alone):
    got = alone("me")
    assert got.code == 2
    assert got.err == (
        "Error: there is no API key: set WOODPECKER_API_KEY, or use --api-key-file, --api-key-stdin or --profile "
        "(or --sandbox, to try things out)\n"
    )


def test_key_from_a_file(alone, box, tmp_path):
    path = tmp_path / "key"
    path.write_text(box.hq_key + "\n")
    path.chmod(0o644)
    args = ("me", "--format", "json", "--base-url", box.base_url, "--api-key-file", path)
    got = alone(*args)
    assert got.code == 2
    assert got.err == f"Error: {path} can be read by others (mode 0644): chmod 600 {path}\n"
    for mode in (0o600, 0o640, 0o440, 0o400):
        path.chmod(mode)
        assert json.loads(alone(*args).out)["company"]["id"] == box.state.hq.id
    # Before the subcommand too; and the file wins over the environment.
    alone.env["WOODPECKER_API_KEY"] = "1.wrong"
    assert alone("--base-url", box.base_url, "--api-key-file", path, "me").code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b" \n", "there is no API key in"),
        (b"\xff\xff", "is not a text file"),
        (b"\xff\xfe\x00", "is not a text file"),
        (b"1.a\n1.b", "contains a line break"),
    ],
)
def test_key_files_that_are_none(alone, tmp_path, content, said):
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    got = alone("me", "--api-key-file", path)
    assert got.code == 2
    assert said in got.err
    assert len(got.err.splitlines()) == 1
    assert "1.a" not in got.err
    assert alone("me", "--api-key-file", tmp_path / "other").code == 2


def test_key_from_stdin(alone, box):
    args = ("me", "--base-url", box.base_url, "--api-key-stdin")
    got = alone(*args, stdin=box.hq_key + "\n")
    assert got.code == 0
    assert alone(*args).err == "Error: there is no API key in stdin\n"
    assert alone(*args, "--api-key-file", "x").code == 2


def test_no_key_in_the_process_list(really_opened):
    with really_opened(companies=3, service_time=0.1) as (box, cli), cli.start("keys", "list", "--all") as process:
        until(lambda: box.journal)
        argv = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"keys\0list" in argv
        assert box.hq_key.encode() not in argv
        assert cli.ended(process).code == 0


def test_the_server_is_gone(alone):
    got = alone("me", "--base-url", "http://127.0.0.1:1/rest", "--api-key-stdin", "--deadline", "0.3", stdin="1.secret")
    assert got.code == 1
    assert len(got.err.splitlines()) == 1
    assert "1.secret" not in got.err


def imported_by(code, *args):
    """The modules that are loaded after running the command."""
    script = f"""
import sys
sys.argv = ["woodpecker-async", *{args!r}]
{code}
from woodpecker_async.cli import main
try:
    result = main()
except SystemExit as end:
    result = end.code
sys.stderr.write("\\n" + " ".join(sys.modules) + f"\\n{{result}}")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    said, modules, result = done.stderr.rsplit("\n", 2)
    return done.stdout, said, {module.partition(".")[0] for module in modules.split()}, result


COMPLETION = """
import os
os.environ.update(_WOODPECKER_ASYNC_COMPLETE="bash_complete", COMP_WORDS="woodpecker-async keys li", COMP_CWORD="2")
"""


@pytest.mark.system
@pytest.mark.parametrize(
    ("code", "args", "printed"),
    [
        ("", ["--help"], "Commands:"),
        ("", ["--version"], f"woodpecker-async {woodpecker_async.__version__}\n"),
        ("", ["keys", "--help"], "ensure"),
        ("", ["keys", "list", "--help"], "--reveal"),
        ("", ["worker", "--help"], "--sink"),
        ("", ["keys", "sweep", "--help"], "--ensure"),
        ("", ["sandbox", "serve", "--help"], "--state-file"),
        (COMPLETION, [], "plain,list"),
    ],
)
def test_help_version_and_completion_are_light(code, args, printed):
    out, _, modules, result = imported_by(code, *args)
    assert printed in out
    assert result == "0"
    assert not modules & {"aiohttp", "cattrs", "rich", "tenacity", "asyncio", "saq", "redis"}


@pytest.mark.system
@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra(missing):
    hidden = f"sys.modules[{missing!r}] = None"
    out, said, _, result = imported_by(hidden, "--help")
    assert out == ""
    assert said == "Error: the command line needs click and rich: pip install 'woodpecker-async[cli]'\n"
    assert result == "1"


@pytest.mark.system
def test_an_unexpected_error_shows_neither_traceback_nor_text():
    code = """
import woodpecker_async.cli.me as me
def broken(connection, work): raise RuntimeError("1.secret")
me.connected = broken
"""
    _, said, _, result = imported_by(code, "me", "--sandbox")
    assert result == "1"
    assert said.startswith("Error: unexpected RuntimeError in <string>:")
    assert "1.secret" not in said
