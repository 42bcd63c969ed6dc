"""The commands for families of endpoints: lists of one account and of many, and changes."""

import asyncio
import csv
import datetime as dt
import io
import json
import os
import pty
import re
import sqlite3
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_cli_help import COMMANDS
from woodpecker_async.cli import families
from woodpecker_async.cli.changing import Change
from woodpecker_async.cli.connection import Connection
from woodpecker_async.cli.fields import Field, values, without_secrets
from woodpecker_async.cli.layout import Layout
from woodpecker_async.cli.listing import At, Listing
from woodpecker_async.cli.main import root
from woodpecker_async.cli.printers import Printer
from woodpecker_async.cli.subscribing import EVENTS
from woodpecker_async.cli.terminal import an, count
from woodpecker_async.models import campaigns, prospects
from woodpecker_async.models.webhooks import WebhookEventName
from woodpecker_async.sandbox import Fault
from woodpecker_async.secret import Secret

LISTINGS = {
    f"{family} {name}": row
    for family, (_, table) in families._FAMILIES.items()
    for name, row in table.items()
    if isinstance(row, Listing)
}
CHANGES = {
    f"{family} {name}": row
    for family, (_, table) in families._FAMILIES.items()
    for name, row in table.items()
    if isinstance(row, Change)
}
OF_COMPANIES = [path for path, row in LISTINGS.items() if row.whose != "agency"]
OWN = [path for path, row in LISTINGS.items() if row.whose == "account"]


def rows_of(got):
    return [json.loads(line) for line in got.out.splitlines()]


def told(rows):
    """Sorted rows, without the errors, which name the call."""
    return sorted(({**row, "failure": None} for row in rows), key=str)


def sent(box, since=0):
    return list(box.journal)[since:]


def test_every_family_is_in_the_table_of_commands():
    assert set(root.families) == set(families._FAMILIES)
    assert {*LISTINGS, *CHANGES} <= set(COMMANDS)


def test_choices_are_those_of_the_sdk():
    assert set(EVENTS) == set(WebhookEventName)
    assert set(families._CAMPAIGN_STATES) == set(campaigns.CampaignStatus) - {"DELETED"}
    assert set(families._PROSPECT_STATES) == set(prospects.ProspectStatus)
    assert set(families._INTEREST) == set(prospects.ProspectInterest)


# ---- lists


@pytest.mark.parametrize("path", LISTINGS)
def test_every_list_has_the_same_rows_in_every_format(opened, tmp_path, path):
    row = LISTINGS[path]
    with opened(companies=3, inactive=1) as (box, cli):
        args = (*path.split(), *([] if row.whose == "agency" else ["--all"]))
        json_ = cli(*args, "--json", "--sort", "company_id")
        assert json_.code == 0
        read = json.loads(json_.out)
        names = [column.name for column in row.layout.columns]
        assert all(list(entry) == names for entry in read)
        table = cli(*args)
        assert (table.code, len(table.out.splitlines())) == (0, len(read) + 1)
        assert told(rows_of(cli(*args, "--format", "jsonl"))) == told(read)
        csv_ = list(csv.DictReader(io.StringIO(cli(*args, "--format", "csv", "--csv-raw").out)))
        assert [list(entry) for entry in csv_] == [names] * len(read)
        file = tmp_path / "rows.db"
        assert cli(*args, "--output", file).code == 0
        with sqlite3.connect(file) as database:
            name = row.layout.table
            assert database.execute(f"select count(*) from {name}").fetchone() == (len(read),)
        database.close()
        if row.whose != "agency":
            assert {entry["outcome"] for entry in read} <= {"ok", "none", "inactive"}
            assert {entry["company_id"] for entry in read} == set(box.company_ids)


