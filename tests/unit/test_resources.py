"""The base of all resources: a method on a company's view, and arguments that are rejected before any I/O."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.calls import methods_of_the_session
from woodpecker_async import WoodpeckerSession
from woodpecker_async.errors import CallError, ConfigError
from woodpecker_async.models import NewGuest
from woodpecker_async.resources.api_keys import ApiKeys, CompanyApiKeys
from woodpecker_async.resources.base import CompanyResource, Resource, for_company
from woodpecker_async.resources.guests import CompanyGuests, Guests

WHOLE = 2**63


def test_a_method_of_a_view_keeps_its_signature_and_its_docstring() -> None:
    assert list(inspect.signature(CompanyApiKeys.create).parameters) == [
        "self",
        "label",
        "baseline",
        "settle",
        "options",
    ]
    assert inspect.signature(CompanyApiKeys.create).parameters["settle"].default == 20.0
    assert inspect.signature(CompanyGuests.invite).parameters["guests"].annotation is not inspect.Parameter.empty
    assert inspect.iscoroutinefunction(inspect.unwrap(CompanyApiKeys.create))
    assert CompanyApiKeys.create.__qualname__ == "CompanyApiKeys.create"
    original, doc = inspect.getdoc(ApiKeys.create), inspect.getdoc(CompanyApiKeys.create)
    assert original is not None
    assert doc == original.replace("    company_id: the company.\n", "")
    assert "company_id" in str(inspect.signature(Guests.invite))


def test_a_section_that_is_left_empty_goes_and_lines_that_belong_to_it_too() -> None:
    class Things(Resource):
        async def get(self, company_id: int) -> None:
            """One thing.

            Args:
                company_id: the company,
                    whichever it is.

            Raises:
                NotFoundError: there is none.
            """

    class CompanyThings(CompanyResource):
        get = for_company(Things.get)

    assert inspect.getdoc(CompanyThings.get) == "One thing.\n\n\nRaises:\n    NotFoundError: there is none."


REFUSED: dict[str, tuple[Callable[[WoodpeckerSession], Any], str]] = {
    "no guests": (lambda w: w.agency.guests.invite(1, []), "guests must not be empty"),
    "eleven guests": (
        lambda w: w.agency.guests.invite(1, [NewGuest(name="n", email="a@b.c")] * 11),
        "guests must have at most 10 entries, not 11",
    ),
    "one guest alone": (
        lambda w: w.agency.guests.invite(1, NewGuest(name="n", email="a@b.c")),
        "guests must be a list",
    ),
    "no guest": (lambda w: w.agency.guests.invite(1, ["monica"]), r"guests\[0\] must be a NewGuest or a mapping"),
    "guest of other fields": (
        lambda w: w.agency.guests.invite(1, [{"name": "n", "email": "a@b.c", "guest_permissions": []}]),
        r"guests\[0\] has no field 'guest_permissions', but name, email, permissions; did you mean 'permissions'",
    ),
    "guest without address": (lambda w: w.agency.guests.invite(1, [{"name": "n"}]), r"guests\[0\] needs email"),
    "guest with odd address": (
        lambda w: w.agency.guests.invite(1, [{"name": "n", "email": "a b@c"}]),
        r"guests\[0\].email must be an e-mail address",
    ),
    "unknown permission": (
        lambda w: w.agency.guests.invite(1, [NewGuest(name="n", email="a@b.c", permissions=("mailbox",))]),  # type: ignore[arg-type]
        "did you mean 'mailboxes'",
    ),
    "unknown role": (lambda w: w.agency.users.list(1, role="onwer"), "did you mean 'owner'"),
    "company 0": (lambda w: w.agency.users.list(0), "company id"),
    "too large an id": (lambda w: w.agency.users.list(WHOLE), "company id"),
    "no domains": (lambda w: w.agency.blacklist.domains.add([]), "domains must not be empty"),
    "a string of domains": (lambda w: w.agency.blacklist.domains.add("a.com"), "domains must be a list of strings"),
    "a domain that is none": (lambda w: w.agency.blacklist.domains.remove([7]), "an entry of domains"),
    "a comma in a filter": (lambda w: w.agency.blacklist.domains.list(filter=["a,b"]), "comma"),
    "too large a page": (
        lambda w: w.agency.blacklist.domains.list(per_page=1001),
        "per_page must be an integer from 1 to",
    ),
    "two filters that exclude each other": (
        lambda w: w.account.inbox.list(prospect_status="BOUNCED", interest="INTERESTED"),
        "exclude each other",
    ),
    "a short phrase": (lambda w: w.account.inbox.list(search=["ab"]), "3 characters"),
    "no boolean": (lambda w: w.account.inbox.list(read="yes"), "read must be True, False or None"),
    "ids in a string": (lambda w: w.account.inbox.list(mailbox_ids="12"), "mailbox_ids must be a list of integers"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_arguments_are_refused_before_anything_is_sent(name: str) -> None:
    call, message = REFUSED[name]
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(ConfigError, match=message):
            await call(woodpecker)


async def test_an_error_in_the_middle_of_a_long_write_says_how_much_went_through() -> None:
    sent: list[list[str]] = []

    class Access:
        account = None

        async def run(self, operation: Any, options: Any) -> Any:
            sent.append(list(operation.body["domains"]))
            if len(sent) == 3:
                raise CallError("lost")

            class Result:
                value = None

            return Result()

    from woodpecker_async.resources.blacklist import AgencyDomains

    with pytest.raises(CallError) as failed:
        await AgencyDomains(Access()).add([f"{number}.example" for number in range(1201)])  # type: ignore[arg-type]
    assert [len(part) for part in sent] == [500, 500, 201]
    assert failed.value.done == 1000


METHODS = methods_of_the_session(WoodpeckerSession("1.key"))
SECTIONS = ["Args", "Returns", "Raises", "Raises (when it is read)", "Example", "Document"]


@pytest.mark.parametrize("name", METHODS)
def test_all_methods_are_documented_in_the_same_form(name: str) -> None:
    method = METHODS[name]
    doc = inspect.getdoc(method) or ""
    if doc.startswith("See `"):
        return
    sections = re.findall(f"^({'|'.join(map(re.escape, SECTIONS))}):", doc, re.MULTILINE)
    assert sections == sorted(sections, key=SECTIONS.index)
    args = re.search(r"^Args:\n((?: {4}.*\n?)*)", doc, re.MULTILINE)
    described = re.findall(r"^ {4}(\w+):", args.group(1), re.MULTILINE) if args else []
    assert described == list(inspect.signature(method).parameters)
    if not name.endswith((".request", ".raw")):
        assert re.search(r'^Documents?: "[^"]+", `[A-Z]+ /v[12]/\S+`', doc, re.MULTILINE)
