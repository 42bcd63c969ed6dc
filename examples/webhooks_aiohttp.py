"""An aiohttp.web application for Woodpecker's webhooks: it responds at once, and processes the events afterwards.

python examples/webhooks_aiohttp.py [--port 8000]

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

from aiohttp import web

from woodpecker_async import ConfigError, webhooks

log = logging.getLogger("webhooks")
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


INBOX: Final = web.AppKey("INBOX", Inbox)
routes = web.RouteTableDef()


async def inbox_context(app: web.Application) -> AsyncIterator[None]:
    """Process events while the server is running."""
    app[INBOX] = Inbox()
    async with app[INBOX].working():
        yield


@routes.post("/woodpecker/{token}")
async def receive(request: web.Request) -> web.Response:
    """Accept a delivery. Woodpecker sends it again unless the response is 2xx."""
    if not hmac.compare_digest(request.match_info["token"].encode(), TOKEN.encode()):
        return web.Response(status=404)
    try:
        events = webhooks.parse(await request.read())
    except ConfigError as error:
        log.warning("%s", error)
        return web.Response(status=400)
    return web.Response(status=204 if request.app[INBOX].take(events) else 503)


def make_app() -> web.Application:
    """Create the application."""
    app = web.Application(client_max_size=16 * 1024 * 1024)  # up to 100 items, which contain e-mails
    app.cleanup_ctx.append(inbox_context)
    app.add_routes(routes)
    return app


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Webhooks in aiohttp.web.")
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    logging.basicConfig(level=logging.INFO)
    if "WEBHOOK_TOKEN" not in os.environ:
        print(f"WEBHOOK_TOKEN is not set. The URL is http://127.0.0.1:{port}/woodpecker/{TOKEN}")
    # The access log would reveal the token.
    web.run_app(make_app(), host="127.0.0.1", port=port, access_log=None, print=None, shutdown_timeout=5)


if __name__ == "__main__":
    main()
