"""The list of the prospects of an account: filters, search, order, pages."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from woodpecker_async.sandbox.endpoint import Input
from woodpecker_async.sandbox.prospect_data import (
    TEXTS,
    Ids,
    Interest,
    Membership,
    Moment,
    Prospect,
    Prospects,
    Status,
    ids_in,
    profile,
    value_of,
)
from woodpecker_async.sandbox.service import Call
from woodpecker_async.sandbox.wire import Answer

# Sic: as search and sort fields, the first four are spelled with one "p".
_SNIPPETS: Final = {f"snipet{n}": f"snippet{n}" for n in range(1, 5)}
_LOOKED_FOR: Final = {
    **{
        name: name for name in ("email", "organization_id", *TEXTS) if name not in ("linkedin_url", *_SNIPPETS.values())
    },
    **_SNIPPETS,
}
_WITH_ACTIVITY: Final = {"last_opened": "last_opened", "last_clicked": "last_clicked", "sent_mails": "emails_sent"}
_SORTED_BY: Final = {
    **{name: name for name in ("id", "status", "updated", "last_contacted", "last_replied")},
    **_LOOKED_FOR,
    **_WITH_ACTIVITY,
}
_EXACTLY: Final = ("organization_id",)


def _comma_list(entry: str) -> Any:
    return Annotated[str, Meta(pattern=f"^{entry}(,{entry})*$")]


Activity = Literal["OPENED", "NOT-OPENED", "CLICKED", "NOT-CLICKED"]
Order: Any = _comma_list(f"[+-]({'|'.join(_SORTED_BY)})")
Search: Any = _comma_list(f"({'|'.join(_LOOKED_FOR)})=[^,]+")


class ListQuery(Input):
    """Of `GET /v1/prospects`."""

    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Meta(ge=1, le=1000)] = 100
    sort: Order | UnsetType = UNSET
    id: Ids | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    contacted: bool | UnsetType = UNSET
    interested: Interest | UnsetType = UNSET
    activity: Activity | UnsetType = UNSET
    diff: Moment | UnsetType = UNSET
    campaigns_id: Ids | UnsetType = UNSET
    campaigns_details: bool = False
    search: Search | UnsetType = UNSET


class Nothing(Struct):
    """The response of a list without items."""

    message: str


def list_prospects(call: Call, query: ListQuery) -> Answer:
    """``GET /v1/prospects``: a bare array, with the total in a header."""
    rows = _ordered(_found(call.kept(Prospects).all, query), query)
    headers = {"X-Total-Count": str(len(rows))}
    start = (query.page - 1) * query.per_page
    on_page = rows[start : start + query.per_page]
    if not on_page:  # third parties report this of the live service; older documentation says 204
        return Answer.of(Nothing("No prospects found"), headers=headers)
    return Answer.of([_row(prospect, member, query) for prospect, member in on_page], headers=headers)


Found = list[tuple[Prospect, Membership | None]]


def _found(prospects: Iterable[Prospect], query: ListQuery) -> Found:
    """The matching prospects, each with its membership of the first of the requested campaigns."""
    keep = list(_filters(query))
    campaigns = None if query.campaigns_id is UNSET else ids_in(query.campaigns_id)
    found: Found = []
    for prospect in prospects:
        member = None
        if campaigns is not None:
            member = next((member for member in prospect.campaigns if member.campaign_id in campaigns), None)
            if member is None:
                continue
        status = prospect.status if member is None else member.status
        if query.status in (UNSET, status) and all(matches(prospect) for matches in keep):
            found.append((prospect, member))
    return found


def _filters(query: ListQuery) -> Iterator[Callable[[Prospect], bool]]:
    """The predicates that each prospect must satisfy."""
    if query.id is not UNSET:
        ids = ids_in(query.id)
        yield lambda prospect: prospect.id in ids
    if query.contacted is not UNSET:
        yield lambda prospect: (prospect.last_contacted is not None) == query.contacted
    if query.interested is not UNSET:
        yield lambda prospect: prospect.interested == query.interested
    if query.activity is not UNSET:
        verb, wanted = query.activity.removeprefix("NOT-"), not query.activity.startswith("NOT-")
        name = {"OPENED": "last_opened", "CLICKED": "last_clicked"}[verb]
        yield lambda prospect: (getattr(prospect, name) is not None) == wanted
    if query.diff is not UNSET:
        since = query.diff
        yield lambda prospect: datetime.fromisoformat(prospect.updated) >= since
    if query.search is not UNSET:
        yield from _search(query.search)


def _search(text: str) -> Iterator[Callable[[Prospect], bool]]:
    """One predicate for each field: if there are several texts for it, one of them must match."""
    wanted: dict[str, list[str]] = {}
    for criterion in text.split(","):
        name, _, value = criterion.partition("=")
        wanted.setdefault(_LOOKED_FOR[name], []).append(value.lower())

    def asking(name: str, values: list[str]) -> Callable[[Prospect], bool]:
        def matches(prospect: Prospect) -> bool:
            has = str(value_of(prospect, name) or "").lower()
            exactly = name in _EXACTLY
            return any(
                has == value if exactly or (name == "email" and "@" in value) else value in has for value in values
            )

        return matches

    return (asking(name, values) for name, values in wanted.items())


def _ordered(rows: Found, query: ListQuery) -> Found:
    for entry in [] if query.sort is UNSET else reversed(query.sort.split(",")):
        name, down = _SORTED_BY[entry[1:].strip()], entry[0] == "-"
        rows = sorted(rows, key=lambda row: _rank(value_of(row[0], name)), reverse=down)
    return rows


def _rank(value: Any) -> tuple[bool, Any]:
    return value is not None, 0 if value is None else value


def _row(prospect: Prospect, member: Membership | None, query: ListQuery) -> dict[str, Any]:
    row = {
        **profile(prospect),
        "organization_id": prospect.organization_id,
        **{f"snipet{n}": prospect.texts.get(f"snippet{n}", "") for n in range(1, 5)},
        "last_contacted": prospect.last_contacted,
        "last_replied": prospect.last_replied,
        "updated": prospect.updated,
        "status": prospect.status,
    }
    if member is not None:
        row |= {"status": member.status, "interested": prospect.interested, "campaign_id": member.campaign_id}
    if query.campaigns_details:  # its content is not documented
        row["campaigns_details"] = [
            {"campaign_id": each.campaign_id, "status": each.status, "interested": prospect.interested}
            for each in prospect.campaigns
        ]
    if query.activity is not UNSET:
        row |= {name: getattr(prospect, kept) for name, kept in _WITH_ACTIVITY.items()}
    return row
