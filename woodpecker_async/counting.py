"""How many requests a piece of work takes, counted where they are sent.

The count follows the work through its tasks, so concurrent requests of other work are not counted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import attrs

_counts: ContextVar[tuple["RequestCount", ...]] = ContextVar("woodpecker_request_counts", default=())


@attrs.define
class RequestCount:
    """A running total.

    Attributes:
        requests: how many attempts were made so far, including refused and failed ones.
    """

    requests: int = 0


@contextmanager
def counting_requests(count: RequestCount | None = None) -> Iterator[RequestCount]:
    """Count the requests sent in this block and in the tasks it starts.

    Args:
        count: a total to add to; by default a new one. Blocks can be nested; each counts.

    Example:
        ::

            with counting_requests() as count:
                await woodpecker.agency.api_keys.list(company_id=123).collect()
            print(count.requests)
    """
    count = RequestCount() if count is None else count
    token = _counts.set((*_counts.get(), count))
    try:
        yield count
    finally:
        _counts.reset(token)


def request_sent() -> None:
    """Called by the engine for each attempt it sends."""
    for count in _counts.get():
        count.requests += 1
