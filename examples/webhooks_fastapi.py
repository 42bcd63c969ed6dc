"""A FastAPI application for Woodpecker's webhooks: it responds at once, and processes the events afterwards.

python examples/webhooks_fastapi.py [--port 8000]

Then, with the public URL of this server: `await woodpecker.account.webhooks.subscribe(url, "prospect_replied")`. Its
last segment is WEBHOOK_TOKEN, which must be secret, because deliveries are not signed.
"""

import argparse
import asyncio
import contextlib
import hmac
import logging
import os
import secrets
from collections.abc import AsyncIterator
from typing import Final

import uvicorn
from fastapi import FastAPI, Request, Response

from woodpecker_async import ConfigError, webhooks

log = logging.getLogger("uvicorn.error")
TOKEN: Final = os.environ.get("WEBHOOK_TOKEN") or secrets.token_urlsafe()
REMEMBERED: Final = 10_000


class Inbox:
    """Accepts events at once, and processes them one after another.

    It is in memory: accepted events are lost if the process ends. If that matters, use a durable queue instead.
    """

    def __init__(self, room: int = 10_000) -> None:
        self._queue: asyncio.Queue[webhooks.WebhookEvent] = asyncio.Queue(room)
        self._seen: dict[webhooks.WebhookEvent, None] = {}

    def take(self, events: tuple[webhooks.WebhookEvent, ...]) -> bool:
        """Accept all events, or none if there is not enough room."""
        if self._queue.qsize() + len(events) > self._queue.maxsize:
            return False
        for event in events:
            self._queue.put_nowait(event)
        return True

    async def work(self) -> None:
        """Process events until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                if not self._is_repeat(event):
                    handle(event)
            except Exception:
                log.exception("failed to handle an event: %s", event.method)
            finally:
                self._queue.task_done()

    def _is_repeat(self, event: webhooks.WebhookEvent) -> bool:
        """Whether the event was seen recently. Events have no id: two equal ones are one that was delivered twice."""
        if event in self._seen:
            return True
        self._seen[event] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return False

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Process events inside the block; at its end, finish the accepted ones."""
        task = asyncio.create_task(self.work())
        try:
            yield
            async with asyncio.timeout(10):
                await self._queue.join()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def handle(event: webhooks.WebhookEvent) -> None:
    """What your application does with an event."""
    match event:
        case webhooks.ReplyEvent(prospect=prospect, email=email):
            log.info("reply from %s: %s", prospect.email, email.subject)
        case webhooks.CampaignEvent(campaign=campaign):
            log.info("campaign %s: %s", campaign.campaign_id, event.method)
        case webhooks.UnknownEvent(problems=problems):  # a new kind, or a malformed event: the others are fine
            log.info("unknown event %s %s", event.method, "; ".join(problems))
        case _:
            log.info("%s at %s", event.method, event.timestamp)


inbox = Inbox()


@contextlib.asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Process events while the server is running."""
    async with inbox.working():
        yield


app = FastAPI(title="Webhooks", lifespan=lifespan)


@app.post("/woodpecker/{token}")
async def receive(token: str, request: Request) -> Response:
    """Accept a delivery. Woodpecker sends it again unless the response is 2xx."""
    if not hmac.compare_digest(token.encode(), TOKEN.encode()):
        return Response(status_code=404)
    try:
        events = webhooks.parse(await request.body())
    except ConfigError as error:
        log.warning("%s", error)
        return Response(status_code=400)
    return Response(status_code=204 if inbox.take(events) else 503)


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Webhooks in FastAPI.")
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    if "WEBHOOK_TOKEN" not in os.environ:
        print(f"WEBHOOK_TOKEN is not set. The URL is http://127.0.0.1:{port}/woodpecker/{TOKEN}")
    # The access log would reveal the token.
    uvicorn.run(app, port=port, access_log=False, timeout_graceful_shutdown=5)


if __name__ == "__main__":
    main()
