"""`api`: any endpoint, with the same lane, retries and errors as the other commands."""

import json
import re

import pytest

from tests.raw import answer
from woodpecker_async.sandbox import Fault


def test_an_answer_as_it_came(cli, box):
    got = cli("api", "GET", "/v1/me")
    assert (got.code, got.err) == (0, "")
    assert json.loads(got.out)["company"]["id"] == box.state.hq.id
    company = box.company_ids[1]
    assert json.loads(cli("api", "get", "v1/me", "--company", company).out)["company"]["id"] == company
    assert box.journal[-1].headers["x-company-id"] == str(company)


@pytest.mark.parametrize(
    "args",
    [
        ("/v2/agency/companies?active=false&page=1",),
        ("/v2/agency/companies", "--field", "active=false", "--field", "page=1"),
        ("/v2/agency/companies?active=false", "--field", "page=1"),
    ],
)
def test_a_query(cli, box, args):
    got = cli("api", "GET", *args)
    assert [company["id"] for company in json.loads(got.out)["content"]] == [box.company_ids[-1]]
    assert dict(box.journal[-1].query) == {"active": "false", "page": "1"}


def test_secrets_are_masked(cli, box):
    company = box.company_ids[0]
    path = f"/v2/agency/companies/{company}/api_keys"
    got = cli("api", "GET", path)
    secrets = [key.secret for key in box.state.listed(company)]
    assert not any(secret in got.out for secret in secrets)
    assert got.err == "Secrets are masked; to see them in full, add --reveal.\n"
    got = cli("api", "GET", path, "--reveal")
    assert [key["api_key"] for key in json.loads(got.out)["content"]] == secrets
    assert got.err == ""


def test_bodies(opened, tmp_path):
    with opened(companies=1) as (box, cli):
        got = cli("api", "POST", "/v2/agency/companies", "--field", 'companies=[{"name": "Łódź"}]')
        assert (got.code, json.loads(got.out)["companies"][0]["name"]) == (0, "Łódź")
        path = tmp_path / "body"
        path.write_bytes(b'\xef\xbb\xbf{"domains": ["x.example", "y.example"]}')
        got = cli("api", "POST", "/v2/agency/blacklist/domains", "--input", path)
        assert (got.code, got.out, got.err) == (0, "", "Done; the response has no body.\n")
        got = cli("api", "DELETE", "/v2/agency/blacklist/domains", "--input", "-", stdin='{"domains": ["x.example"]}')
        assert got.code == 0
        assert json.loads(cli("api", "GET", "/v2/agency/blacklist/domains").out)["domains"] == ["y.example"]
        # Each write was sent once, and is never retried.
        box.faults.add(Fault.status(500, method="POST"))
        before = len(box.journal)
        got = cli("api", "POST", "/v2/agency/companies", "--field", 'companies=[{"name": "x"}]')
        assert (got.code, len(box.journal)) == (1, before + 1)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["FETCH", "/v1/me"], "'FETCH' is not one of"),
        (["GET", "https://api.woodpecker.co/rest/v1/me"], "PATH must be relative to the base URL"),
        (["GET", "/rest/v1/me"], "the path is /v1/me"),
        (["GET", "/v1/../me"], 'has no "." or ".." segment'),
        (["GET", "/v2/agency/companies", "--company", "1"], "names the company itself: leave out --company"),
        (["GET", "/v2/x?a=1", "--field", "a=2"], "'a' is both in the query of PATH and in --field"),
        (["GET", "/v2/x?a=1&a=2"], "a parameter occurs twice"),
        (["GET", "/v2/x", "--field", "a"], "--field must be NAME=VALUE, not 'a'"),
        (["GET", "/v2/x", "--field", "=a"], "--field must be NAME=VALUE"),
        (["GET", "/v2/x", "--field", "a=1", "--field", "a=2"], "a --field is given twice"),
        (["GET", "/v2/x", "--input", "x"], "a GET has no body"),
        (["POST", "/v2/x", "--input", "x", "--field", "a=1"], "--input is the whole body"),
        (["POST", "/v2/x", "--input", "/nowhere/x"], "cannot read /nowhere/x"),
        (["POST", "/v2/x", "--input", "-"], "stdin is not valid JSON"),
        (["POST", "/v2/x", "--paginate"], "--paginate works only with GET"),
        (["POST", "/v2/x", "--input", "-", "--api-key-stdin"], "both read stdin"),
        (["GET", "/v2/agency/companies?page=2", "--paginate"], "--paginate reads all pages: leave out page"),
    ],
)
def test_what_makes_no_sense(cli, box, args, said):
    before = [entry.method for entry in box.journal]
    got = cli("api", *args)
    assert (got.code, got.out) == (2, "")
    assert said in got.err
    assert [entry.method for entry in box.journal][len(before) :] in (
        [],
        ["GET"],
    )  # the paging style is known from a response


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("a=x", "x"),
        ("a=1", 1),
        ("a=1.5", 1.5),
        ("a=true", True),
        ("a=null", None),
        ('a="1"', "1"),
        ("a=[1]", [1]),
        ('a={"b": "c=d"}', {"b": "c=d"}),
        ("a=", ""),
        ("a=b=c", "b=c"),
        ("a={", "{"),
        ("a=NaN", "NaN"),
    ],
)
def test_values_of_fields(cli, box, given, sent):
    cli("api", "POST", "/v2/nothing", "--field", given)
    assert json.loads(box.journal[-1].body) == {"a": sent}


