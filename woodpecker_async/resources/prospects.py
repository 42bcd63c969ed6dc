"""Prospects: `/v1/prospects` and what belongs to it, of an account; and the removal of all those of a company."""

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import attrs

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.prospects import (
    AddedProspect,
    AddedProspects,
    NewProspect,
    Prospect,
    ProspectActivity,
    ProspectInterest,
    ProspectResponse,
    ProspectsAdded,
    ProspectStatus,
)
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import COUNTED_ARRAY, RESPONSES
from woodpecker_async.resources.base import LONGEST_URL, Part, Resource

_PROSPECTS: Final = "/v1/prospects"
_MOST: Final = 20_000  # prospects in one request
_FIND_OUT: Final = 'look with prospects.list(search={"email": ...}) before trying again'

# The documents write the first four without the second "p" where they are searched and sorted by.
_SNIPPETS: Final = {f"snippet{n}": f"snipet{n}" for n in range(1, 5)}
_PROFILE: Final = (
    *("email", "first_name", "last_name", "company", "organization_id", "industry", "website", "tags", "title"),
    *("phone", "address", "city", "state", "country", *_SNIPPETS.values(), *(f"snippet{n}" for n in range(5, 16))),
)
_WITH_ACTIVITY: Final = ("last_opened", "last_clicked", "sent_mails")
_SORTED_BY: Final = ("id", "status", "updated", "last_contacted", "last_replied", *_PROFILE, *_WITH_ACTIVITY)
_IN_CAMPAIGN: Final = frozenset(
    {ProspectStatus.TO_CHECK, ProspectStatus.TO_REVIEW, ProspectStatus.AUTOREPLIED, ProspectStatus.PAUSED}
)


class AgencyProspects(Resource):
    """The prospects of client companies."""


