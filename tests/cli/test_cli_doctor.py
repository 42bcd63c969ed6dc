"""`doctor`: harmless reads, and a report that contains no secrets."""

import json
import re

import pytest

from woodpecker_async.sandbox import Fault


def report(got):
    return {name: found["found"] for name, found in json.loads(got.out).items() if name != "about"}


def secrets_of(box):
    for company in (box.state.hq, *box.state.companies.values()):
        yield from (company.name, str(company.id), *(key.secret for key in company.keys))
    yield from (box.hq_key, box.state.user.name, box.state.user.email)


def test_what_it_finds(opened):
    with opened(companies=60, inactive=2, service_time=0.005) as (box, cli):
        got = cli("doctor", "--format", "json")
        assert got.code == 0
        found = report(got)
        assert found["key"] == "valid"
        assert found["agency"] == "an HQ key with the agency add-on"
        assert found["base URL"] == "not the vendor's"
        assert found["companies"] == 60
        assert found["clock"] == "agrees with the server's to within a second"
        assert found["fields of /v1/me"]["company"] == {"id": "integer", "name": "string"}
        assert found["page past the end"]["content"] == "array of 0"
        assert found["page past the end"]["pagination_data"]["total_pages"] == 2
        assert found["list of inactive companies"]["content"].keys() == {"array of 2"}
        assert found["empty list"] == {"domains": "array of 0", "total": 0}
        assert found["API keys of a company"]["content"] == {"array of 3": {"api_key": "string", "label": "string"}}
        assert re.fullmatch(r"about [\d.]+ ms a request", found["service time"])
        assert re.fullmatch(r"about [\d.]+ ms", found["round trip"])
        assert re.fullmatch(r"[1-7] in flight", found["window found"])
        assert (found["request ids"], found["redirects"], found["headers about the rate"]) == ("none", "none", "none")
        assert "date" in found["headers"]
        assert found["refused (429)"] == 0
        assert {entry.method for entry in box.journal} == {"GET"}
        assert len(box.journal) < 70
        text = cli("doctor").out
        assert "ok key" in text
        for said in (got.out, text):
            assert [secret for secret in secrets_of(box) if secret in said] == []


def test_the_time_a_request_takes(opened):
    with opened(companies=2, service_time=0.02, round_trip=0.04) as (_, cli):
        found = report(cli("doctor", "--format", "json"))
        service = float(re.search(r"[\d.]+", found["service time"])[0])
        assert 15 <= service <= 60  # a loaded machine is slower, never faster
        assert float(re.search(r"[\d.]+", found["one request alone"])[0]) >= 55


def test_a_key_that_is_not_valid(cli, box):
    cli.env["WOODPECKER_API_KEY"] = "123456.notthekeyofanybody"
    before = len(box.journal)
    got = cli("doctor", "--format", "json")
    assert (got.code, report(got)["key"]) == (1, "not valid")
    assert len(box.journal) == before + 1


def test_a_clients_key(cli, box):
    cli.env["WOODPECKER_API_KEY"] = box.client_key(box.company_ids[0])
    got = cli("doctor", "--format", "json")
    found = report(got)
    assert (got.code, found["key"]) == (1, "valid")
    assert found["agency"].startswith("a client's key, or the account has no agency add-on")


def test_without_the_add_on(cli, box):
    body = {"title": "Forbidden", "status": 403, "detail": "No Agency addon", "timestamp": "2026-01-01 00:00:00"}
    box.faults.add(Fault.status(403, body=body, path=re.compile("^/v2/agency"), times=None))
    assert report(cli("doctor", "--format", "json"))["agency"].startswith("the account has no agency add-on")


def test_what_servers_say_beside_the_body(cli, box):
    def headers(_, sent):
        return sent.with_headers(
            X_RateLimit_Remaining="7", X_Request_Id=box.hq_key, Set_Cookie="a=b", X_Api_Key=box.hq_key,
            Date="Wed, 21 Oct 2015 07:28:00 GMT",
        )  # fmt: skip

    box.faults.add(Fault.rewriting(headers, times=None))
    got = cli("doctor", "--format", "json")
    found = report(got)
    assert found["headers about the rate"] == "x-ratelimit-remaining"
    assert found["request ids"] == "yes"
    assert re.fullmatch(r"this machine is \d+ s ahead of the server", found["clock"])
    assert got.code == 1
    assert box.hq_key not in got.out
    assert not {"set-cookie", "x-api-key"} & set(found["headers"].split(", "))


