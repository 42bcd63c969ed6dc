"""The description of an operation: the path determines which account it acts on."""

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from woodpecker_async.engine.operation import OWN, Operation, is_account_level, raw_request, validate_user_path
from woodpecker_async.engine.protocol import WOODPECKER, build_request, common_headers
from woodpecker_async.errors import ConfigError
from woodpecker_async.secret import Secret

names = st.from_regex(r"\A[a-z_]{1,12}\Z")
pieces = st.one_of(names, names.map(lambda name: f"{{{name}}}"))
versions = st.sampled_from(["/v0", "/v1", "/v2", "/v33"])
agency_templates = st.builds(
    lambda version, rest: f"{version}/agency" + "".join(f"/{piece}" for piece in rest),
    versions,
    st.lists(pieces, max_size=4),
)
account_templates = st.builds(
    lambda version, first, rest: f"{version}/{first}" + "".join(f"/{piece}" for piece in rest),
    versions,
    names.filter(lambda name: name != "agency"),
    st.lists(pieces, max_size=4),
)
accounts = st.one_of(st.integers(1, 2**63 - 1), st.just(OWN))
methods = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])


def segments_of(template: str) -> dict[str, int | str]:
    return dict.fromkeys(re.findall(r"\{(\w+)\}", template), 7)


def headers_of(operation: Operation[Any]) -> dict[str, str]:
    common = common_headers("ua", {})
    request = build_request(
        operation, dialect=WOODPECKER, key=Secret("1.key"), prefix="/rest", common=common, body=None
    )
    return request.signed_headers()


@given(methods, account_templates, accounts)
def test_an_account_level_path_acts_on_the_account_that_was_said(method: str, template: str, account: Any) -> None:
    operation: Operation[Any] = Operation.of(method, template, dict, account=account, segments=segments_of(template))
    company = headers_of(operation).get("x-company-id")
    assert company == (None if account is OWN else str(account))


@given(methods, account_templates)
def test_an_account_level_path_without_an_account_cannot_be_made(method: str, template: str) -> None:
    with pytest.raises(ConfigError, match="whose account"):
        Operation.of(method, template, dict, account=None, segments=segments_of(template))
    filled = re.sub(r"[{}]", "", template)
    with pytest.raises(ConfigError, match="whose account"):
        Operation(method=method, path=filled, template=template, response_type=dict)


@given(methods, agency_templates, st.none() | accounts)
def test_an_agency_path_never_carries_a_company(method: str, template: str, account: Any) -> None:
    operation: Operation[Any] = Operation.of(method, template, dict, account=account, segments=segments_of(template))
    assert "x-company-id" not in headers_of(operation)
    if account is not None:
        with pytest.raises(ConfigError, match="carries the company in the path"):
            Operation(method=method, path=operation.path, template=template, response_type=dict, account=account)


@given(st.one_of(agency_templates, account_templates).filter(lambda template: "{" in template), st.data())
def test_a_placeholder_that_nobody_filled_is_an_error(template: str, data: st.DataObject) -> None:
    segments = segments_of(template)
    del segments[data.draw(st.sampled_from(sorted(segments)))]
    with pytest.raises(ConfigError, match="not filled"):
        Operation.of("GET", template, dict, account=OWN, segments=segments)


def test_a_segment_without_a_place_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no place for company_id"):
        Operation.of("GET", "/v2/users", dict, account=OWN, segments={"company_id": 7})


@given(st.text(min_size=1))
def test_whatever_it_holds_a_segment_stays_one(segment: str) -> None:
    assume(segment not in (".", ".."))
    assume(not any("\ud800" <= character <= "\udfff" for character in segment))
    path = Operation.of("GET", "/v0/api_keys/{name}", dict, account=OWN, segments={"name": segment}).path
    rest = path.removeprefix("/v0/api_keys/")
    assert rest.isascii()
    assert not set(rest) & set("/?#\\{} \r\n")


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_cannot_leave_its_place(segment: str) -> None:
    with pytest.raises(ConfigError, match="one segment of a path"):
        Operation.of("GET", "/v0/api_keys/{name}", dict, account=OWN, segments={"name": segment})


@pytest.mark.parametrize(
    "path",
    ["v2/x", "", "//evil.example/x", "https://evil.example", "/a/../b", "/a/./b", "/a/%2e%2E/b", "/a?b", "/a#b", "/a\\b", "/a\nb", "/v2//agency/x", None],
)  # fmt: skip
def test_paths_of_users_stay_below_the_base_url(path: str) -> None:
    with pytest.raises(ConfigError):
        validate_user_path(path)


@pytest.mark.parametrize("method", ["", "FETCH", "GET\r\n", None, 3])
def test_methods_are_known_ones(method: str) -> None:
    with pytest.raises(ConfigError):
        raw_request(method, "/x", None, None, OWN)


@pytest.mark.parametrize(
    ("path", "account_level"),
    [("/v2/mailboxes", True), ("/v2/agency", False), ("/v1/agency/companies", False), ("/v2/agencyx", True)],
)
def test_agency_paths_are_told_apart(path: str, account_level: bool) -> None:
    assert is_account_level(path) is account_level
    account = OWN if account_level else None
    assert raw_request("get", path, None, None, account).account is account
