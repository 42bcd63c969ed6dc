"""Two walkthroughs: a new user who reads only `--help`, and the page as others receive it. Things go wrong on the way."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.browser import browser, needs_chromium
from tests.cli.conftest import Got
from woodpecker_async.sandbox import Fault


class Newcomer:
    """Types only what was on the screen: commands and options that help or an error showed."""

    def __init__(self, cli):
        self._cli = cli
        self.screen = "woodpecker-async --help"
        self.env = cli.env

    def types(self, *args, code=0, stdin=""):
        for word in map(str, args):
            if re.fullmatch(r"--?[a-z][a-z-]*|[a-z]+(-[a-z]+)*", word):
                assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", self.screen), f"nobody has told of {word}"
        got = self._cli(*args, stdin=stdin)
        self.screen += "\n" + got.out + got.err
        assert got.code == code, got.err
        assert "Traceback" not in got.err
        return got


def test_a_new_user_with_help_only(opened, tmp_path, monkeypatch):
    with opened(companies=12, keys_per_company=2) as (box, cli):
        key, base_url = cli.env.pop("WOODPECKER_API_KEY"), cli.env.pop("WOODPECKER_BASE_URL")
        new = Newcomer(cli)
        monkeypatch.chdir(tmp_path)

        # What is this, and what does it look like? The first help text has a line to try.
        assert "woodpecker-async keys list --all --sandbox" in new.types("--help").out
        assert len(new.types("keys", "list", "--all", "--sandbox").out.splitlines()) > 70

        # With the user's own key: the error says that it is missing, and how to provide it.
        said = new.types("me", code=2).err
        assert "WOODPECKER_API_KEY" in said
        assert "--api-key-file" in said
        new.types("help", "environment")
        Path("hq.key").write_text(key)
        Path("hq.key").chmod(0o644)
        assert "chmod 600 hq.key" in new.types("me", "--api-key-file", "hq.key", code=2).err
        Path("hq.key").chmod(0o600)
        assert "WOODPECKER_API_KEY_FILE" in new.screen
        new.env["WOODPECKER_API_KEY_FILE"] = "hq.key"

        # The URL from the web site's documentation, without its path.
        assert "WOODPECKER_BASE_URL" in new.screen
        new.env["WOODPECKER_BASE_URL"] = base_url.removesuffix("/rest")
        hint = new.types("me", code=1).err.splitlines()[-1]
        new.env["WOODPECKER_BASE_URL"] = re.search(r"did you mean (\S+)\?", hint)[1]
        assert box.state.user.email in new.types("me").out
        new.types("config", "show")
        assert "WOODPECKER_BASE_URL" in new.screen

        # A typo, then the list; one company fails and is reported.
        assert "did you mean keys?" in cli("kyes", "list").err
        new.types("keys", "--help")
        new.types("keys", "list", "--help")
        box.faults.add(Fault.status(404, company=box.company_ids[3], times=None))
        got = new.types(
            "keys", "list", "--all", "--format", "json", "--output", "keys.json", "--report", "run.json", code=3
        )
        assert f"Company {box.company_ids[3]} failed" in got.err
        assert len(json.loads(Path("keys.json").read_text())) == 12
        assert "possibly" in new.types("help", "exit-codes").out or "may be missing" in new.screen
        box.faults.clear()
        new.types("keys", "list", "--failed-of", "run.json", "--quiet")

        # A key for every company. The response to one creation is lost, and there is still just one key.
        new.types("keys", "ensure", "--help")
        box.faults.add(Fault.close(method="POST", at="after_commit", skip=2))
        args = ["keys", "ensure", "--all", "--label", "nightly", "--output", "nightly.jsonl"]
        if "--yes" in new.screen:
            args.append("--yes")
        new.types(*args)
        assert all([key.label for key in box.state.listed(c)].count("nightly") == 1 for c in box.company_ids)
        assert (
            new.types("keys", "list", "--all", "--without-label", "nightly", "--no-header", "--format", "csv").out == ""
        )

        # What needs attention, and has anything changed since? Somebody else creates a key.
        new.types("keys", "audit")
        new.types("inventory", "--help")
        new.types("inventory", "save", "today.json")
        box.state.add_key(box.company_ids[0], "who was that")
        new.types("inventory", "save", "tomorrow.json")
        assert "who was that" in new.types("inventory", "diff", "today.json", "tomorrow.json", code=3).out

        # For people who want a report of a problem.
        report = new.types("doctor", "--quiet").out
        assert not any(company.name in report for company in box.state.companies.values())
        secrets = [one.secret for company in box.state.companies.values() for one in company.keys] + [key]
        shown = new.screen + Path("keys.json").read_text() + Path("today.json").read_text()
        assert not any(secret in shown for secret in secrets)


SHOWN = "Array.from(document.querySelectorAll('#keys tbody tr:not([hidden])')).length"


@needs_chromium
@pytest.mark.system
async def test_the_page_as_it_is_handed_on(opened, tmp_path):
    with opened(companies=30, keys_per_company=2, inactive=2, inactive_lists=False) as (box, cli):
        name = "<b>Größe & Söhne</b>"
        box.state.companies[box.company_ids[0]].name = name
        box.state.companies[box.company_ids[1]].keys.clear()
        path = tmp_path / "keys.html"

        # On the first evening the server fails for one company, and nobody reads stdout: the page says what is missing.
        box.faults.add(Fault.status(404, company=box.company_ids[5], times=None))
        got = await _run(cli, "keys", "report", "--html", path, "--quiet")
        assert got.code == 3
        assert "keys of 1 company could not be listed" in path.read_text()

        # On the next it does not overwrite the page, nor leave half a page if the disk is full.
        box.faults.clear()
        assert (await _run(cli, "keys", "report", "--html", path)).code == 2
        got = await _run(cli, "keys", "report", "--html", "/dev/full")
        assert (got.code, "No space left" in got.err) == (1, True)
        got = await _run(cli, "keys", "report", "--html", path, "--force")
        assert got.code == 0
        assert "Not listed because they are inactive" in got.err

        # The page is passed on: another place, another reader, no other files, and the server is gone.
        handed = tmp_path / "elsewhere" / "handed on (1).html"
        handed.parent.mkdir()
        shutil.copy(path, handed)
        path.unlink()
        secrets = [key.secret for company in box.state.companies.values() for key in company.keys]
    assert not any(secret in handed.read_text() for secret in secrets)
    async with browser() as tab:
        for width in (1300, 420):
            await tab.show(width, dark=width == 420)
            await tab.open(handed)
            assert await tab.run("document.documentElement.scrollWidth") <= width
            rows = await tab.run(SHOWN)
            assert rows == 27 * 2 + 1 + 2
            await tab.run(
                "document.getElementById('filter').value = 'grosse sohne'.replace('ss', 'ß');"
                "document.getElementById('filter').dispatchEvent(new Event('input'))"
            )
            assert await tab.run(SHOWN) == 2
            assert await tab.run("document.querySelector('#keys tbody tr:not([hidden]) th').textContent") == name
        totals = await tab.run("Array.from(document.querySelectorAll('.totals dd')).map((dd) => dd.textContent)")
        assert totals == ["30", "54", "1", await tab.run("document.querySelectorAll('.totals dd')[3].textContent"), "2"]
        assert "not complete" not in handed.read_text()
        assert tab.complaints == []
        assert set(tab.requests) == {handed.resolve().as_uri()}


async def _run(cli, *args):
    """The command has its own event loop, and signals need the main thread: so it runs in a process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "woodpecker_async", *map(str, args),
        env={"PATH": os.environ["PATH"], "XDG_CONFIG_HOME": "/nowhere", **cli.env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Got(process.returncode, out.decode(), err.decode())