def test_all_pages(opened):
    with opened(companies=7, keys_per_company=5, page_size=3) as (box, cli):
        got = cli("api", "GET", "/v2/agency/companies", "--paginate")
        assert [company["id"] for company in json.loads(got.out)] == list(box.company_ids)
        assert got.err == "7 items\n"
        company = box.company_ids[0]
        got = cli("api", "GET", f"/v2/agency/companies/{company}/api_keys", "--paginate", "--format", "jsonl")
        assert len([json.loads(line) for line in got.out.splitlines()]) == 5
        assert not any(key.secret in got.out for key in box.state.listed(company))
        got = cli("api", "GET", "/v1/me", "--paginate")
        assert (got.code, json.loads(got.out)["company"]["id"]) == (0, box.state.hq.id)
        assert "says nothing about more pages" in got.err


def test_pages_counted_from_0_and_cursors(opened):
    with opened(companies=2) as (box, cli):
        domains = [f"d{number}.example" for number in range(250)]
        for start in (0, 250):
            body = json.dumps({"domains": domains[start : start + 250]})
            assert cli("api", "POST", "/v2/agency/blacklist/domains", "--input", "-", stdin=body).code in (0, 1)
        got = cli("api", "GET", "/v2/agency/blacklist/domains?per_page=100", "--paginate")
        assert sorted(json.loads(got.out)) == sorted(domains)
        company = box.company_ids[0]
        got = cli("api", "GET", "/v2/inbox/messages", "--company", company, "--paginate")
        assert got.code == 0
        assert isinstance(json.loads(got.out), list)


@pytest.mark.parametrize(
    ("headers", "code", "said_"),
    [
        ({"X_Total_Count": "2"}, 0, "2 items"),
        ({}, 0, "says nothing about more pages"),
        ({"X_Total_Count": "5"}, 3, "an item may be missing"),
    ],
)
def test_arrays(alone, said, headers, code, said_):
    """A server that sends the same array for every page: counted, not counted, and counted wrongly."""
    with said(answer(b'[{"id": 1}, {"id": 2}]', **headers)) as (url, _):
        alone.env |= {"WOODPECKER_BASE_URL": f"{url}/rest", "WOODPECKER_API_KEY": "1.x"}
        got = alone("api", "GET", "/v1/prospects", "--paginate")
    assert got.code == code
    assert json.loads(got.out) == [{"id": 1}, {"id": 2}]
    assert said_ in got.err


def test_a_list_that_never_holds_still(opened):
    with opened(companies=7, page_size=3) as (box, cli):
        box.faults.add(Fault.growing_total_pages(path=re.compile("companies$")))
        got = cli("api", "GET", "/v2/agency/companies", "--paginate")
        assert got.code in (1, 3)
        assert got.err


def test_the_servers_error_is_told(cli):
    got = cli("api", "GET", "/v2/nothing")
    assert (got.code, got.out) == (1, "")
    assert got.err.startswith("Error: 404 Not Found")


def test_an_answer_that_is_no_json(alone, said):
    with said(answer(b"<html>")) as (url, _):
        alone.env |= {"WOODPECKER_BASE_URL": f"{url}/rest", "WOODPECKER_API_KEY": "1.x"}
        got = alone("api", "GET", "/v2/x")
    assert (got.code, got.out) == (1, "")
