"""What `doctor` asks the server, and what it reports: it only reads, and reports none of the data.

Findings consist of numbers, of words from this module, and of the names of fields and headers. Names that look like
data (of a company, a person, a domain) are left out.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from woodpecker_async.cli.shape import is_count, shape, strings, without
from woodpecker_async.engine.operation import OWN, AccountId, QueryValue, Result
from woodpecker_async.engine.protocol import MASKED
from woodpecker_async.errors import ApiError, AuthenticationError, CallError, RateLimitedError, WoodpeckerError
from woodpecker_async.options import CallOptions, RetryPolicy

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.engine.observe import Event

_COMPANIES: Final = "/v2/agency/companies"
_ME: Final = "/v1/me"
# A domain that cannot exist: RFC 2606 reserves the top-level domain.
_NOBODYS: Final = "woodpecker-async-doctor.invalid"

_ALONE: Final = 6  # requests sent one after another
_CROWD: Final = 35  # requests sent as many at a time as the lane allows
_BURSTS: Final = 5
_BURST: Final = 12  # requests in flight, "a few more than seven"
_MOST_OF_ONE: Final = 4  # how many requests a company's lane allows at first

_HEADER_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_ABOUT_RATE: Final = re.compile(r"rate-?limit|retry-after|quota")


@attrs.frozen
class Finding:
    """One finding.

    Attributes:
        name: what it is about.
        value: what was found, in words or numbers.
        good: whether that is as it should be; `None` if it is neither good nor bad.
    """

    name: str
    value: Any
    good: bool | None = None


@attrs.define
class InFlight:
    """A hook that counts the requests in flight, and how attempts end."""

    now: int = 0
    most: int = 0
    refused: int = 0
    retried: int = 0

    def __call__(self, event: "Event") -> None:
        """Handle an event of an attempt."""
        if event.kind == "start":
            self.now += 1
            self.most = max(self.most, self.now)
        elif event.kind == "end":
            self.now -= 1
            self.refused += event.failure == "refused"
        else:
            self.retried += 1


class Probes:
    """One examination.

    Args:
        woodpecker: the session.
        in_flight: a hook of that session.
        own_base_url: whether the session uses a server other than the vendor's.

    """

    def __init__(self, woodpecker: "WoodpeckerSession", in_flight: InFlight, *, own_base_url: bool) -> None:
        self._found: list[Finding] = []
        self._woodpecker = woodpecker
        self._in_flight = in_flight
        self._headers: set[str] = set()
        self._request_ids = 0
        self._redirects = 0
        self._data: set[str] = set()  # the data in all responses, so that field names that repeat it are left out
        self._companies: list[int] = []
        self._add("base URL", "not the vendor's" if own_base_url else "the vendor's")

    def _add(self, name: str, value: Any, good: bool | None = None) -> None:
        self._found.append(Finding(name, value, good))

    @property
    def findings(self) -> list[Finding]:
        """The findings so far, without names that are also values in one of the responses."""
        return [attrs.evolve(finding, value=without(finding.value, self._data)) for finding in self._found]

    async def examine(self) -> bool:
        """Run all read-only probes, and return whether the key is valid."""
        if not await self._key():
            return False
        await self._agency()
        try:
            await self._timing()
        except ApiError as error:
            self._add("service time", f"could not be determined: {_told(error)}")
        self._what_was_seen()
        return True

    # One request ------------------------------------------------------------------------------------------

    async def _read(
        self,
        path: str,
        account: AccountId | None = None,
        query: Mapping[str, QueryValue] | None = None,
        *,
        once: bool = False,
    ) -> Result[Any]:
        company_id = account if isinstance(account, int) else None
        options = CallOptions(retry=RetryPolicy(attempts=1)) if once else None
        answer = await self._woodpecker.raw("GET", path, company_id=company_id, params=query, options=options)
        self._redirects += 300 <= answer.status < 400
        self._request_ids += answer.request_id is not None
        answer.raise_for_error()
        value = answer.json()
        self._headers |= {
            name for name, value in answer.headers.items() if value != MASKED and _HEADER_NAME.fullmatch(name)
        }
        self._data |= set(strings(value))
        return Result(value=value, headers=answer.headers)

    # Whose key --------------------------------------------------------------------------------------------

    async def _key(self) -> bool:
        began = datetime.now(UTC)
        try:
            me = await self._read(_ME, OWN)
        except AuthenticationError:
            self._add("key", "not valid", good=False)
            return False
        except CallError as error:
            if not isinstance(error, ApiError) or error.status >= 500:
                raise
            self._add("GET /v1/me", _told(error), good=False)
            return True
        self._add("key", "valid", good=True)
        self._clock(me.headers.get("date"), began, datetime.now(UTC))
        self._add("fields of /v1/me", shape(me.value))
        return True

    def _clock(self, date: str | None, began: datetime, ended: datetime) -> None:
        try:
            server = parsedate_to_datetime(date or "")
        except ValueError:
            self._add("clock", "the server does not send the time")
            return
        if server.tzinfo is None:
            server = server.replace(tzinfo=UTC)
        # The header has whole seconds: the actual time is up to a second later.
        early = (began - server - timedelta(seconds=1)).total_seconds()
        late = (ended - server).total_seconds()
        off = early if early > 0 else late if late < 0 else 0.0
        if not off:
            self._add("clock", "agrees with the server's to within a second", good=True)
        else:
            side = "ahead of" if off > 0 else "behind"
            self._add("clock", f"this machine is {abs(off):.0f} s {side} the server", good=abs(off) < 30)

    # The agency -------------------------------------------------------------------------------------------

    async def _agency(self) -> None:
        try:
            first = await self._read(_COMPANIES)
        except ApiError as error:
            if error.status not in (401, 403, 404):
                self._add("agency", f"could not be determined: {_told(error)}", good=False)
                return
            addon = "addon" in f"{error.title} {error.detail}".lower().replace("-", "").replace(" ", "")
            why = "the account has no agency add-on" if addon else "a client's key, or the account has no agency add-on"
            self._add("agency", f"{why}: the list of companies is refused ({_told(error)})", good=False)
            return
        self._add("agency", "an HQ key with the agency add-on", good=True)
        data = first.value.get("pagination_data") if isinstance(first.value, dict) else None
        data = data if isinstance(data, dict) else {}
        self._companies = _ids(first.value)
        self._add("companies", data.get("total_elements") if is_count(data.get("total_elements")) else "not stated")
        self._add("first page of companies", shape(first.value))
        pages = data.get("total_pages") if is_count(data.get("total_pages")) else 1
        await self._look("page past the end", _COMPANIES, query={"page": int(pages or 0) + 1})
        await self._look("list of inactive companies", _COMPANIES, query={"active": False})
        await self._look("empty list", "/v2/agency/blacklist/domains", query={"domain_filter": _NOBODYS})
        if self._companies:
            company = self._companies[0]
            await self._look("fields of /v1/me as a client company", _ME, company)
            await self._look("API keys of a company", f"{_COMPANIES}/{company}/api_keys")

    async def _look(
        self, name: str, path: str, account: AccountId | None = None, query: Mapping[str, QueryValue] | None = None
    ) -> None:
        try:
            result = await self._read(path, account, query)
        except ApiError as error:
            self._add(name, _told(error))
        except WoodpeckerError as error:
            self._add(name, type(error).__name__, good=False)
        else:
            self._add(name, shape(result.value))

    # Time -------------------------------------------------------------------------------------------------

    async def _timing(self) -> None:
        alone = []
        for _ in range(_ALONE):
            began = time.perf_counter()
            await self._read(_ME, OWN)
            alone.append(time.perf_counter() - began)
        best = min(alone)
        began = time.perf_counter()
        ends: list[float] = []

        async def one() -> None:
            await self._read(_ME, OWN)
            ends.append(time.perf_counter() - began)
            if len(ends) == _CROWD // 2:  # until now the lane was still learning
                self._in_flight.most = self._in_flight.now

        failures = [
            error for error in await asyncio.gather(*(one() for _ in range(_CROWD)), return_exceptions=True) if error
        ]
        if failures:
            raise failures[0]
        ends.sort()
        # While the queue is full, responses come as fast as the server works. Leave out the start and the end.
        middle = ends[_CROWD // 4 : -_CROWD // 8]
        service = min((middle[-1] - middle[0]) / (len(middle) - 1), best)
        self._add("one request alone", f"{best * 1000:.1f} ms")
        self._add("service time", f"about {service * 1000:.1f} ms a request")
        self._add("round trip", f"about {max(best - service, 0) * 1000:.1f} ms")
        self._add("window found", f"{self._in_flight.most} in flight")

    def _what_was_seen(self) -> None:
        about_rate = sorted(name for name in self._headers if _ABOUT_RATE.search(name))
        self._add("headers about the rate", ", ".join(about_rate) or "none")
        self._add("request ids", "yes" if self._request_ids else "none")
        self._add("redirects", self._redirects or "none")
        self._add("headers", ", ".join(sorted(self._headers)))
        self._add("refused (429)", self._in_flight.refused, good=self._in_flight.refused == 0)
        self._add("repeated", self._in_flight.retried, good=None if self._in_flight.retried else True)

    # Limits -----------------------------------------------------------------------------------------------

    async def limits(self) -> None:
        """Find out whether client companies have their own limits, with a few more than seven requests at once.

        Sends `_BURST` requests at a time, spread over several companies. Refused requests are not processed.
        """
        companies = self._companies[:_BURST]
        each = min(_MOST_OF_ONE, -(-_BURST // max(len(companies), 1)))
        if each * len(companies) <= 7:
            self._add("limits of client companies", "could not be determined: that takes two active client companies")
            return
        asked = refused = 0
        self._in_flight.most = 0
        for _ in range(_BURSTS):
            answers = await asyncio.gather(
                *(self._once(company) for _ in range(each) for company in companies), return_exceptions=True
            )
            for answer in answers:
                asked += 1
                if isinstance(answer, RateLimitedError):
                    refused += 1
                elif isinstance(answer, BaseException):
                    if not isinstance(answer, WoodpeckerError):
                        raise answer
                    self._add("limits of client companies", f"could not be determined: {_told(answer)}")
                    return
            if refused:
                break
        at_once = f"{len(companies)} companies, {self._in_flight.most} requests in flight"
        if refused:
            verdict = f"one limit for all: {refused} of {asked} refused ({at_once})"
        else:
            verdict = (
                f"separate limits, it seems: none of {asked} refused ({at_once}); but a server that finishes each "
                "request before the next one arrives looks the same"
            )
        self._add("limits of client companies", verdict)

    async def _once(self, company: int) -> object:
        return await self._read(_ME, company, once=True)


def _ids(page: Any) -> list[int]:
    content = page.get("content") if isinstance(page, dict) else None
    return [
        company["id"]
        for company in content or ()
        if isinstance(company, dict) and is_count(company.get("id")) and company["id"] and company.get("active") is True
    ]


def _told(error: WoodpeckerError) -> str:
    """An error's type and status only, because its text may quote the server."""
    status = getattr(error, "status", None)
    return type(error).__name__ if status is None else f"{status} {type(error).__name__}"