@pytest.mark.parametrize("path", OWN)
def test_whose_they_are(cli, box, path):
    """By default the key's own account; with --company that company's, in the same columns."""
    before = len(box.journal)
    own = cli(*path.split(), "--format", "jsonl")
    assert own.code == 0
    assert {record.headers.get("x-company-id") for record in sent(box, before)} == {None}
    company, before = box.company_ids[1], len(box.journal)
    theirs = cli(*path.split(), "--company", company, "--format", "jsonl")
    assert theirs.code == 0
    scopes = {
        record.headers.get("x-company-id") or re.search(r"companies/(\d+)/", record.path)[1]
        for record in sent(box, before)
    }
    assert scopes == {str(company)}
    assert {entry["company_id"] for entry in rows_of(theirs)} == {company}
    assert {entry["company_id"] for entry in rows_of(own)} <= {None}
    assert {tuple(entry) for entry in rows_of(own) + rows_of(theirs)} == {
        tuple(column.name for column in LISTINGS[path].layout.columns)
    }


@pytest.mark.parametrize("path", OF_COMPANIES)
def test_a_company_that_fails_is_a_row_and_exit_code_3(cli, box, path):
    one, other = box.company_ids[:2]
    box.faults.add(Fault.status(400, company=other, times=None))
    got = cli(*path.split(), "--company", one, "--company", other, "--company", one, "--format", "jsonl")
    assert got.code == 3
    failed = [entry for entry in rows_of(got) if entry["outcome"] == "failed"]
    assert [entry["company_id"] for entry in failed] == [other]
    assert failed[0]["failure"].startswith("BadRequestError: 400")
    assert f"Company {other} failed: BadRequestError" in got.err
    assert "(failed)" in cli(*path.split(), "--company", other).out


def test_a_company_without_any_has_a_row(cli, box):
    company = box.company_ids[0]
    (row,) = rows_of(cli("guests", "list", "--company", company, "--format", "jsonl"))
    assert (row["company_id"], row["outcome"], row["id"]) == (company, "none", None)
    assert "(none)" in cli("guests", "list", "--company", company).out


@pytest.mark.parametrize("path", ["mailboxes list", "email-accounts list"])
def test_a_key_that_is_not_valid_stops_it(cli, box, path):
    box.faults.add(Fault.status(401, times=None))
    got = cli(*path.split(), "--all")
    assert (got.code, got.out) == (1, "")
    assert got.err.startswith("Error: 401")


def test_a_list_that_moves_is_not_whole(opened):
    def announce(_, answer):
        data = answer.json()
        return answer.with_json({**data, "pagination_data": {**data["pagination_data"], "total_elements": 9}})

    with opened(companies=2) as (box, cli):
        box.faults.add(Fault.rewriting(announce, path=re.compile("users"), times=None))
        got = cli("users", "list")
        assert got.code == 3
        assert "The list of users changed each time it was read" in got.err
        company = box.company_ids[0]
        got = cli("users", "list", "--company", company, "--format", "jsonl", "--quiet")
        assert got.code == 3
        assert {row["outcome"] for row in rows_of(got)} == {"incomplete"}
        assert f"Company {company}: its list of users changed each time it was read" in got.err
        assert "a user may be missing" in got.err


def test_an_empty_list_has_its_titles(opened):
    with opened(companies=1) as (box, cli):
        assert cli("webhooks", "list").out.split() == ["Event", "URL"]
        assert cli("webhooks", "list", "--company", box.company_ids[0], "--limit", 1).out.split()[0] == "Company"
        assert cli("webhooks", "list", "--format", "csv").out.startswith("company_id,company_name,outcome,event,")


def test_a_limit_reads_no_more_than_it_needs(opened):
    with opened(companies=1, page_size=3) as (box, cli):
        before = len(box.journal)
        got = cli("deliverability", "list", "--limit", 1, "--json")
        assert (got.code, len(json.loads(got.out)), len(box.journal) - before) == (0, 1, 1)
        got = cli("prospects", "list", "--limit", 2, "--fields", "email,status")
        assert got.out.split()[0] == "E-mail"
        assert len(got.out.splitlines()) == 3
        assert "there may be more" in got.err
        everything = json.loads(cli("prospects", "list", "--json", "--fields", "email").out)
        last = max(row["email"].casefold() for row in everything)
        got = cli("prospects", "list", "--json", "--sort", "-email", "--limit", "1")
        assert re.search(r"Showing 1 of \d+ rows? \(--limit\)", got.err)
        assert json.loads(got.out)[0]["email"].casefold() == last


