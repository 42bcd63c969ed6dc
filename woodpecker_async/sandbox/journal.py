"""What the sandbox received, for assertions."""

from collections.abc import Mapping

from attrs import Factory, define, field


@define(kw_only=True)
class Record:
    """One received request.

    Attributes:
        index: its number, from 0.
        method: ``GET``, ``POST``, ...
        path: the whole path as it came, with ``/rest``.
        query: the query string's parameters.
        headers: the headers, their names in lower case.
        body: the body.
        company_header: the value of ``x-company-id``, even where it is ignored.
        company_id: the company named by the path or else by the header.
        account: the account whose limit it counted for; None without a known key, and for Feldera.
        in_queue_at_arrival: how many requests were at work or waiting for that account before it.
        received: when it came (``time.monotonic()``).
        started: when its turn came; None if it never did.
        finished: when it was done with, answered or not; None while it is not.
        status: the status answered; None if the connection was cut, by either side.
        committed: whether it changed the state.
    """

    index: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    company_header: str | None
    company_id: int | None
    account: int | None
    received: float
    in_queue_at_arrival: int = 0
    started: float | None = None
    finished: float | None = None
    status: int | None = None
    committed: bool = False


@define(kw_only=True)
class Stats:
    """Counts since the start.

    Attributes:
        requests: how many requests came.
        refused: how many of them the queue answered with 429.
        peak_in_flight: by account, the most requests that were received and not yet answered at once.
        peak_queued: by account, the most that were at work or waiting at once.
    """

    requests: int = 0
    refused: int = 0
    peak_in_flight: dict[int, int] = Factory(dict)
    peak_queued: dict[int, int] = Factory(dict)
    _in_flight: dict[int, int] = field(init=False, factory=dict, repr=False)

    def arrived(self, account: int | None) -> None:
        """Count a request that came."""
        self.requests += 1
        if account is not None:
            now = self._in_flight.get(account, 0) + 1
            self._in_flight[account] = now
            self.peak_in_flight[account] = max(now, self.peak_in_flight.get(account, 0))

    def left(self, account: int | None) -> None:
        """Count a request that was done with."""
        if account is not None:
            self._in_flight[account] -= 1