def test_names_of_companies_that_are_names_of_fields(cli, box):
    name = box.state.companies[box.company_ids[0]].name

    def by_name(_, sent):
        return sent.with_json({"id": 1, "clients": {name: 1, "Acme": 2, "123456": 3}, "extra": "acme"})

    box.faults.add(Fault.rewriting(by_name, path="/v1/me", times=None))
    got = cli("doctor", "--format", "json")
    found = report(got)
    assert found["fields of /v1/me"] == {"id": "integer", "clients": {"...": "more"}, "extra": "string"}


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (
            Fault.redirect("http://127.0.0.1:1/x", times=None),
            ("agency", "could not be determined: 302 UnexpectedRedirectError"),
        ),
        (Fault.status(404, path="/v1/me", times=None), ("service time", "could not be determined: 404 NotFoundError")),
        (
            Fault.status(400, path="/v1/me", skip=10, times=None),
            ("service time", "could not be determined: 400 BadRequestError"),
        ),
    ],
)
def test_what_cannot_be_found_out(cli, box, fault, found):
    box.faults.add(fault)
    got = cli("doctor", "--format", "json")
    assert got.code in (0, 1)
    assert report(got)[found[0]] == found[1]


def test_a_server_that_goes_away(cli, box):
    """The findings so far are printed."""
    box.faults.add(Fault.close(skip=4, times=None))
    got = cli("doctor", "--format", "json", "--attempts", "1")
    assert got.code == 1
    assert report(got)["key"] == "valid"


@pytest.mark.parametrize("fault", ["status", "html", "half", "null", "array"])
def test_whatever_the_server_says_there_is_a_report_or_one_line(cli, box, fault):
    faults = {
        "status": Fault.status(404, path=re.compile("companies|blacklist"), times=None),
        "html": Fault.html(200, path=re.compile("blacklist"), times=None),
        "half": Fault.half_body(path=re.compile("blacklist"), times=None),
        "null": Fault.body(b"null", path=re.compile("companies$"), times=None),
        "array": Fault.body([1, [2], {"id": True}], path=re.compile("companies$"), times=None),
    }
    box.faults.add(faults[fault])
    got = cli("doctor", "--format", "json", "--attempts", "1")
    assert got.code in (0, 1)
    assert report(got)["key"] == "valid"


def test_the_server_is_gone(alone):
    got = alone(
        "doctor", "--base-url", "http://127.0.0.1:1/rest", "--api-key-stdin", "--attempts", "1", stdin="1.secret"
    )
    assert got.code == 1
    assert "no connection" in got.err


# ---- limits


@pytest.mark.parametrize(
    ("scope", "verdict"), [("account", "one limit for all: "), ("company", "separate limits, it seems")]
)
def test_limits_of_client_companies(opened, scope, verdict):
    with opened(companies=8, service_time=0.03, limit_scope=scope) as (box, cli):
        got = cli("doctor", "--limits", "--format", "json", "--quiet")
        assert got.code in (0, 1)
        assert report(got)["limits of client companies"].startswith(verdict)
        assert "some will be refused (429)" in got.err.splitlines()[0]  # printed first, even with --quiet
        assert {entry.method for entry in box.journal} == {"GET"}


def test_limits_with_too_few_companies(opened):
    with opened(companies=1) as (box, cli):
        got = cli("doctor", "--limits", "--format", "json")
        assert "takes two active client companies" in report(got)["limits of client companies"]
        assert not any(entry.status == 429 for entry in box.journal)
    assert cli("doctor", "--limits", "--shared", "host").code == 2


def test_without_limits_nothing_is_refused(opened):
    with opened(companies=8, service_time=0.01) as (box, cli):
        assert cli("doctor").code == 0
        assert not any(entry.status == 429 for entry in box.journal)