def test_resuming(opened, tmp_path):
    report, file = tmp_path / "report.json", tmp_path / "campaigns.csv"
    with opened(companies=4) as (box, cli):
        failing = box.company_ids[2]
        box.faults.add(Fault.status(400, company=failing))
        args = ("campaigns", "list", "--all", "--report", report, "--output", file)
        assert cli(*args).code == 3
        before = len(box.journal)
        got = cli(*args, "--resume", report)
        assert got.code == 0
        assert [record.headers.get("x-company-id") for record in sent(box, before)] == [None, str(failing)]
        rows = list(csv.DictReader(io.StringIO(file.read_text())))
        assert {row["company_id"] for row in rows} == set(map(str, box.company_ids))
        assert {row["outcome"] for row in rows} == {"ok"}
        got = cli("campaigns", "list", "--all", "--status", "running", "--resume", report)
        assert got.code == 2
        assert "a report of another task" in got.err


def test_who_looks_for_something_sees_only_where_it_is(opened, tmp_path):
    report, file = tmp_path / "report.json", tmp_path / "found.jsonl"
    with opened(companies=3) as (box, cli):
        one, other = box.company_ids[:2]
        assert cli("blacklist", "add", "--company", one, "stop@example.com").code == 0
        box.faults.add(Fault.status(400, company=other))
        args = ("blacklist", "list", "--all", "--only", "stop@example.com", "--output", file, "--report", report)
        assert cli(*args).code == 3
        found = [json.loads(line) for line in file.read_text().splitlines()]
        assert {row["company_id"]: row["outcome"] for row in found} == {one: "ok", other: "failed"}
        assert cli(*args, "--resume", report).code == 0  # and the earlier failure is not reported again
        found = [json.loads(line) for line in file.read_text().splitlines()]
        assert {row["company_id"]: row["outcome"] for row in found} == {one: "ok", other: "none"}


@given(st.text(max_size=20) | st.sampled_from(["1.verylongdomainname", "=1+1", "a\n'b", 'Żółć, "x"']))
def test_values_are_what_the_server_said(text):
    (row,) = [values((Field("a", of=lambda item: item),), text, reveal=False)]
    assert row == {"a": text}


def test_values_of_all_kinds():
    secret = Secret("931650.abcdefghijkl0123456789")
    given = (
        secret,
        campaigns.CampaignStatus.RUNNING,
        dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
        None,
        1.5,
        True,
        {1: secret},
    )
    shown = values((Field("a", of=lambda item: item),), given, reveal=False)["a"]
    masked = "931650.****6789"
    assert shown == [masked, "RUNNING", "2026-01-02T00:00:00+00:00", None, 1.5, True, {"1": masked}]
    assert {type(value) for value in shown} == {str, type(None), float, bool, dict}


def test_a_blacklist_comes_back_as_it_was(opened, tmp_path):
    """Listed entries can be passed to the commands that change them, even one that looks like something else."""
    entries = ["1.verylongdomainname.example", "2024.newsletterteam@example.com"]
    file = tmp_path / "entries"
    with opened(companies=1) as (_, cli):
        assert cli("blacklist", "add", "--agency", *entries).code == 0
        got = cli("blacklist", "list", "--agency", "--fields", "entry", "--no-header")
        assert got.out.split() == entries
        file.write_text(got.out)
        assert cli("blacklist", "add", "--agency", "--from", file, "--dry-run").out.count("already there") == 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://x.example/a?b=c", "https://x.example/a?b=c"),
        ("https://x.example/a?token=s3cret&b=c&api_key=x#f", "https://x.example/a?token=****&b=c&api_key=****#f"),
        ("https://me:s3cret@x.example:8/a", "https://****@x.example:8/a"),
        ("https://x.example/?token=", "https://x.example/?token="),
        ("https://[x/?token=s3cret", "****"),
    ],
)
def test_urls_are_shown_without_secrets(url, shown):
    assert without_secrets(url) == shown


