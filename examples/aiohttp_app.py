"""An aiohttp.web application on top of the SDK: calls as one company, keys by label, a bulk run as server-sent events.

python examples/aiohttp_app.py [--port 8000] [--workers 4]

It serves on this machine until Ctrl-C. Without WOODPECKER_API_KEY it starts a sandbox and uses that. It has no
authentication: put your own in front of it.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import math
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Final

from aiohttp import web

from woodpecker_async import (
    ConfigError,
    Limits,
    RetryPolicy,
    Secret,
    SetupError,
    Timeouts,
    WoodpeckerError,
    WoodpeckerSession,
    bulk,
    errors,
)
from woodpecker_async.models import IssuedKey
from woodpecker_async.sandbox import Sandbox
from woodpecker_async.scope import CompanyClient

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger("aiohttp.web")
vault: dict[tuple[int, str], str] = {}  # in place of wherever you keep secrets
routes = web.RouteTableDef()

SESSION: Final = web.AppKey("SESSION", WoodpeckerSession)
EVENT_STREAM: Final = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


async def session_context(app: web.Application) -> AsyncIterator[None]:
    """One session for the lifetime of each worker process; the processes on this machine share one lane."""
    async with WoodpeckerSession(
        limits=Limits(shared="host"),
        timeouts=Timeouts(lane=30),  # a user is waiting for the response
        retry=RetryPolicy(deadline=30),
        user_agent=f"keys-app/{os.getpid()}",  # so that the API's log can tell the processes apart
    ) as app[SESSION]:
        yield


def company_of(request: web.Request) -> CompanyClient:
    """The company named in the path. Calls through it are made as that company."""
    return request.app[SESSION].company(int(request.match_info["company_id"]))


def shown(label: str | None, key: Secret) -> dict[str, str | None]:
    """What a browser may know about a key."""
    return {"label": label, "masked": key.masked, "fingerprint": key.fingerprint}


def store(issued: IssuedKey) -> None:
    """The one place where a key leaves its `Secret`."""
    vault[issued.company_id, issued.label] = issued.api_key.reveal()


@routes.get(r"/companies/{company_id:\d+}/me")
async def who_am_i(request: web.Request) -> web.Response:
    """Whom the API takes us for when acting as this company."""
    async with company_of(request) as client:
        return web.json_response(dict(await client.me()))


@routes.get(r"/companies/{company_id:\d+}/api-keys")
async def api_keys(request: web.Request) -> web.Response:
    """The company's keys."""
    async with company_of(request) as client:
        return web.json_response([shown(key.label, key.api_key) async for key in client.api_keys.list()])


@routes.put(r"/companies/{company_id:\d+}/api-keys/{label}")
async def ensure_api_key(request: web.Request) -> web.Response:
    """Make sure that the company has one key with this label. Safe to repeat; repeat it if it was cut off."""
    async with company_of(request) as client:
        issued = await client.api_keys.ensure(request.match_info["label"])
    store(issued)
    return web.json_response(shown(issued.label, issued.api_key), status=201 if issued.created else 200)


@routes.get("/api-keys")
async def all_api_keys(request: web.Request) -> web.StreamResponse:
    """Stream the keys of all companies, with an event for each company as soon as it is done.

    If the browser disconnects, this handler is cancelled, and leaving the block ends the run.
    """
    stream = web.StreamResponse(headers=EVENT_STREAM)
    await stream.prepare(request)
    async with bulk.list_api_keys(request.app[SESSION]) as run:
        with contextlib.suppress(ConnectionResetError):  # raised on disconnect if handlers are not cancelled
            async for chunk in events_of(run):
                await stream.write(chunk)
    return stream


async def events_of(run: bulk.Run) -> AsyncIterator[bytes]:
    """The events of a run, as they happen."""
    try:
        async for outcome in run:
            keys = [shown(key.label, key.api_key) for key in outcome.keys]
            error = None if outcome.error is None else message_of(outcome.error)
            yield event("company", company_id=outcome.company_id, keys=keys, error=error)
    except WoodpeckerError as error:  # the whole run failed; the HTTP status has already been sent
        log.warning("%s", error)
        yield event("stopped", error=message_of(error))
    else:
        yield event("done", ok=run.report.ok, failed=run.report.failed, keys=run.report.keys)


