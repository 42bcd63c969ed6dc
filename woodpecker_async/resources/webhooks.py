"""Webhook subscriptions. To parse the deliveries, use `woodpecker_async.webhooks`."""

from typing import Final
from urllib.parse import urlsplit

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.webhooks import Webhook, WebhookEventName
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import OneAnswer
from woodpecker_async.resources.base import Resource

_WEBHOOKS: Final = OneAnswer(items="webhooks", nothing=frozenset({"message"}))


class Webhooks(Resource):
    """The webhook subscriptions of the account, created by any of its users."""

    def list(self, *, options: CallOptions | None = None) -> Pager[Webhook]:
        """List all subscriptions, in one response.

        Args:
            options: for the request.

        Document: "Webhooks", `GET /v2/webhooks`.
        """
        return self._list(
            "/v2/webhooks", Webhook, _WEBHOOKS, key=lambda hook: (hook.target_url, hook.event), options=options
        )

    async def subscribe(
        self, target_url: str, event: WebhookEventName | str, *, options: CallOptions | None = None
    ) -> Webhook:
        """Have one kind of event sent to a URL.

        Never retried, unless the request was provably not sent or was refused with 429: a second request would
        conflict with the first.

        Args:
            target_url: an `http` or `https` URL. The server drops the subscription if the URL answers 410 or 310, or
                fails several times.
            event: the kind of event, such as `"prospect_replied"`.
            options: for this call.

        Raises:
            ConfigError: the URL is invalid, or there is no such event; nothing was sent.
            ConflictError: the event is already sent to this URL, or to the maximum number of URLs (3, according to the
                documents).
            OutcomeUnknownError: the subscription may exist: check with `list` before trying again.

        Document: "Subscribe to a webhook", `POST /v1/webhooks/subscribe`.
        """
        known = checks.choice("event", _lower(event), WebhookEventName)
        return await self._call(
            "POST",
            "/v1/webhooks/subscribe",
            Webhook,
            body={"target_url": _url(target_url), "event": known},
            find_out="check with webhooks.list() before trying again",
            options=options,
        )

    async def unsubscribe(
        self, target_url: str, event: WebhookEventName | str, *, options: CallOptions | None = None
    ) -> None:
        """Stop sending one kind of event to a URL. Retried like a read.

        Args:
            target_url: the URL, as returned by `list`.
            event: the kind of event. One returned by `list` may be newer than this version of the SDK.
            options: for this call.

        Raises:
            ConfigError: the URL is invalid, or there is no such event; nothing was sent.

        Document: "Unsubscribe from a webhook", `POST /v1/webhooks/unsubscribe`.
        """
        if not isinstance(event, WebhookEventName):
            event = checks.choice("event", _lower(event), WebhookEventName)
        await self._call(
            "POST",
            "/v1/webhooks/unsubscribe",
            None,
            body={"target_url": _url(target_url), "event": event.lower()},
            idempotent=True,
            options=options,
        )


def _lower(event: object) -> object:
    return event.lower() if isinstance(event, str) else event


def _url(value: object) -> str:
    url = checks.text(value, "target_url")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in url):
        raise ConfigError('target_url must be an http or https URL, like "https://example.com/woodpecker"')
    return url
