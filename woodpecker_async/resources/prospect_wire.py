"""The wire format of prospects and of searches for them, and matching the rows of a response to prospects."""

import datetime as dt
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.prospects import (
    AddedProspect,
    NewProspect,
    ProspectInterest,
    ProspectsAdded,
    ProspectStatus,
)

# The API spells the first four with one "p" in searches and sort orders.
_SNIPPETS: Final = {f"snippet{n}": f"snipet{n}" for n in range(1, 5)}
_PROFILE: Final = (
    *("email", "first_name", "last_name", "company", "organization_id", "industry", "website", "tags", "title"),
    *("phone", "address", "city", "state", "country", *_SNIPPETS.values(), *(f"snippet{n}" for n in range(5, 16))),
)
_WITH_ACTIVITY: Final = ("last_opened", "last_clicked", "sent_mails")
_SORTED_BY: Final = ("id", "status", "updated", "last_contacted", "last_replied", *_PROFILE, *_WITH_ACTIVITY)
IN_CAMPAIGN: Final = frozenset(
    {ProspectStatus.TO_CHECK, ProspectStatus.TO_REVIEW, ProspectStatus.AUTOREPLIED, ProspectStatus.PAUSED}
)


def search(given: object) -> str | None:
    """Return texts by field as one query parameter.

    Raises:
        ConfigError: it is not such a mapping, the API does not search that field, or a text has a comma in it.
    """
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
                    f"search[{field!r}] cannot contain a comma, because the API separates criteria by commas: {text!r}"
                )
            criteria.append(f"{name}={text}")
    return ",".join(criteria)


def sort(given: object, *, with_activity: bool) -> str | None:
    """Return the fields to sort by as one query parameter.

    Raises:
        ConfigError: the API cannot sort by one of them.
    """
    if isinstance(given, tuple) and not given:
        return None
    order = []
    for entry in checks.strings([given] if isinstance(given, str) else given, "sort", '["-updated"]'):
        sign, field = (entry[0], entry[1:]) if entry[0] in "+-" else ("+", entry)
        name = checks.one_of(_SNIPPETS.get(field, field), "a field of sort", _SORTED_BY)
        if name in _WITH_ACTIVITY and not with_activity:
            raise ConfigError(f"to sort by {name!r}, give activity too")
        order.append(f"{sign}{name}")
    return ",".join(order)


def entries(given: object, *, update: bool) -> list[Mapping[str, Any]]:
    """Return prospects in the API's format.

    Raises:
        ConfigError: one of them is invalid.
    """
    checked: list[Mapping[str, Any]] = []
    for index, prospect in enumerate(checks.models("prospects", given, NewProspect)):
        at = f"prospects[{index}]"
        entry = dict(prospect.wire)
        entry["email"] = checks.email(prospect.email, f"{at}.email")
        if prospect.status is not None:
            entry["status"] = checks.choice(f"{at}.status", prospect.status, ProspectStatus)
        if prospect.interested is not None:
            if not update:
                raise ConfigError(f"{at}.interested can only be set with update=True")
            entry["interested"] = checks.choice(f"{at}.interested", prospect.interested, ProspectInterest)
        if prospect.organization_id is not None:
            checks.integer(prospect.organization_id, f"{at}.organization_id", 0)
        for name, value in entry.items():
            if name != "organization_id":
                checks.content(value, f"{at}.{name}")
        checked.append(entry)
    return checked


def matched(emails: Sequence[str], answered: Iterable[AddedProspect]) -> ProspectsAdded:
    """Return a row for each address: the response's row with the same spelling, or else one that differs in case.

    If an address is more often in the input than in the response, its last row stands for the remaining ones.
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


def moment(value: object, what: str) -> str:
    """Return a time in the v1 API's format, such as `2025-04-01T00:01:01-0000`.

    Args:
        value: an aware `datetime`, whose fractions of a second are dropped; or an ISO 8601 string with an offset.
        what: its name in errors.

    Raises:
        ConfigError: it is neither.
    """
    example = "an aware datetime, or a str like '2025-04-01T00:01:01-0000'"
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", value, re.ASCII):
        _parsed(value, what, example)
        return value
    given = _parsed(value, what, example) if isinstance(value, str) else value
    if not isinstance(given, dt.datetime):
        raise ConfigError(f"{what} must be {example}, not {value!r}")
    offset = given.utcoffset()
    if offset is None:
        raise ConfigError(f"{what} must have a time zone: {example}, not {value!r}")
    if offset.total_seconds() % 60:  # local mean time, before there were time zones
        given, offset = given.astimezone(dt.UTC), dt.timedelta(0)
    return f"{given.replace(tzinfo=None).isoformat(timespec='seconds')}{f'{given:%z}' if offset else '-0000'}"


def _parsed(value: str, what: str, example: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(value)
    except ValueError:
        raise ConfigError(f"{what} must be {example}, not {value!r}") from None
