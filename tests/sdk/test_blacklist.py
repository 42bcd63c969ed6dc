"""The blacklists of the agency and of an account."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aioresponses import aioresponses

from tests.aioresponses_shim import mocked
from woodpecker_async import WoodpeckerSession, errors
from woodpecker_async.sandbox import Fault, Sandbox

BASE = "https://api.woodpecker.co/rest"


@pytest.fixture
def mock(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    with mocked(monkeypatch) as started:
        yield started


def _entries(kind: str, count: int) -> list[str]:
    return [f"{'n@' * (kind == 'emails')}{number:04}.example" for number in range(count)]


@pytest.mark.parametrize("kind", ["domains", "emails"])
async def test_an_account_has_a_blacklist_of_its_own(box: Sandbox, woodpecker: WoodpeckerSession, kind: str) -> None:
    client = getattr(woodpecker.company(box.company_ids[0]).blacklist, kind)
    own = getattr(woodpecker.account.blacklist, kind)
    begun = await own.list().collect()
    entries = _entries(kind, 1203)
    await client.add(entries)
    assert await client.list(per_page=500).collect() == sorted([*begun, *entries])
    assert await client.list(filter=["*102.example"]).collect() == [entries[102], entries[1102]]
    assert await own.list().collect() == begun
    assert await client.remove([*entries[1:], _entries(kind, 3000)[2999]]) == tuple(entries[1:])
    assert await client.remove(entries[1:]) == ()
    sent = [record.method for record in box.journal if record.method != "GET"]
    assert sent == ["POST"] * 3 + ["DELETE"] * 3 + ["DELETE"] * 3
    pages = [record.query for record in box.journal if record.query.get("per_page")]
    assert pages == [{"per_page": "500", "page": str(page)} for page in range(3)]


async def test_addresses_of_the_agency_are_kept(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    emails = woodpecker.agency.blacklist.emails
    await emails.add(["N@Example.com", "m@example.com"])
    assert await emails.list().collect() == ["m@example.com", "n@example.com"]
    assert await emails.list(filter=["n@example.com"], per_page=1000).collect() == ["n@example.com"]
    assert await woodpecker.agency.blacklist.domains.list().collect() == []
    assert not hasattr(emails, "remove"), "no document has it"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("kind", ["domains", "emails"])
async def test_a_lost_write_is_sent_again(box: Sandbox, woodpecker: WoodpeckerSession, method: str, kind: str) -> None:
    blacklist = getattr(woodpecker.account.blacklist, kind)
    box.faults.add(Fault.close(at="after_commit", method=method))
    await blacklist.add(_entries(kind, 1))
    await blacklist.remove(_entries(kind, 1))
    assert [record.method for record in box.journal].count(method) == 2
    assert _entries(kind, 1)[0] not in await blacklist.list().collect()


async def test_a_removal_that_fails_in_the_middle_says_how_far_it_came(
    box: Sandbox, woodpecker: WoodpeckerSession
) -> None:
    blacklist = woodpecker.account.blacklist.domains
    box.faults.add(Fault.status(400, method="DELETE", skip=1))
    with pytest.raises(errors.BadRequestError) as failed:
        await blacklist.remove(_entries("domains", 1203))
    assert failed.value.done == 500


@pytest.mark.parametrize("body", [None, [], {}, {"domains": ["a.example"]}, {"message": "added"}, "done"])
async def test_what_an_addition_is_answered_with_does_not_matter(mock: aioresponses, body: Any) -> None:
    """It is not documented."""
    mock.post(f"{BASE}/v2/blacklist/domains", status=200, **({} if body is None else {"payload": body}))
    async with WoodpeckerSession("1.key") as woodpecker:
        await woodpecker.account.blacklist.domains.add(["a.example"])


async def test_an_older_server_sends_pagination_data_in_place_of_the_total(mock: aioresponses) -> None:
    for page in (0, 1):
        data = {"total_pages": 2, "current_page_number": page + 1, "page_size": 1, "total_elements": 2}
        mock.get(
            f"{BASE}/v2/blacklist/emails?per_page=1&page={page}",
            payload={"emails": [f"{page}@a.example"], "pagination_data": data},
        )
    mock.get(
        f"{BASE}/v2/blacklist/domains?page=0", payload={"domains": ["a.example"], "pagination_data": {"total_pages": 1}}
    )
    async with WoodpeckerSession("1.key") as woodpecker:
        listed = woodpecker.account.blacklist.emails.list(per_page=1)
        assert await listed.collect() == ["0@a.example", "1@a.example"]
        assert not listed.drifted
        assert await woodpecker.account.blacklist.domains.list().collect() == ["a.example"]


async def test_an_answer_of_another_form_is_no_empty_list(mock: aioresponses) -> None:
    mock.get(f"{BASE}/v2/blacklist/emails?page=0", payload={"domains": [], "total": 0})
    mock.delete(f"{BASE}/v2/blacklist/emails", payload={})
    async with WoodpeckerSession("1.key") as woodpecker:
        with pytest.raises(errors.ResponseDecodeError, match=r"\$\.emails: required field missing"):
            await woodpecker.account.blacklist.emails.list()
        with pytest.raises(errors.ResponseDecodeError, match=r"\$\.emails: required field missing"):
            await woodpecker.account.blacklist.emails.remove(["n@a.example"])


REFUSED: dict[str, tuple[Callable[[WoodpeckerSession], Any], str]] = {
    "nothing to add": (lambda w: w.account.blacklist.emails.add([]), "emails must not be empty"),
    "one address": (lambda w: w.agency.blacklist.emails.add("n@a.example"), "emails must be a list of strings"),
    "an address that is none": (
        lambda w: w.agency.blacklist.emails.add(["n@a.example", "a.example"]),
        r"emails\[1\] must be an e-mail address, not 'a.example'",
    ),
    "an address among domains": (
        lambda w: w.account.blacklist.domains.add(["n@a.example"]),
        r"domains\[0\] must be a domain such as 'example.com', not 'n@a.example'",
    ),
    "a URL among domains": (
        lambda w: w.agency.blacklist.domains.add(["https://a.example"]),
        r"domains\[0\] must be a domain",
    ),
    "501 on a page of an account": (
        lambda w: w.account.blacklist.emails.list(per_page=501),
        "per_page must be an integer from 1 to 500, not 501",
    ),
    "1001 on a page of the agency": (
        lambda w: w.agency.blacklist.emails.list(per_page=1001),
        "per_page must be an integer from 1 to 1000, not 1001",
    ),
    "a comma": (lambda w: w.account.blacklist.domains.list(filter=["a.example,b.example"]), "comma"),
    "one filter": (lambda w: w.account.blacklist.domains.list(filter="a.example"), "filter must be a list of strings"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_arguments_are_refused_before_anything_is_sent(name: str) -> None:
    call, message = REFUSED[name]
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(errors.ConfigError, match=message):
            await call(woodpecker)


async def test_a_filter_fits_into_a_url_of_4100_characters_or_is_refused(box: Sandbox) -> None:
    async with box.session() as woodpecker:
        domains = woodpecker.agency.blacklist.domains
        rest = len(f"{box.base_url}/v2/agency/blacklist/domains?domain_filter=&page=0")
        await domains.list(filter=["a" * (4100 - rest)])
        (record,) = box.journal
        query = "&".join(f"{name}={value}" for name, value in record.query.items())
        assert len(f"{box.base_url.removesuffix('/rest')}{record.path}?{query}") == 4100
        with pytest.raises(errors.ConfigError, match="the URL would have 4101 characters, and the API takes 4100"):
            domains.list(filter=["a" * (4101 - rest)])
    assert len(box.journal) == 1


async def test_what_is_malformed_can_be_taken_off(woodpecker: WoodpeckerSession) -> None:
    blacklist = woodpecker.account.blacklist
    assert await blacklist.domains.remove(["n@a.example", "competitor.example"]) == ("competitor.example",)
    assert await blacklist.emails.remove(["nobody"]) == ()
    await woodpecker.agency.blacklist.domains.remove(["acme"])
