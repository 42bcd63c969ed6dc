"""`keys audit`, `inventory save` and `inventory diff`."""

import csv
import io
import json
import stat

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async import Secret
from woodpecker_async.cli.inventory import Inventory, changes
from woodpecker_async.sandbox import Fault


@pytest.fixture
def few(opened):
    with opened(companies=4, keys_per_company=0) as (box, cli):
        yield box, cli, box.company_ids


def audited(cli, *args):
    got = cli("keys", "audit", "--format", "json", *args)
    return got, [
        (row["finding"], row["company_id"], row["label"], row["keys"], row["missing_at"]) for row in json.loads(got.out)
    ]


def test_audit(few):
    box, cli, (a, b, c, d) = few
    for company, label in ((a, "crm"), (a, "crm"), (b, "crm"), (b, None), (b, ""), (c, "cr\u0301m"), (c, "only")):
        box.state.add_key(company, label)
    got, found = audited(cli)
    assert got.code == 0
    assert found == [
        ("duplicate_label", a, "crm", 2, []),
        ("no_label", b, None, 2, []),
        ("no_keys", d, None, None, []),
        ("partial_label", None, "crm", None, [c, d]),
        ("partial_label", None, "cŕm", None, [a, b, d]),
        ("partial_label", None, "only", None, [a, b, d]),
    ]
    assert got.err.endswith("Found: 1 duplicate label, 1 no label, 1 no keys, 3 partial label\n")
    assert not any(key.secret in got.out for company in (a, b, c) for key in box.state.listed(company))
    assert audited(cli, "--exit-code")[0].code == 3
    assert audited(cli, "--company", c)[1] == []  # a label that all of these companies have is not a finding
    rows = list(csv.DictReader(io.StringIO(cli("keys", "audit", "--format", "csv").out)))
    assert rows[0]["finding"] == "duplicate label"
    assert "2 of 4 companies" in cli("keys", "audit").out


def test_a_company_that_failed_is_not_one_without_keys(few):
    box, cli, (a, *_) = few
    box.faults.add(Fault.status(404, company=a, times=None))
    got, found = audited(cli)
    assert got.code == 3
    assert a not in [company for _, company, *_ in found]
    assert f"Company {a} failed" in got.err


def test_nothing_to_find(few):
    box, cli, companies = few
    for company in companies:
        box.state.add_key(company, "crm")
    got = cli("keys", "audit", "--exit-code")
    assert (got.code, got.err.splitlines()[-1]) == (0, "Found: nothing")
    got = cli("keys", "audit", "--exit-code", "--quiet")
    assert (got.code, got.out, got.err) == (0, "", "")


# ---- inventories


@pytest.fixture
def inventories(few, tmp_path):
    box, cli, ids = few
    box.state.add_key(ids[0], "crm")
    box.state.add_key(ids[0], "old")
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    assert cli("inventory", "save", before).code == 0
    return box, cli, ids, before, after


def diffed(cli, before, after):
    got = cli("inventory", "diff", before, after, "--format", "json")
    return got, json.loads(got.out)


def test_an_inventory_holds_no_secret(inventories):
    box, cli, ids, before, _ = inventories
    text = before.read_text()
    secrets = [key.secret for company in ids for key in box.state.listed(company)]
    assert len(secrets) == 2
    assert not any(secret in text or secret[-4:] in text for secret in (*secrets, box.hq_key))
    assert stat.S_IMODE(before.stat().st_mode) == 0o600
    got = cli("inventory", "save", before)
    assert (got.code, got.err) == (2, f"Error: {before} already exists; use --force to replace it\n")
    assert cli("inventory", "save", before, "--force").code == 0
    assert json.loads(cli("inventory", "save", "-").out)["companies"] == json.loads(text)["companies"]


def test_nothing_changed(inventories):
    _, cli, _, before, after = inventories
    assert cli("inventory", "save", after).code == 0
    got, found = diffed(cli, before, after)
    assert (got.code, found, got.err) == (0, [], "0 changes\n")
    got = cli("inventory", "diff", before, after, "--quiet")  # no output for cron to mail
    assert (got.code, got.out, got.err) == (0, "", "")


def test_what_changed(inventories):
    box, cli, ids, before, after = inventories
    crm, old = box.state.companies[ids[0]].keys
    box.state.companies[ids[0]].keys[:] = [evolve(old, label="new")]
    added = box.state.add_key(ids[1], None)
    gone = box.state.companies.pop(ids[3])
    cli("inventory", "save", after)
    got, found = diffed(cli, before, after)
    assert got.code == 3
    names = {company: box.state.companies[company].name for company in ids[:3]}

    def change(kind, company, name, label=None, label_before=None, key=None):
        return {
            "change": kind, "company_id": company, "company_name": name, "label": label, "label_before": label_before,
            "fingerprint": None if key is None else Secret(key.secret).fingerprint,
        }  # fmt: skip

    assert found == sorted(
        [
            change("key_vanished", ids[0], names[ids[0]], label_before="crm", key=crm),
            change("key_relabelled", ids[0], names[ids[0]], label="new", label_before="old", key=old),
            change("key_appeared", ids[1], names[ids[1]], key=added),
            change("company_vanished", gone.id, gone.name),
        ],
        key=lambda row: row["company_id"],
    )
    assert got.err == "4 changes\n"
    back = diffed(cli, after, before)[1]
    assert [row["change"] for row in back if row["company_id"] == gone.id] == ["company_appeared"]
    table = cli("inventory", "diff", before, after)
    assert (table.code, "key relabelled" in table.out) == (3, True)
    assert cli("inventory", "diff", before, after, "--quiet", "--format", "jsonl").err == ""


