"""Faults by name: valid texts, and the errors for invalid ones."""

import contextlib
import re
import shlex

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.cli.sandbox import serve
from woodpecker_async.sandbox import Fault, Sandbox, When
from woodpecker_async.sandbox.named import names


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("close", Fault.close()),
        ("close method=post at=after_commit", Fault.close(method="POST", at="after_commit")),
        ("wait 0.5 times=always", Fault.wait(0.5, times=None)),
        ("wait seconds=2 page=3 skip=1", Fault.wait(2, page=3, skip=1)),
        ("late-commit 3 company=5", Fault.late_commit(3, company=5)),
        ("down", Fault.down()),
        ("down times=2 probability=0.5", Fault.down(times=2, probability=0.5)),
        ("redirect http://127.0.0.1/?a=b 307", Fault.redirect("http://127.0.0.1/?a=b", 307)),
        (
            'status 429 headers=\'{"Retry-After": "3"}\' body=null',
            Fault.status(429, headers={"Retry-After": "3"}, body=None),
        ),
        ("v1_error E_LIMIT 'too many' status=400", Fault.v1_error("E_LIMIT", "too many", status=400)),
    ],
)
def test_a_text_is_the_call_that_it_names(text, fault):
    assert Fault.named(text) == fault


@given(
    seconds=st.floats(0, 1e6),
    path=st.text(st.characters(exclude_categories=["Cs"])),
    company=st.integers(0, 10**12),
    times=st.one_of(st.none(), st.integers(0, 10**6)),
)
def test_whatever_the_path_it_is_quoted_as_in_a_shell(seconds, path, company, times):
    said = "always" if times is None else times
    text = f"wait {seconds} {shlex.quote(f'path={path}')} company={company} times={said}"
    assert Fault.named(text) == Fault.wait(seconds, path=path, company=company, times=times)


def test_a_path_can_be_searched():
    when = Fault.named("close path~/api_keys$").when
    assert when == When(path=re.compile("/api_keys$"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no fault ''"),
        ("dwon", "there is no fault 'dwon'; available: body, close"),
        ("rewriting", "there is no fault 'rewriting'"),
        ("named x", "there is no fault 'named'"),
        ("close 'a", "no closing quotation"),
        ("status", "status is missing"),
        ("status OK", "must be an HTTP status from 200 to 599"),
        ("status 99", "must be an HTTP status from 200 to 599"),
        ("close at=later", "must be one of arrival, before_commit, after_commit"),
        ("close foo=1", "there is no argument foo="),
        ("close method~GET", "there is no argument method~"),
        ("wait -1", "must be a number >= 0"),
        ("wait nan", "must be a number >= 0"),
        ("wait inf", "must be a number >= 0"),
        ("wait 1 2", "'2' is one argument too many"),
        ("wait 1 seconds=2", "seconds is given twice"),
        ("wait 1 times=-1", "must be an integer >= 0"),
        ("wait 1 company=x", "must be an integer >= 0"),
        ("wait 1 probability=2", "must be a number from 0 to 1"),
        ("wait 1 path~(", "path=(: "),
        ("status 500 headers=x", "must be a JSON object"),
        ("growing_total_pages new_items=yes", "must be true or false"),
    ],
)
def test_a_text_that_names_none(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Fault.named(text)


def test_of_several_that_are_added_all_are_or_none():
    box = Sandbox(companies=1)
    with pytest.raises(ValueError, match="there is no fault"):
        box.faults.add("down", "dwon")
    assert not box.faults._entries
    kept = Fault.close()
    box.faults.add("down", kept)
    box.faults.clear(keep=[kept])
    assert [entry.fault for entry in box.faults._entries] == [kept]


def test_the_help_of_the_command_has_all_names():
    help_ = " ".join((serve.help or "").split())
    listed = re.search(r"Names: ([a-z0-9_, ]+)\.", help_)
    assert listed is not None
    assert tuple(listed[1].split(", ")) == names()


async def test_every_name_can_be_served(opened):
    needs = {"body": "x", "commit_then": "500", "late_commit": "0", "redirect": "/x", "set_cookie": "a b"}
    needs |= {"status": "404", "v1_error": "E_X", "wait": "0"}
    async with opened(companies=1) as api:
        for name in names():
            fault = Fault.named(f"{name} {needs.get(name, '')} times=1" + (" page=1" if name == "empty_page" else ""))
            api.box.faults.clear()
            api.box.faults.add(fault)
            with contextlib.suppress(aiohttp.ClientError, ValueError):  # closed, or not JSON
                await api("GET", "/v2/agency/companies")
            assert api.box.faults.hits(fault) == 1, name