class Prospects(Resource):
    """The prospects of an account."""

    def list(
        self,
        *,
        status: ProspectStatus | str | None = None,
        contacted: bool | None = None,
        interested: ProspectInterest | str | None = None,
        activity: ProspectActivity | str | None = None,
        changed_since: dt.datetime | str | None = None,
        ids: Iterable[int] = (),
        campaign_ids: Iterable[int] = (),
        campaign_details: bool | None = None,
        search: Mapping[str, str | Iterable[str]] | None = None,
        sort: Iterable[str] = (),
        per_page: int | None = None,
        options: CallOptions | None = None,
    ) -> Pager[Prospect]:
        """All prospects that match; `Page.total_elements` tells how many there are.

        Args:
            status: only those of this status; `TO_CHECK`, `TO_REVIEW`, `AUTOREPLIED` and `PAUSED` go with
                `campaign_ids`.
            contacted: only those that were written to, or were not.
            interested: only those of this interest; hyphens and underscores are alike.
            activity: only those that opened or clicked, or did not.
            changed_since: only those that were changed since; a `datetime` needs a time zone.
            ids: only these.
            campaign_ids: only those in one of these campaigns; their status is then the one in the campaign.
            campaign_details: whether to tell of the campaigns of each prospect, see `Prospect.campaigns_details`.
            search: by field, what is to be in it; for one of several texts, a list of them. None may have a comma in
                it. An address is looked for as a whole; most other fields are searched for what they contain.
            sort: fields, each with `+` (the default) or `-` in front, such as `["-updated", "email"]`.
            per_page: how many on a page, 1 to 1000; 100 by default.
            options: for the calls of this list.

        Raises:
            ConfigError: a filter is not usable, or all of them make a URL that is longer than the API takes.

        Document: "Get a list of prospects", `GET /v1/prospects`.
        """
        checked_status = checks.choice_or_none("status", _hyphenated(status), ProspectStatus)
        campaigns = checks.id_list(campaign_ids, "campaign_ids")
        if checked_status in _IN_CAMPAIGN and campaigns is None:
            raise ConfigError(f"status {str(checked_status)!r} is one within a campaign: give campaign_ids with it")
        checked_activity = checks.choice_or_none("activity", _hyphenated(activity), ProspectActivity)
        return self._list(
            _PROSPECTS,
            Prospect,
            COUNTED_ARRAY,
            key=attrgetter("id", "campaign_id"),
            params={
                "status": checked_status,
                "contacted": checks.boolean_or_none(contacted, "contacted"),
                "interested": checks.choice_or_none("interested", _hyphenated(interested), ProspectInterest),
                "activity": checked_activity,
                "diff": None if changed_since is None else checks.moment(changed_since, "changed_since"),
                "id": checks.id_list(ids, "ids"),
                "campaigns_id": campaigns,
                "campaigns_details": checks.boolean_or_none(campaign_details, "campaign_details"),
                "search": _search(search),
                "sort": _sort(sort, with_activity=checked_activity is not None),
                "per_page": None if per_page is None else checks.integer(per_page, "per_page", 1, 1000),
            },
            options=options,
        )

    async def add(
        self,
        prospects: Iterable[NewProspect | Mapping[str, Any]],
        *,
        update: bool = False,
        file_name: str | None = None,
        options: CallOptions | None = None,
    ) -> ProspectsAdded:
        """Add prospects to the account. Those that are there stay as they are, unless `update` is true.

        It is never repeated, unless the request measurably never left or was refused with 429. More than 20,000 are
        sent in several requests, which are not one transaction: if one fails, `.done` of the error tells how many
        prospects went through before.

        Args:
            prospects: at least one, each a `NewProspect` or a mapping of its fields.
            update: whether to change prospects that are there.
            file_name: what to show as the source of the prospects.
            options: for each of the calls.

        Raises:
            ConfigError: a prospect is not usable; nothing was sent.
            ApiError: the server refused all of them, also where it says so inside a 200. What it says of a single
                prospect is in that one's row.
            OutcomeUnknownError: they may have been added: look with `prospects.list(search=...)` before trying again.

        Document: "Add prospects to the global database", `POST /v1/add_prospects_list`.
        """
        return await self._add("/v1/add_prospects_list", {}, prospects, update, file_name, options)

    async def add_to_campaign(
        self,
        campaign_id: int,
        prospects: Iterable[NewProspect | Mapping[str, Any]],
        *,
        update: bool = False,
        force: bool = False,
        send_after: dt.datetime | str | None = None,
        file_name: str | None = None,
        options: CallOptions | None = None,
    ) -> ProspectsAdded:
        """Add prospects to a campaign, and to the account where they are not in it. A running campaign writes to them.

        It is never repeated, unless the request measurably never left or was refused with 429. More than 20,000 are
        sent in several requests, see `add`.

        Args:
            campaign_id: the campaign.
            prospects: at least one, each a `NewProspect` or a mapping of its fields.
            update: whether to change prospects that are there.
            force: whether to add those too whose status is not `ACTIVE`.
            send_after: not to be written to before this moment; a `datetime` needs a time zone.
            file_name: what to show as the source of the prospects.
            options: for each of the calls.

        Raises:
            ConfigError: a prospect is not usable; nothing was sent.
            ApiError: the server refused all of them, also where it says so inside a 200. What it says of a single
                prospect is in that one's row.
            OutcomeUnknownError: they may have been added: look with `prospects.list(search=...)` before trying again.

        Document: "Add prospects to a campaign", `POST /v1/add_prospects_campaign`.
        """
        campaign: dict[str, Any] = {"campaign_id": checks.integer(campaign_id, "campaign_id", 1)}
        if send_after is not None:
            campaign["send_after"] = checks.moment(send_after, "send_after")
        around = {"campaign": campaign} | ({"force": True} if checks.boolean(force, "force") else {})
        return await self._add("/v1/add_prospects_campaign", around, prospects, update, file_name, options)

    async def _add(
        self,
        path: str,
        around: Mapping[str, Any],
        prospects: Iterable[NewProspect | Mapping[str, Any]],
        update: bool,
        file_name: str | None,
        options: CallOptions | None,
    ) -> ProspectsAdded:
        """Send prospects, and what the body has `around` them, in as many requests as it takes."""
        if checks.boolean(update, "update"):
            around = {**around, "update": True}
        if file_name is not None:
            around = {**around, "file_name": checks.text(file_name, "file_name")}
        entries = _wire(prospects, update=update)
        rows: list[AddedProspect] = []
        unmatched: list[AddedProspect] = []
        for part in self._parts(entries, _MOST):
            with part:
                body = {**around, "prospects": part.entries}
                answer = await self._call("POST", path, AddedProspects, body=body, find_out=_FIND_OUT, options=options)
            matched = _matched([entry["email"] for entry in part.entries], answer.prospects or ())
            rows += matched.rows
            unmatched += matched.unmatched
        return ProspectsAdded(rows=tuple(rows), unmatched=tuple(unmatched))

    async def delete(
        self, ids: Iterable[int], *, campaign_ids: Iterable[int] = (), options: CallOptions | None = None
    ) -> None:
        """Delete prospects from the account, or remove them from campaigns only. Repeated like a read.

        Those that do not fit into a URL, some 300, are sent in several requests, which are not one transaction: if one
        fails, `.done` of the error tells how many prospects went through before.

        Args:
            ids: at least one.
            campaign_ids: the campaigns to remove them from; they then stay in the account.
            options: for each of the calls.

        Raises:
            ConfigError: there are no ids, or a list of campaigns that is empty; nothing was sent.

        Document: "Delete prospects", `DELETE /v1/prospects`.
        """
        campaigns = checks.id_list(campaign_ids, "campaign_ids")
        for part in self._url_parts(checks.ids(ids, "ids"), campaigns):
            with part:
                params = {"id": ",".join(map(str, part.entries)), "campaigns_id": campaigns}
                await self._call("DELETE", _PROSPECTS, None, params=params, idempotent=True, options=options)

    def _url_parts(self, ids: Sequence[int], campaigns: str | None) -> Iterator[Part[int]]:
        """Ids in parts that fit into a URL each."""
        room = LONGEST_URL - self._url_length(_PROSPECTS, {"id": "", "campaigns_id": campaigns})
        start, length = 0, 0
        for index, entry in enumerate(ids):
            length += len(f"%2C{entry}")
            if index > start and length - len("%2C") > room:
                yield Part(entries=ids[start:index], before=start)
                start, length = index, len(f"%2C{entry}")
        yield Part(entries=ids[start:], before=start)

    def responses(
        self, prospect_id: int, *, campaign_ids: Iterable[int] = (), options: CallOptions | None = None
    ) -> Pager[ProspectResponse]:
        """The answers that came from a prospect, the oldest first, in one answer.

        Args:
            prospect_id: the prospect.
            campaign_ids: only those to these campaigns.
            options: for the call of this list.

        Document: "Get prospect responses", `GET /v2/prospects/{prospect_id}/responses`.
        """
        return self._list(
            "/v2/prospects/{prospect_id}/responses",
            ProspectResponse,
            RESPONSES,
            key=attrgetter("response_id"),
            params={"campaign_id": checks.id_list(campaign_ids, "campaign_ids")},
            options=options,
            prospect_id=checks.integer(prospect_id, "prospect_id", 1),
        )