def test_what_could_not_be_listed_has_not_vanished(inventories):
    box, cli, ids, before, after = inventories
    box.faults.add(Fault.status(404, company=ids[0], times=None))
    assert cli("inventory", "save", after).code == 3
    for pair in ((before, after), (after, before)):
        got, found = diffed(cli, *pair)
        assert (got.code, found) == (3, [])
        assert f"Not compared because they could not be listed: {ids[0]}\n" in got.err


def test_inactive_companies_have_not_lost_their_keys(opened, tmp_path):
    with opened(companies=2, inactive_lists=False) as (box, cli):
        company = box.state.companies[box.company_ids[0]]
        cli("inventory", "save", tmp_path / "a")
        company.active = False
        assert cli("inventory", "save", tmp_path / "b").code == 0
        got, found = diffed(cli, tmp_path / "a", tmp_path / "b")
        assert [row["change"] for row in found] == ["company_deactivated"]
        assert got.code == 3
        assert [row["change"] for row in diffed(cli, tmp_path / "b", tmp_path / "a")[1]] == ["company_activated"]


def test_inventories_of_different_companies_or_accounts(inventories):
    _, cli, ids, before, after = inventories
    cli("inventory", "save", after, "--company", ids[0])
    got = cli("inventory", "diff", before, after)
    assert (got.code, "cover different companies: save both with the same options" in got.err) == (2, True)
    other = json.loads(before.read_text()) | {"account": "https://other:443/rest 123456789abc"}
    after.write_text(json.dumps(other))
    got, found = diffed(cli, before, after)
    assert (got.code, found) == (0, [])
    assert "saved with different API keys or base URLs" in got.err


def test_a_list_that_moved_is_said_in_the_file_too(opened, tmp_path):
    with opened(companies=7, page_size=3) as (_, cli):
        cli("inventory", "save", tmp_path / "a")
        saved = json.loads((tmp_path / "a").read_text())
        (tmp_path / "a").write_text(json.dumps(saved | {"unsettled": True}))
        got = cli("inventory", "diff", tmp_path / "a", tmp_path / "a")
        assert got.code == 3
        assert "may be missing in" in got.err


WHOLE = """{"kind": "woodpecker-async inventory", "version": 1, "account": "", "selection": 1, "unsettled": false,
"companies": [%s]}"""


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", "3", '{"kind": "x"}', "[" * 100_000, "\xff",
        '{"kind": "woodpecker-async inventory", "version": 2}',
        '{"kind": "woodpecker-async inventory", "version": 1, "companies": 3}',
        WHOLE % '{"id": "1", "name": "x", "status": "ok", "keys": []}',
        WHOLE % '{"id": 1, "name": "x", "status": "ok", "keys": [{"fingerprint": 3, "label": ""}]}',
    ],
)  # fmt: skip
def test_files_that_are_none(inventories, text):
    _, cli, _, before, after = inventories
    after.write_text(text)
    got = cli("inventory", "diff", before, after)
    assert (got.code, got.out) == (2, "")
    assert str(after) in got.err
    assert len(got.err.splitlines()) == 1


LABELS = st.none() | st.sampled_from(["a", "b"])
KEYS = st.dictionaries(st.sampled_from("fghij"), LABELS)


@st.composite
def inventory(draw):
    names = draw(st.dictionaries(st.integers(1, 5), st.just("x")))
    unknown = frozenset(draw(st.sets(st.sampled_from(sorted(names))))) if names else frozenset()
    keys = {company: draw(KEYS) for company in names if company not in unknown}
    return Inventory("account", None, names, keys, unknown, False)


@given(inventory(), inventory())
def test_a_diff_is_the_way_from_one_to_the_other(before, after):
    """Applying the diff to the first inventory gives the second, wherever both are known."""
    unknown = before.unknown | after.unknown
    now = {company: dict(keys) for company, keys in before.keys.items() if company not in unknown}
    for change in changes(before, after):
        company, key = change["company_id"], change["fingerprint"]
        assert company not in unknown
        match change["change"]:
            case "company_appeared":
                assert company not in now
                now[company] = {}
            case "company_vanished":
                now[company] = now.get(company, {}) | {None: "gone"}
            case "key_vanished":
                assert now[company].pop(key) == change["label_before"]
            case "key_appeared":
                assert key not in now[company]
                now[company][key] = change["label"]
            case "key_relabelled":
                assert now[company][key] == change["label_before"] != change["label"]
                now[company][key] = change["label"]
    now = {company: keys for company, keys in now.items() if None not in keys}
    assert now == {company: keys for company, keys in after.keys.items() if company not in unknown}


@given(inventory())
def test_nothing_changes_by_itself(same):
    assert list(changes(same, same)) == []
