"""The requests that the sandbox received, for assertions."""

from collections.abc import Mapping

from attrs import Factory, define, field


@define(kw_only=True)
class Record:
    """One received request.

    Attributes:
        index: its number, from 0.
        method: ``GET``, ``POST``, ...
        path: the whole path as received, including ``/rest``.
        query: the query string's parameters.
        headers: the headers, their names in lower case.
        body: the body.
        company_header: the value of ``x-company-id``, even where it is ignored.
        company_id: the company named in the path or else in the header.
        account: the account whose limit it counted towards; None without a known key, and for Feldera.
        in_queue_at_arrival: how many requests of that account were being processed or waiting when it arrived.
        received: when it arrived (``time.monotonic()``).
        started: when its turn came; None if it never did.
        finished: when it ended, with or without a response; None until then.
        status: the status of the response; None if the connection was closed by either side.
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
        requests: how many requests were received.
        refused: how many of them the queue refused with 429.
        peak_in_flight: by account, the most requests that were in flight at once.
        peak_queued: by account, the most requests that were being processed or waiting at once.
    """

    requests: int = 0
    refused: int = 0
    peak_in_flight: dict[int, int] = Factory(dict)
    peak_queued: dict[int, int] = Factory(dict)
    _in_flight: dict[int, int] = field(init=False, factory=dict, repr=False)

    def arrived(self, account: int | None) -> None:
        """Count a request that was received."""
        self.requests += 1
        if account is not None:
            now = self._in_flight.get(account, 0) + 1
            self._in_flight[account] = now
            self.peak_in_flight[account] = max(now, self.peak_in_flight.get(account, 0))

    def left(self, account: int | None) -> None:
        """Count a request that has ended."""
        if account is not None:
            self._in_flight[account] -= 1
