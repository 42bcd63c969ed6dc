"""`prospects add`: whom it adds, what it reports for each, and what it never does without asking."""

import json

import pytest

from tests.raw import answer
from woodpecker_async.sandbox import Fault

ADD = ("prospects", "add")


@pytest.fixture
def changed(opened):
    """A sandbox of one's own, the command for it, and the options that name a company."""
    with opened(companies=1, service_time=0) as (box, cli):
        yield box, cli, ("--company", box.company_ids[0])


def rows(got):
    return {row["email"]: row["status"] for row in json.loads(got.out)}


def fields_of(cli, company, email):
    fields = "email,first_name,company,tags,campaign_id"
    got = cli("prospects", "list", "--company", company, "--search", f"email={email}", "--fields", fields, "--json")
    return [{k: v for k, v in row.items() if v is not None} for row in json.loads(got.out)]


def campaign_of(cli, company):
    got = cli("campaigns", "list", "--company", company, "--fields", "id", "--limit", 1, "--json")
    return json.loads(got.out)[0]["id"]


def posts(box):
    return [record for record in box.journal if record.method == "POST"]


def test_one_address(changed):
    box, cli, whose = changed
    company = whose[1]
    args = (*ADD, *whose, "monica@raviga.example", "--field", "first_name=Monica", "--json")
    got = cli(*args, "--dry-run")
    assert (got.code, rows(got), posts(box)) == (0, {"monica@raviga.example": "would add"}, [])
    assert rows(cli(*args)) == {"monica@raviga.example": "added"}
    assert fields_of(cli, company, "monica@raviga.example")[0]["first_name"] == "Monica"
    assert rows(cli(*args)) == rows(cli(*args, "--dry-run")) == {"monica@raviga.example": "already there"}
    changes = (*ADD, *whose, "monica@raviga.example", "--field", "first_name=Mo", "--update", "--json")
    assert rows(cli(*changes, "--dry-run")) == {"monica@raviga.example": "would update"}
    assert rows(cli(*changes)) == {"monica@raviga.example": "added or updated"}
    assert fields_of(cli, company, "monica@raviga.example")[0]["first_name"] == "Mo"


def test_a_campaign_asks_first(changed):
    box, cli, whose = changed
    company = whose[1]
    campaign = campaign_of(cli, company)
    args = (*ADD, *whose, "--campaign", campaign, "monica@raviga.example")
    got = cli(*args)
    assert (got.code, posts(box)) == (2, [])
    assert f"campaign {campaign} of company {company}; if it is running, it writes to them" in got.err
    assert cli(*args, "--yes").code == 0
    got = cli("prospects", "list", *whose, "--campaign", campaign, "--search", "email=monica@raviga.example", "--json")
    assert [row["email"] for row in json.loads(got.out)] == ["monica@raviga.example"]
    assert rows(cli(*args, "--yes", "--json")) == {"monica@raviga.example": "already there"}
    assert rows(cli(*args, "--dry-run", "--json")) == {"monica@raviga.example": "already there"}
    got = cli(*ADD, *whose, "--campaign", 1, "jared@raviga.example", "--yes")
    assert (got.code, "Campaign does not exist" in got.err) == (1, True)


@pytest.mark.parametrize("through", ["file", "stdin"])
def test_a_csv(changed, tmp_path, through):
    _, cli, whose = changed
    company = whose[1]
    text = '\ufeffEMAIL,First name,company\r\na@x.example,A,\r\n\r\n"b@x.example","B","Foo, Inc"\r\n'
    path = tmp_path / "prospects.csv"
    path.write_text(text, encoding="utf-8", newline="")
    args = (*ADD, *whose, "--field", "company=Default", "--field", "tags=#fair", "c@x.example", "--json", "--from")
    got = cli(*args, path) if through == "file" else cli(*args, "-", stdin=text)
    assert (got.code, rows(got)) == (0, dict.fromkeys(["c@x.example", "a@x.example", "b@x.example"], "added"))
    assert [row["company"] for mail in "abc" for row in fields_of(cli, company, f"{mail}@x.example")] == [
        "Default", "Foo, Inc", "Default",
    ]  # fmt: skip
    assert fields_of(cli, company, "a@x.example")[0]["first_name"] == "A"


