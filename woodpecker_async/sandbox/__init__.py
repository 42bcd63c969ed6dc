"""A local HTTP server that behaves like the documented Woodpecker agency API and Feldera's key API.

    async with Sandbox(companies=25, keys_per_company=3) as box:
        async with box.session() as session:
            ...

It shares no code with the SDK, so that it can test the SDK's assumptions about the API.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import AF_INET, AF_INET6, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

from woodpecker_async.sandbox import statefile, webhooks
from woodpecker_async.sandbox.faults import Fault, FaultScript, When
from woodpecker_async.sandbox.generate import generate
from woodpecker_async.sandbox.journal import Record, Stats
from woodpecker_async.sandbox.pausing import REAL_TIME, ServerClock
from woodpecker_async.sandbox.routing import Router
from woodpecker_async.sandbox.server import Server
from woodpecker_async.sandbox.service import Rules
from woodpecker_async.sandbox.state import Company, State
from woodpecker_async.sandbox.thread import ServerThread
from woodpecker_async.sandbox.webhooks import Delivery
from woodpecker_async.sandbox.wire import Answer, RequestInfo

if TYPE_CHECKING:
    from woodpecker_async import Secret, WoodpeckerSession
    from woodpecker_async.engine.credentials import KeyFunction
    from woodpecker_async.feldera import FelderaSession
    from woodpecker_async.session import SessionArguments

__all__ = ["Answer", "Delivery", "Fault", "FaultScript", "Record", "RequestInfo", "Sandbox", "Stats", "When", "serve"]


class Sandbox:
    """A server on this machine, for ``async with`` or, on its own thread, for ``with``.

    Args:
        companies: number of client companies.
        keys_per_company: number of keys of each company that the HQ key can list.
        other_users_keys: number of further keys of each company, which belong to another user.
        inactive: how many of the companies are inactive; these are the last ones.
        seed: the seed for all names, ids and secrets, and for faults that strike at random.
        host: the address to listen on.
        port: the port; 0 for any free port.
        service_time: seconds for which a request occupies its account. If the event loop oversleeps, the next request
            in the queue is served sooner to make up for it, so the average throughput is exact.
        round_trip: seconds of network latency, half of it before the queue and half after.
        queue: whether an account processes one request at a time and lets only a few wait.
        queued: how many requests may wait; any more get 429 at once.
        queue_wait: how many seconds a request may wait before it gets 429 too.
        limit_scope: whether a request that names a company counts towards the limit of the key's account or of that
            company.
        inactive_lists: whether the keys of an inactive company can be listed; if not, the server responds with 404.
        empty_total_pages: ``total_pages`` of an empty list.
        page_size: number of items on a page.
        label_filter: maps the label in a request to the label that is stored; None stores labels unchanged.
        ready_after: how many times a report, or mailboxes that are being connected, are unfinished when polled.
        state_file: the file to store the data in; if it exists, its data is used instead of generated data.
        journal_limit: how many received requests to keep.
        ssl_context: serve over https with this context.
        clock: the clock for its waits and records, and for the sessions it makes; with
            `woodpecker_async.testing.Clock`, waits take no real time.

    Raises:
        ValueError: an argument is invalid.
    """

    def __init__(
        self,
        *,
        companies: int = 25,
        keys_per_company: int = 3,
        other_users_keys: int = 0,
        inactive: int = 0,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        service_time: float = 0.002,
        round_trip: float = 0.0,
        queue: bool = True,
        queued: int = 6,
        queue_wait: float = 15.0,
        limit_scope: Literal["account", "company"] = "account",
        inactive_lists: bool = True,
        empty_total_pages: int = 0,
        page_size: int = 50,
        label_filter: Callable[[str], str | None] | None = None,
        ready_after: int = 1,
        state_file: str | Path | None = None,
        journal_limit: int = 100_000,
        ssl_context: ssl.SSLContext | None = None,
        clock: ServerClock = REAL_TIME,
    ) -> None:
        not_negative = {
            "companies": companies,
            "keys_per_company": keys_per_company,
            "other_users_keys": other_users_keys,
            "inactive": inactive,
            "port": port,
            "service_time": service_time,
            "round_trip": round_trip,
            "queued": queued,
            "queue_wait": queue_wait,
            "ready_after": ready_after,
            "journal_limit": journal_limit,
        }
        for name, value in not_negative.items():
            if value < 0:
                raise ValueError(f"{name} must be >= 0, not {value!r}")
        if inactive > companies:
            raise ValueError(f"inactive ({inactive}) must not exceed companies ({companies})")
        if page_size < 1:
            raise ValueError(f"page_size must be >= 1, not {page_size!r}")
        if limit_scope not in {"account", "company"}:
            raise ValueError(f"limit_scope must be 'account' or 'company', not {limit_scope!r}")
        path = None if state_file is None else statefile.claimed(Path(state_file))
        if path is not None and path.exists():
            state = statefile.load(path)
        else:
            state = generate(
                companies=companies,
                keys_per_company=keys_per_company,
                inactive=inactive,
                seed=seed,
                other_users_keys=other_users_keys,
            )
            if path is not None:
                statefile.save(state, path)
        self.state: State = state
        self.faults = FaultScript(seed)
        self.journal: list[Record] = []
        self.stats = Stats()
        rules = Rules(
            page_size=page_size,
            empty_total_pages=empty_total_pages,
            inactive_lists=inactive_lists,
            label_filter=label_filter,
            ready_after=ready_after,
        )
        self._state_file = None if path is None else statefile.StateFile(state, path)
        self._server = Server(
            state=state,
            router=Router(state=state, rules=rules, by_company=limit_scope == "company"),
            faults=self.faults,
            journal=self.journal,
            journal_limit=journal_limit,
            stats=self.stats,
            service_time=service_time,
            round_trip=round_trip,
            queue=queue,
            queued=queued,
            queue_wait=queue_wait,
            state_file=self._state_file,
            clock=clock,
        )
        self._time: Any = {} if clock is REAL_TIME else {"clock": clock}
        self._address = (host, port)
        self._ssl_context = ssl_context
        self._used = False
        self._url: str | None = None
        self._thread: ServerThread | None = None

    def __repr__(self) -> str:
        return f"<Sandbox {self._url or 'not running'}, {len(self.state.companies)} companies>"

    @property
    def base_url(self) -> str:
        """The base URL of the Woodpecker API."""
        return f"{self.feldera_url}/rest"

    @property
    def feldera_url(self) -> str:
        """The base URL of the Feldera API."""
        if self._url is None:
            raise RuntimeError("this Sandbox is not running: use it in a with statement")
        return self._url

    @property
    def hq_key(self) -> str:
        """The agency's own key."""
        return self.state.hq_key

    @property
    def feldera_token(self) -> str:
        """A token that Feldera accepts."""
        return self.state.feldera_token

    @property
    def company_ids(self) -> tuple[int, ...]:
        """The ids of the client companies, in the order in which the API lists them."""
        return tuple(self.state.companies)

    def client_key(self, company_id: int) -> str:
        """A key of that company. If it has none, one is created that the HQ key does not list."""
        company = self.state.companies[company_id]
        if not company.keys:
            self.state.add_key(company_id, "Client", created_by=self.state.colleague.id)
        return company.keys[0].secret

    def session(
        self, api_key: "str | Secret | KeyFunction | None" = None, **arguments: "Unpack[SessionArguments]"
    ) -> "WoodpeckerSession":
        """An SDK session with the HQ key, or with another key; arguments are passed on to it.

        `session(box.client_key(123))` is a client company's session, `session("1.wrong")` one that gets a 401.
        """
        from woodpecker_async import WoodpeckerSession  # noqa: PLC0415 - the server must not need the SDK

        merged: SessionArguments = {"base_url": self.base_url, **self._time, **arguments}
        return WoodpeckerSession(self.hq_key if api_key is None else api_key, **merged)

    def feldera_session(self, **arguments: Any) -> "FelderaSession":
        """An SDK session with Feldera; arguments are passed on to it."""
        from woodpecker_async.feldera import FelderaSession  # noqa: PLC0415 - the server must not need it

        return FelderaSession(self.feldera_url, **{**self._time, "token": self.feldera_token, **arguments})

    def sample_event(self, event: str, number: int = 0, *, company_id: int | None = None) -> dict[str, Any]:
        """An item that a webhook may receive, as in the API documentation.

        Args:
            event: the event, such as `"prospect_replied"`.
            number: selects one of many samples, which differ in ids and times.
            company_id: the client company where the event occurs; by default the agency's own account.

        Raises:
            ValueError: there is no such event.
        """
        return webhooks.sample(event, self._account(company_id), self.state.seed, number)

    async def deliver(
        self,
        event: str,
        items: Sequence[Any] | None = None,
        *,
        count: int = 1,
        company_id: int | None = None,
        pauses: Sequence[float] = (0.05, 0.1, 0.2, 0.4),
    ) -> list[Delivery]:
        """Trigger an event: post it to the URLs that are subscribed to it, and return when that is done.

        Items are sent in arrays of up to 100. An array is sent again after an error, or after ten seconds without a
        response. A subscription ends when its URL responds with 410 or 310, or when three arrays in a row fail.

        Args:
            event: the event, such as `"prospect_replied"`.
            items: the items to send, valid or not; by default samples as in the API documentation.
            count: the number of samples.
            company_id: the client company where the event occurs; by default the agency's own account.
            pauses: seconds between attempts.

        Returns:
            The result for each array; empty if no URL is subscribed.

        Raises:
            ValueError: there is no such event, or a URL is not on 127.0.0.1; nothing was sent.
        """
        account = self._account(company_id)
        samples = [webhooks.sample(event, account, self.state.seed, number) for number in range(count)]
        before = self.state.version
        done = await webhooks.deliver(self.state, account, event, samples if items is None else items, pauses)
        if self.state.version != before and self._state_file is not None:
            self._state_file.save()
        return done

    def _account(self, company_id: int | None) -> Company:
        return self.state.hq if company_id is None else self.state.companies[company_id]

    async def start(self) -> None:
        """Start serving on the running event loop.

        Raises:
            RuntimeError: it was started before.
            OSError: the port is not available.
        """
        if self._used:
            raise RuntimeError("this Sandbox has been started before: make a new one")
        self._used = True
        listening = _bound(*self._address)
        try:
            await self._server.start(listening, self._ssl_context)
        except BaseException:
            listening.close()
            raise
        host, port = listening.getsockname()[:2]
        scheme = "http" if self._ssl_context is None else "https"
        self._url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        """Stop at once. Requests in flight are cut off."""
        self._url = None
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        thread = ServerThread(self)
        thread.start()
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.stop()
            self._thread = None


async def serve(on_ready: Callable[[Sandbox], None], **options: Any) -> None:
    """Serve until cancelled.

    Args:
        on_ready: called once the server is listening, for example to print its URL and keys.
        **options: the arguments of `Sandbox`.
    """
    async with Sandbox(**options) as box:
        on_ready(box)
        await asyncio.Event().wait()


def _bound(host: str, port: int) -> socket:
    listening = socket(AF_INET6 if ":" in host else AF_INET, SOCK_STREAM)
    try:
        listening.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listening.bind((host, port))
    except BaseException:
        listening.close()
        raise
    return listening
