from tests.calls import Row

HOOK = {"target_url": "https://example.com/hook", "event": "prospect_replied"}
_ARGS = tuple(HOOK.values())

ROWS: dict[str, Row] = {
    "account.webhooks.list": Row("GET", "/v2/webhooks", {"webhooks": [{**HOOK, "event": "PROSPECT_REPLIED"}]}),
    "account.webhooks.subscribe": Row(
        "POST", "/v1/webhooks/subscribe", {**HOOK, "message": "Subscribed."}, _ARGS, body=HOOK
    ),
    "account.webhooks.unsubscribe": Row("POST", "/v1/webhooks/unsubscribe", None, _ARGS, body=HOOK),
}