@pytest.mark.parametrize("length", [1, 60])
def test_many_are_looked_up_in_parts(changed, tmp_path, length):
    _, cli, whose = changed
    path = tmp_path / "prospects.csv"
    domain = "@" + ".".join(["a-long-part-of-the-domain"] * (1 + length // 10)) + ".example"
    path.write_text("email\n" + "".join(f"{'+' * length}{number}{domain}\n" for number in range(300)))
    got = cli(*ADD, *whose, "--from", path, "--dry-run", "--json")
    assert (got.code, set(rows(got).values()), len(rows(got))) == (0, {"would add"}, 300)
    assert cli(*ADD, *whose, "--from", path).err.endswith("300 added.\n")
    assert set(rows(cli(*ADD, *whose, "--from", path, "--dry-run", "--json")).values()) == {"already there"}


@pytest.mark.parametrize(
    ("args", "text", "says"),
    [
        ((), None, "say which prospects: EMAIL or --from FILE"),
        (("nobody",), None, "nobody: email must be an e-mail address"),
        (("a@x.example", "A@x.example"), None, "A@x.example is named twice"),
        (("a@x.example", "--field", "frist_name=x"), None, "no field 'frist_name'; did you mean first_name?"),
        (("a@x.example", "--field", "first_name"), None, "--field must be NAME=VALUE, not 'first_name'"),
        (("a@x.example", "--field", "email=b@x.example"), None, "give addresses as arguments"),
        (("a@x.example", "--field", "organization_id=x"), None, "organization_id must be an integer, not 'x'"),
        (("a@x.example", "--field", "interested=INTERESTED"), None, "interested is taken with --update only"),
        (("a@x.example", "--field", "status=busy"), None, "a@x.example: status must be one of 'ACTIVE'"),
        ((), "a@x.example\n", "a prospect has no field 'a@x.example'"),
        ((), "first_name\nA\n", "the first line must name the columns"),
        (
            (),
            "email,email\na@x.example,b@x.example\n",
            "the first line must name the columns, including email, without repetitions",
        ),
        ((), "", "the first line must name the columns"),
        ((), "email\n", "say which prospects"),
        ((), "email,company\na@x.example\n", "line 2: there are 1 cells for 2 columns"),
        ((), "email,company\n,Foo\n", "line 2: the e-mail address is missing"),
        ((), 'email\n"a@x.example\n', "line 2: "),
        (("a@x.example",), "email\na@x.example\n", "a@x.example is named twice"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(changed, tmp_path, args, text, says):
    box, cli, whose = changed
    if text is not None:
        (tmp_path / "p.csv").write_text(text)
        args = (*args, "--from", tmp_path / "p.csv")
    got = cli(*ADD, *whose, *args)
    assert (got.code, got.out, says in got.err, len(box.journal)) == (2, "", True, 0), got.err


def test_a_prospect_that_is_refused_is_said(alone, said):
    body = {
        "prospects": [
            {"email": "a@x.example", "id": 7},
            {"email": "b@x.example", "status": "ERROR", "code": "E_BLACKLISTED", "msg": "no"},
        ],
        "status": {"status": "OK"},
    }
    with said(answer(json.dumps(body).encode())) as (url, _):
        alone.env |= {"WOODPECKER_BASE_URL": f"{url}/rest", "WOODPECKER_API_KEY": "1.x"}
        got = alone(*ADD, "a@x.example", "b@x.example", "c@x.example", "--json")
    assert got.code == 3
    assert [(row["status"], row["why"]) for row in json.loads(got.out)] == [
        ("added", None),
        ("refused", "E_BLACKLISTED: no"),
        ("refused", "the response does not mention this prospect"),
    ]
    assert got.err == "At your own account: 1 added, 2 refused.\n"


def test_an_answer_that_is_lost(changed):
    box, cli, whose = changed
    company = whose[1]
    box.faults.add(Fault.close(method="POST", at="after_commit"))
    got = cli(*ADD, *whose, "a@x.example")
    assert (got.code, got.out, len(posts(box))) == (1, "", 1)
    assert "look with `prospects list --search email=ADDRESS` before trying again" in got.err
    last = got.err.splitlines()[-1]
    assert last.endswith(f"Check with: woodpecker-async prospects list --company {company}")