@given(
    st.lists(
        st.tuples(st.sampled_from(["token", "Api-Key", "auth%5B%5D", "page", "q"]), st.text("Zz9&=%", max_size=5))
    ),
    st.sampled_from(["", "user:ZZZ@", "ZZZ@"]),
)
def test_no_secret_of_a_url_is_left(pairs, user):
    url = f"https://{user}x.example/p?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
    shown = urlsplit(without_secrets(url))
    assert "ZZZ" not in shown.netloc
    assert shown.path == "/p"
    for name, value in parse_qsl(shown.query):
        assert value == "****" or name in ("page", "q")
    assert without_secrets(shown.geturl()) == shown.geturl()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("email-accounts", "list"), "say which companies"),
        (("mailboxes", "--company", "1"), ": options go after the command (list)"),
        (("webhooks", "subscribe", "x.example", "task_done"), "URL must be an http or https URL"),
        (("webhooks", "subscribe", "https://x.example", "replied"), "'replied' is not one of"),
        (("webhooks", "unsubscribe", "https://x.example/?key=****", "task_done"), "this URL is masked"),
        (("mailboxes", "list", "--active"), "--active and --inactive work only with --all"),
        (("mailboxes", "list", "--report", "x"), "--report and --resume work only with companies"),
        (("mailboxes", "list", "--all", "--company", "1"), "say which companies"),
        (("mailboxes", "list", "--fields", "e-mail"), "there is no field 'e-mail'; did you mean email?"),
        (("blacklist", "list", "--agency", "--all"), "--agency covers all companies at once"),
        (("blacklist", "add", "--agency", "--company", "1", "x.example"), "--agency covers all companies at once"),
        (("blacklist", "add"), "say which domains or addresses"),
        (("blacklist", "add", "x.example", "http://y.example"), "'http://y.example'"),
        (("blacklist", "remove", "--agency", "x.example", "a@b.example"), "the API does not document"),
        (("campaigns", "list", "--status", "walking"), "'walking' is not one of"),
        (("prospects", "list", "--search", "email"), "--search must be FIELD=TEXT"),
        (("prospects", "list", "--all", "--search", "colour=red"), "colour"),
        (("prospects", "list", "--status", "PAUSED"), "give --campaign with it"),
        (("deliverability", "list", "--from", "2026-13-01"), "--from must be"),
        (("guests", "invite", "--company", "1", "monica@example.com"), "a guest must be given as 'NAME <ADDRESS>'"),
        (("guests", "invite", "--company", "1", "M <m@x.example>", "N <m@x.example>"), "named twice"),
        (("guests", "invite", "--company", "1", *[f"M <m{n}@x.example>" for n in range(11)]), "at most 10"),
        (("guests", "invite", "--company", "1", "M <m@x.example>"), "there is no terminal to confirm on: add --yes"),
        (("guests", "set-permissions", "--company", "1", "5"), "--permission WORD or --none"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(cli, box, args, said):
    before = len(box.journal)
    got = cli(*args)
    assert (got.code, got.out) == (2, "")
    assert said in got.err
    assert len(box.journal) == before


# ---- changes


def test_a_blacklist(opened, tmp_path):
    file = tmp_path / "entries"
    file.write_text("\ufeff# unsubscribed\n stop@example.com \n\nrival.example\n", encoding="utf-8")
    with opened(companies=2) as (box, cli):
        company = box.company_ids[0]
        for whose in ((), ("--company", company), ("--agency",)):
            before = len(box.journal)
            args = (*whose, "--from", file, "stop@example.com", "--format", "jsonl")
            got = cli("blacklist", "add", *args, "--dry-run")
            assert [(row["entry"], row["status"]) for row in rows_of(got)] == [
                ("stop@example.com", "would add"),
                ("rival.example", "would add"),
            ]
            assert {record.method for record in sent(box, before)} == {"GET"}
            got = cli("blacklist", "add", *args)
            assert (got.code, {row["status"] for row in rows_of(got)}) == (0, {"added"})
            got = cli("blacklist", "list", *whose, "--only", "rival.example", "--only", "stop@example.com", "--json")
            assert [(row["entry"], row["kind"]) for row in json.loads(got.out)] == [
                ("rival.example", "domain"),
                ("stop@example.com", "address"),
            ]
            got = cli("blacklist", "add", *whose, "rival.example", "--dry-run")
            assert "already there" in got.out
            got = cli("blacklist", "remove", *whose, "rival.example", "never.example", "--format", "jsonl")
            told = {row["entry"]: row["status"] for row in rows_of(got)}
            assert told == {
                "rival.example": "removed",
                "never.example": "removed" if "--agency" in whose else "not found",
            }
            assert "rival.example" not in cli("blacklist", "list", *whose).out


def test_a_change_that_stops_in_the_middle_says_how_far_it_came(opened, tmp_path):
    file = tmp_path / "entries"
    file.write_text("".join(f"d{n}.example\n" for n in range(700)))
    with opened(companies=1) as (box, cli):
        company = box.company_ids[0]
        box.faults.add(Fault.status(400, method="POST", skip=1))
        got = cli("blacklist", "add", "--company", company, "--from", file)
        assert (got.code, got.out) == (1, "")
        assert got.err.splitlines()[-1] == (
            f"Stopped. At company {company}: nothing was done, and 500 more entries. "
            f"Check with: woodpecker-async blacklist list --company {company}"
        )
        box.faults.add(Fault.status(400, method="POST", path="/v2/blacklist/emails"))
        got = cli("blacklist", "add", "--company", company, "x.example", "a@x.example", "--format", "jsonl")
        assert got.code == 1
        assert [row["entry"] for row in rows_of(got)] == ["x.example"]
        assert f"Stopped. At company {company}: 1 added. Check with" in got.err


GUESTS = ("Monica Hall <monica@example.com>", "Jared Dunn <jared@example.com>")


def test_guests(opened):
    with opened(companies=1) as (box, cli):
        company = box.company_ids[0]
        invite = ("guests", "invite", "--company", company, *GUESTS)
        before = len(box.journal)
        got = cli(*invite, "--dry-run")
        assert (got.code, got.out.count("would invite")) == (0, 2)
        assert {record.method for record in sent(box, before)} == {"GET"}
        got = cli(*invite)
        assert (got.code, got.out) == (2, "")
        assert f"This sends an e-mail to 2 guests of company {company}; there is no terminal to confirm on" in got.err
        got = cli(*invite, "--permission", "mailboxes", "--yes", "--format", "jsonl")
        assert (got.code, [row["email"] for row in rows_of(got)]) == (0, ["monica@example.com", "jared@example.com"])
        assert got.err == f"At company {company}: 2 invited.\n"
        assert cli(*invite, "--dry-run").out.count("would invite again") == 2
        there = rows_of(cli("guests", "list", "--company", company, "--format", "jsonl"))
        assert [row["guest_permissions"] for row in there] == [["mailboxes"], ["mailboxes"]]
        one = there[0]["id"]
        set_ = ("guests", "set-permissions", "--company", company, one, "--none")
        assert "would set" in cli(*set_, "--dry-run").out
        assert cli(*set_).code == 0
        assert "already set" in cli(*set_, "--dry-run").out
        there = rows_of(cli("guests", "list", "--company", company, "--format", "jsonl"))
        assert {row["id"]: row["guest_permissions"] for row in there}[one] == []
        before = len(box.journal)
        got = cli("guests", "set-permissions", "--company", company, one, "7", "--none")
        assert (got.code, got.out) == (2, "")
        assert f"company {company} has no guest 7; see: woodpecker-async guests list" in got.err
        assert {record.method for record in sent(box, before)} == {"GET"}


@pytest.mark.system
@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"\n", 1), (b"no\n", 1)])
def test_a_person_is_asked_before_e_mails_go_out(really_opened, answer, code):
    with really_opened(companies=1) as (box, cli):
        terminal, its_end = pty.openpty()
        company = box.company_ids[0]
        with cli.start("guests", "invite", "--company", company, *GUESTS, stdin=its_end, stderr=its_end) as process:
            os.close(its_end)
            seen = b""
            while b"[y/N] " not in seen:
                seen += os.read(terminal, 1000)
            assert f"This sends an e-mail to 2 guests of company {company}. Continue?".encode() in seen
            assert len(box.journal) == 0
            os.write(terminal, answer)
            assert process.wait(60) == code
        os.close(terminal)
        assert sum(record.method == "POST" for record in box.journal) == (code == 0)