def event(name: str, **data: Any) -> bytes:
    """A server-sent event. JSON has no line breaks, so one line of data is enough."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def message_of(error: WoodpeckerError) -> str:
    """The error message without the details of the call, which belong in the log."""
    return str(error.args[0])


def status_of(error: WoodpeckerError) -> int:
    """The HTTP status that tells our client what to do."""
    match error:
        case errors.CompanyNotFoundError():
            return 404
        case errors.CompanyInactiveError():
            return 409
        case SetupError():  # our key or our files: not the client's fault
            return 500
        case ConfigError():
            return 422
        case errors.RateLimitedError() | errors.LaneTimeoutError() | errors.SharedLaneError():
            return 503
        case errors.DeadlineExceededError() | errors.AttemptTimeoutError():
            return 504
        case _:  # the API is down or rejects our key, or the outcome of a write is unknown
            return 502


@web.middleware
async def errors_as_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where an SDK error becomes a response."""
    try:
        return await handler(request)
    except WoodpeckerError as error:
        status = status_of(error)
        headers = {}
        if status >= 500:
            log.warning("%s", error)
        if status == 503:
            headers["Retry-After"] = str(math.ceil(getattr(error, "retry_after", None) or 5))
        body = {"error": type(error).__name__, "detail": message_of(error)}
        return web.json_response(body, status=status, headers=headers)


def make_app() -> web.Application:
    """Create the application; `gunicorn -k aiohttp.GunicornWebWorker` can call this too."""
    app = web.Application(middlewares=[errors_as_answers])
    app.cleanup_ctx.append(session_context)
    app.add_routes(routes)
    return app


async def serve(listening: socket.socket) -> None:
    """Serve in one worker process until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # With `handler_cancellation`, work for a browser stops when it disconnects.
    runner = web.AppRunner(make_app(), handler_cancellation=True, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        await stop.wait()
    finally:
        await runner.cleanup()


def work(listening: socket.socket) -> None:
    """The main function of a worker process. It ignores Ctrl-C, which the parent handles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(listening))


def supervise(listening: socket.socket, count: int) -> int:
    """Keep this many workers alive; if one fails to start, stop them all."""
    spawn = multiprocessing.get_context("spawn")
    workers: list[BaseProcess] = []
    try:
        while True:
            while len(workers) < count:
                worker: BaseProcess = spawn.Process(target=work, args=(listening,))
                worker.start()
                workers.append(worker)
            wait([worker.sentinel for worker in workers])
            for worker in [worker for worker in workers if worker.exitcode is not None]:
                workers.remove(worker)
                if worker.exitcode is not None and worker.exitcode > 0:
                    return worker.exitcode
    except KeyboardInterrupt:
        return 0
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()


@contextlib.contextmanager
def some_api() -> Iterator[None]:
    """Use the real API, or else a sandbox in this process, which all workers find through their environment."""
    if os.environ.get("WOODPECKER_API_KEY"):
        yield
        return
    with Sandbox(inactive=1) as box:
        os.environ |= {"WOODPECKER_API_KEY": box.hq_key, "WOODPECKER_BASE_URL": box.base_url}
        print(f"WOODPECKER_API_KEY is not set: using a sandbox. One of its companies is {box.company_ids[0]}.")
        yield


def main() -> int:
    """Serve until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description="The aiohttp.web example.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        listening = socket.create_server(("127.0.0.1", arguments.port))
    except OSError as error:
        parser.exit(1, f"cannot serve on port {arguments.port}: {error.strerror}\n")
    with listening, some_api():
        print("Serving on http://{}:{}; press Ctrl-C to stop.".format(*listening.getsockname()), flush=True)
        return supervise(listening, arguments.workers)


if __name__ == "__main__":
    sys.exit(main())
