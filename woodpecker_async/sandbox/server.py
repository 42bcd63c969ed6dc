"""The HTTP server: what happens to a request from its arrival to its response."""

import asyncio
import contextlib
import socket
import ssl

from aiohttp import web
from attrs import define, field, frozen

from woodpecker_async.sandbox.faults import FaultScript, Moment
from woodpecker_async.sandbox.journal import Record, Stats
from woodpecker_async.sandbox.pausing import Address, ServerClock
from woodpecker_async.sandbox.queueing import AccountQueue, RefusedError
from woodpecker_async.sandbox.routing import Job, Router
from woodpecker_async.sandbox.state import State
from woodpecker_async.sandbox.statefile import StateFile
from woodpecker_async.sandbox.wire import Answer, RequestInfo, too_many_requests

_LARGEST_BODY = 64 * 1024 * 1024
# aiohttp takes 0 for "no limit", so this stands for "immediately".
_AT_ONCE = 0.01


@define(kw_only=True)
class Server:
    """Serves one state.

    Attributes:
        state: the data.
        router: finds out what a request asks for.
        faults: the faults to inject.
        journal: the received requests.
        journal_limit: how many of them to keep.
        stats: counts.
        service_time: seconds to process each request.
        round_trip: seconds of network latency, half of it before the queue and half after.
        queue: whether accounts have a limit at all.
        queued: how many requests of an account may wait.
        queue_wait: how many seconds each of them may wait.
        state_file: where the data is stored.
        clock: the clock it uses.
    """

    state: State
    router: Router
    faults: FaultScript
    journal: list[Record]
    journal_limit: int
    stats: Stats
    service_time: float
    round_trip: float
    queue: bool
    queued: int
    queue_wait: float
    state_file: StateFile | None
    clock: ServerClock
    _queues: dict[int, AccountQueue] = field(init=False, factory=dict)
    _busy: set[asyncio.Task[object]] = field(init=False, factory=set)
    _received: int = field(init=False, default=0)
    _runner: web.AppRunner | None = field(init=False, default=None)
    _listening: socket.socket | None = field(init=False, default=None)

    async def start(self, listening: socket.socket, ssl_context: ssl.SSLContext | None) -> None:
        """Serve on a socket that is already bound."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._handle)  # a path may have an encoded line break
        # A request must be processed even if its client goes away: that is aiohttp's default, but explicit here
        # because it matters.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=False, shutdown_timeout=_AT_ONCE)
        self._listening = listening
        await self._runner.setup()
        await web.SockSite(self._runner, listening, ssl_context=ssl_context).start()

    async def stop(self) -> None:
        """Stop at once: requests in flight are cancelled and change nothing more."""
        if self._runner is None or self._listening is None:
            return
        # asyncio mishandles a connection that it accepts while closing. So first stop accepting, and give it time
        # to finish what it has begun, before closing the socket.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().remove_reader(self._listening)
        for _ in range(3):
            await asyncio.sleep(0)
        for site in tuple(self._runner.sites):
            await site.stop()
        # aiohttp forgets handlers whose clients have gone away; this set does not.
        busy = tuple(self._busy)
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        server = self._runner.server
        await self._runner.cleanup()
        for _ in range(3):  # a connection that was accepted at the last moment arrives only now
            await asyncio.sleep(0)
        if server is not None:
            await server.shutdown(_AT_ONCE)
        self._runner = None
        self._listening = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        if task is not None:
            self._busy.add(task)
        try:
            client = _Client(request=request, clock=self.clock)
            with self.clock.serving(client.address):
                return await self._serve(request, client)
        finally:
            if task is not None:
                self._busy.discard(task)

    async def _serve(self, request: web.Request, client: "_Client") -> web.StreamResponse:
        info = await _read(request)
        record = self._recorded(info)
        try:
            answer = await self._answer(info, record, client)
            await client.pause(self.round_trip / 2)
            return await _send(request, record, answer)
        finally:
            record.finished = self.clock.now()
            self.stats.left(record.account)

    async def _answer(self, info: RequestInfo, record: Record, client: "_Client") -> Answer:
        await client.pause(self.round_trip / 2)
        info, answer = await self._strike("arrival", info, client)
        if answer is not None:
            return answer
        job = self.router.admit(info)
        if isinstance(job, Answer):
            return job
        try:
            return await self._work(job, info, record, client)
        except RefusedError:
            self.stats.refused += 1
            return too_many_requests()

    async def _work(self, job: Job, info: RequestInfo, record: Record, client: "_Client") -> Answer:
        queue = self._queue(job.limit)
        record.in_queue_at_arrival = queue.length
        try:
            async with queue.turn(client.address):
                record.started = self.clock.now()
                if self.service_time:
                    await queue.work(self.service_time, client.address)
                _, answer = await self._strike("before_commit", info, client)
                if answer is not None:
                    return answer
                # There is no await in the commit, so each request is atomic.
                answer = self._commit(job, record)
        finally:
            if job.limit is not None:
                self.stats.peak_queued[job.limit] = queue.peak
        for fault in self.faults.strike("after_commit", info):
            if fault.hang_up:
                client.hang_up()
            await client.pause(fault.delay)
            if fault.rewrite is not None:
                answer = fault.rewrite(info, answer)
            answer = fault.reply(info) or answer
        return answer

    def _commit(self, job: Job, record: Record) -> Answer:
        before = self.state.version
        answer = job.work()
        record.committed = self.state.version != before
        if record.committed and self.state_file is not None:
            self.state_file.save()
        return answer

    async def _strike(self, moment: Moment, info: RequestInfo, client: "_Client") -> tuple[RequestInfo, Answer | None]:
        for fault in self.faults.strike(moment, info):
            if fault.hang_up:
                client.hang_up()
            await client.pause(fault.delay)
            if fault.edit is not None:
                info = fault.edit(info)
            reply = fault.reply(info)
            if reply is not None:
                return info, reply
        return info, None

    def _queue(self, account: int | None) -> AccountQueue:
        if account is None or not self.queue:
            # A queue for a single request is no limit.
            return AccountQueue(places=0, patience=0, clock=self.clock)
        if account not in self._queues:
            self._queues[account] = AccountQueue(places=self.queued, patience=self.queue_wait, clock=self.clock)
        return self._queues[account]

    def _recorded(self, info: RequestInfo) -> Record:
        account = self.router.limit_of(info)
        record = Record(
            index=self._received,
            method=info.method,
            path=info.path,
            query=info.query,
            headers=info.headers,
            body=info.body,
            company_header=info.company_header,
            company_id=info.company_id,
            account=account,
            received=self.clock.now(),
        )
        self._received += 1
        self.stats.arrived(account)
        self.journal.append(record)
        if len(self.journal) > self.journal_limit:
            del self.journal[: len(self.journal) - self.journal_limit]
        return record


@frozen(kw_only=True)
class _Client:
    """The client that sent a request and is waiting for the response."""

    request: web.Request
    clock: ServerClock
    address: Address = field(init=False)

    @address.default
    def _peer(self) -> Address:
        transport = self.request.transport
        return None if transport is None else transport.get_extra_info("peername")

    def hang_up(self) -> None:
        """Close the connection."""
        _hang_up(self.request)

    async def pause(self, seconds: float) -> None:
        """Make it wait."""
        if seconds > 0:
            await self.clock.park(seconds, self.address)


async def _read(request: web.Request) -> RequestInfo:
    return RequestInfo(
        method=request.method,
        path=request.rel_url.raw_path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read(),
    )


async def _send(request: web.Request, record: Record, answer: Answer) -> web.StreamResponse:
    transport = request.transport
    if answer.hang_up or transport is None or transport.is_closing():
        _hang_up(request)
        return web.Response()
    if answer.cut_after is None:
        record.status = answer.status
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
    body = answer.body or b""
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: answer.cut_after])
    _hang_up(request)
    return response


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