def test_an_invitation_whose_answer_is_lost_is_not_repeated(opened):
    with opened(companies=1) as (box, cli):
        company = box.company_ids[0]
        box.faults.add(Fault.close(method="POST", at="after_commit"))
        got = cli("guests", "invite", "--company", company, *GUESTS, "--yes")
        assert (got.code, got.out) == (1, "")
        assert sum(record.method == "POST" for record in box.journal) == 1
        assert f"look with `guests list --company {company}` before trying again" in got.err
        assert (
            f"It is not known whether more was done. Check with: woodpecker-async guests list --company {company}"
            in got.err
        )


def test_a_refused_change_is_one_line(cli, box):
    box.faults.add(Fault.status(400, method="POST"))
    got = cli("blacklist", "add", "--company", box.company_ids[0], "x.example")
    assert (got.code, got.out, len(got.err.splitlines())) == (1, "", 1)


WEBHOOK = "https://x.example/hook?token=s3cret"


def test_webhooks(opened):
    with opened(companies=1) as (box, cli):
        company = box.company_ids[0]
        whose = ("--company", company, "--format", "jsonl")
        before = len(box.journal)
        got = cli("webhooks", "subscribe", *whose, WEBHOOK, "prospect_replied", "--dry-run")
        assert [row["status"] for row in rows_of(got)] == ["would subscribe"]
        assert {record.method for record in sent(box, before)} == {"GET"}
        got = cli("webhooks", "subscribe", *whose, WEBHOOK, "prospect_replied", "TASK_DONE", "task_done")
        assert [row["status"] for row in rows_of(got)] == ["subscribed"] * 2
        got = cli("webhooks", "subscribe", *whose, WEBHOOK, "task_done", "email_opened")
        assert [row["status"] for row in rows_of(got)] == ["already there", "subscribed"]
        got = cli("webhooks", "list", *whose)
        assert sorted(row["event"] for row in rows_of(got)) == ["email_opened", "prospect_replied", "task_done"]
        assert {row["target_url"] for row in rows_of(got)} == {"https://x.example/hook?token=****"}
        assert "s3cret" in cli("webhooks", "list", *whose, "--reveal").out
        got = cli("webhooks", "unsubscribe", *whose, WEBHOOK, "task_done", "link_clicked", "--dry-run")
        assert [row["status"] for row in rows_of(got)] == ["would unsubscribe", "not found"]
        got = cli("webhooks", "unsubscribe", *whose, WEBHOOK, "task_done", "link_clicked")
        assert [row["status"] for row in rows_of(got)] == ["unsubscribed", "not found"]
        assert "s3cret" not in got.out + got.err
        assert len(rows_of(cli("webhooks", "list", *whose))) == 2
        assert rows_of(cli("webhooks", "list", "--format", "jsonl")) == []  # none of one's own account


async def _interrupted(at):
    yield {"entry": "x.example", "status": "added"}
    raise asyncio.CancelledError


def test_an_interrupted_change_prints_what_is_done(capsys):
    change = replace(CHANGES["blacklist add"], do=_interrupted)
    printer = Printer("csv", Layout(change.columns))
    code = asyncio.run(change._do(At(None, 7), {}, printer, Connection()))
    got = capsys.readouterr()
    assert (code, got.out.split()) == (130, ["entry,kind,status", "x.example,,added"])
    assert got.err == (
        "Interrupted. At company 7: 1 added. It is not known whether more was done. "
        "Check with: woodpecker-async blacklist list --company 7\n"
    )


# ---- words


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (1, "key", "1 key"),
        (2, "key", "2 keys"),
        (2, "company", "2 companies"),
        (0, "mailbox", "0 mailboxes"),
        (2, "entry", "2 entries"),
        (2, "e-mail account", "2 e-mail accounts"),
    ],
)
def test_counts(number, noun, words):
    assert count(number, noun) == words


def test_articles():
    assert [an(noun) for noun in ("entry", "e-mail account", "user", "key")] == [
        "an entry",
        "an e-mail account",
        "a user",
        "a key",
    ]
