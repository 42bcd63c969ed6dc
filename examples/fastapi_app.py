"""A FastAPI application on top of the SDK: calls as one company, keys by label, and a bulk run as server-sent events.

python examples/fastapi_app.py [--port 8000] [--workers 4]

It serves on this machine until Ctrl-C. Without WOODPECKER_API_KEY it starts a sandbox and uses that. It has no
authentication: put your own in front of it.
"""

import argparse
import contextlib
import logging
import math
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

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

log = logging.getLogger("uvicorn.error")
vault: dict[tuple[int, str], str] = {}  # in place of wherever you keep secrets


@contextlib.asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
    """One session for the lifetime of each worker process; the processes on this machine share one lane."""
    async with WoodpeckerSession(
        limits=Limits(shared="host"),
        timeouts=Timeouts(lane=30),  # a user is waiting for the response
        retry=RetryPolicy(deadline=30),
        user_agent=f"keys-app/{os.getpid()}",  # so that the API's log can tell the processes apart
    ) as woodpecker:
        yield {"woodpecker": woodpecker}


app = FastAPI(title="Keys of our clients", lifespan=lifespan)


def session_of(request: Request) -> WoodpeckerSession:
    """The session of this process."""
    session: WoodpeckerSession = request.state.woodpecker
    return session


Session = Annotated[WoodpeckerSession, Depends(session_of)]


async def company_of(company_id: int, woodpecker: Session) -> AsyncIterator[CompanyClient]:
    """The company named in the path. Calls through it are made as that company."""
    async with woodpecker.company(company_id) as client:
        yield client


Client = Annotated[CompanyClient, Depends(company_of)]


async def run_over_all(woodpecker: Session) -> AsyncIterator[bulk.Run]:
    """A bulk run for one request: it ends with the response, even if the browser disconnects."""
    async with bulk.list_api_keys(woodpecker) as run:
        yield run


class Key(BaseModel):
    """What a browser may know about a key."""

    label: str | None
    masked: str
    fingerprint: str


def shown(label: str | None, key: Secret) -> Key:
    """A key without its secret."""
    return Key(label=label, masked=key.masked, fingerprint=key.fingerprint)


def store(issued: IssuedKey) -> None:
    """The one place where a key leaves its `Secret`."""
    vault[issued.company_id, issued.label] = issued.api_key.reveal()


@app.get("/companies/{company_id}/me")
async def who_am_i(client: Client) -> dict[str, Any]:
    """Whom the API takes us for when acting as this company."""
    return dict(await client.me())


@app.get("/companies/{company_id}/api-keys")
async def api_keys(client: Client) -> list[Key]:
    """The company's keys."""
    return [shown(key.label, key.api_key) async for key in client.api_keys.list()]


@app.put("/companies/{company_id}/api-keys/{label}", responses={201: {"description": "The key was created."}})
async def ensure_api_key(client: Client, label: str, response: Response) -> Key:
    """Make sure that the company has one key with this label. Safe to repeat."""
    issued = await client.api_keys.ensure(label)
    store(issued)
    response.status_code = 201 if issued.created else 200
    return shown(issued.label, issued.api_key)


@app.get("/api-keys", response_class=EventSourceResponse)
async def all_api_keys(run: Annotated[bulk.Run, Depends(run_over_all)]) -> AsyncIterator[ServerSentEvent]:
    """Stream the keys of all companies, with an event for each company as soon as it is done."""
    try:
        async for outcome in run:
            data = {
                "company_id": outcome.company_id,
                "keys": [shown(key.label, key.api_key) for key in outcome.keys],
                "error": None if outcome.error is None else message_of(outcome.error),
            }
            yield ServerSentEvent(event="company", data=data)
    except WoodpeckerError as error:  # the whole run failed; the HTTP status has already been sent
        log.warning("%s", error)
        yield ServerSentEvent(event="stopped", data={"error": message_of(error)})
    else:
        report = run.report
        yield ServerSentEvent(event="done", data={"ok": report.ok, "failed": report.failed, "keys": report.keys})


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


@app.exception_handler(WoodpeckerError)
async def answer_for(_request: Request, error: WoodpeckerError) -> JSONResponse:
    """The one place where an SDK error becomes a response."""
    status = status_of(error)
    headers = {}
    if status >= 500:
        log.warning("%s", error)
    if status == 503:
        headers["Retry-After"] = str(math.ceil(getattr(error, "retry_after", None) or 5))
    return JSONResponse({"error": type(error).__name__, "detail": message_of(error)}, status, headers)


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


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="The FastAPI example.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    with some_api():
        # By name, because each worker process imports it.
        uvicorn.run(
            f"{Path(__file__).stem}:app",
            app_dir=str(Path(__file__).parent),
            port=arguments.port,
            workers=arguments.workers,
            timeout_graceful_shutdown=5,  # a connected browser must not delay shutdown
        )


if __name__ == "__main__":
    main()