def _hyphenated(value: object) -> object:
    return value.replace("_", "-") if isinstance(value, str) else value


def _search(given: object) -> str | None:
    if given is None:
        return None
    if not isinstance(given, Mapping) or not given:
        raise ConfigError('search must be a mapping of a field to a text, like {"company": "Aviato"}')
    criteria = []
    for field, texts in given.items():
        texts = [str(texts)] if type(texts) is int else [texts] if isinstance(texts, str) else texts
        name = checks.one_of(_SNIPPETS.get(field, field), "a field of search", _PROFILE)
        for text in checks.strings(texts, f"search[{field!r}]", '["Aviato"]'):
            if "," in text:
                raise ConfigError(
                    f"search[{field!r}] cannot have a comma in it: the API separates criteria by commas; {text!r}"
                )
            criteria.append(f"{name}={text}")
    return ",".join(criteria)


def _sort(given: object, *, with_activity: bool) -> str | None:
    if given == ():
        return None
    order = []
    for entry in checks.strings([given] if isinstance(given, str) else given, "sort", '["-updated"]'):
        sign, field = (entry[0], entry[1:]) if entry[0] in "+-" else ("+", entry)
        name = checks.one_of(_SNIPPETS.get(field, field), "a field of sort", _SORTED_BY)
        if name in _WITH_ACTIVITY and not with_activity:
            raise ConfigError(f"{name!r} can be sorted by only where activity is given too")
        order.append(f"{sign}{name}")
    return ",".join(order)


def _wire(given: object, *, update: bool) -> list[Mapping[str, Any]]:
    """Prospects as the API wants them.

    Raises:
        ConfigError: one of them is not usable.
    """
    entries: list[Mapping[str, Any]] = []
    for index, prospect in enumerate(checks.models("prospects", given, NewProspect)):
        at = f"prospects[{index}]"
        entry = dict(prospect.wire)
        entry["email"] = checks.email(prospect.email, f"{at}.email")
        if prospect.status is not None:
            entry["status"] = checks.choice(f"{at}.status", _hyphenated(prospect.status), ProspectStatus)
        if prospect.interested is not None:
            if not update:
                raise ConfigError(f"{at}.interested can only be changed, with update=True")
            entry["interested"] = checks.choice(f"{at}.interested", _hyphenated(prospect.interested), ProspectInterest)
        if prospect.organization_id is not None:
            checks.integer(prospect.organization_id, f"{at}.organization_id", 0)
        for name, value in entry.items():
            if not isinstance(value, str) and name != "organization_id":
                raise ConfigError(f"{at}.{name} must be a str, not {type(value).__name__}")
        entries.append(entry)
    return entries


def _matched(emails: Sequence[str], answered: Iterable[AddedProspect]) -> ProspectsAdded:
    """A row for each address: what was answered of it as it is written, or else of the same in other letters.

    Of an address that stands in the input more often than in the answer, the last row is that of all further ones.
    """
    exact: defaultdict[str | None, deque[AddedProspect]] = defaultdict(deque)
    for row in answered:
        exact[row.email].append(row)
    found = [exact[email].popleft() if exact.get(email) else None for email in emails]
    alike: defaultdict[str, deque[AddedProspect]] = defaultdict(deque)
    for written, left in exact.items():
        alike[_folded(written)].extend(left)
    last = {_folded(email): row for email, row in zip(emails, found, strict=True) if row is not None}
    rows = []
    for email, of_it in zip(emails, found, strict=True):
        folded = _folded(email)
        if of_it is None and alike.get(folded):
            of_it = last[folded] = alike[folded].popleft()
        row = of_it or last.get(folded, AddedProspect())
        rows.append(row if row.email == email else attrs.evolve(row, email=email))
    return ProspectsAdded(rows=tuple(rows), unmatched=tuple(row for left in alike.values() for row in left))


def _folded(email: str | None) -> str:
    return (email or "").strip().casefold()
