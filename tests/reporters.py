"""What crash reporters print about an exception, with the variables of its frames."""

import io
import json
from collections.abc import Callable

import rich.console
import rich.traceback
import sentry_sdk
import stackprinter
import structlog
from sentry_sdk.transport import Transport
from sentry_sdk.utils import event_from_exception


class _Kept(Transport):
    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[str] = []

    def capture_envelope(self, envelope) -> None:
        self.envelopes += [item.payload.get_bytes().decode() for item in envelope.items]


def _sentry(error: BaseException) -> str:
    kept = _Kept()
    # Without the parts that patch the process; see the test that runs Sentry in its own process.
    # With a release it need not ask git for one.
    options = {"transport": kept, "default_integrations": False, "release": "1"}
    with sentry_sdk.Client(dsn="http://public@127.0.0.1:9/1", **options) as client:
        event, hint = event_from_exception(error, client_options=client.options)
        client.capture_event(event, hint)
    return "\n".join(kept.envelopes)


def _structlog(processors: list[Callable]) -> Callable[[BaseException], str]:
    def reported(error: BaseException) -> str:
        stream = io.StringIO()
        structlog.wrap_logger(structlog.PrintLogger(stream), processors=processors).error("failed", exc_info=error)
        return stream.getvalue()

    return reported


def _rich(error: BaseException) -> str:
    console = rich.console.Console(file=io.StringIO(), width=100_000, color_system=None)
    console.print(
        rich.traceback.Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_length=None, locals_max_string=None
        )
    )
    return console.file.getvalue()


def _stackprinter(error: BaseException) -> str:
    return stackprinter.format(error, show_vals="all", truncate_vals=100_000)


REPORTERS: dict[str, Callable[[BaseException], str]] = {
    "sentry": _sentry,
    "structlog on a console": _structlog([structlog.dev.ConsoleRenderer(colors=False)]),
    "structlog as JSON": _structlog(
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(serializer=json.dumps)]
    ),
    "rich": _rich,
    "stackprinter": _stackprinter,
}

# For a separate process: Sentry with all its defaults, as in an application.
SENTRY = """
import asyncio, json, sys
import sentry_sdk
from sentry_sdk.transport import Transport

sent = []

class Kept(Transport):
    def capture_envelope(self, envelope):
        sent.extend(item.payload.get_bytes().decode() for item in envelope.items)

sentry_sdk.init(dsn="http://public@127.0.0.1:9/1", transport=Kept(), attach_stacktrace=True)
import logging
from woodpecker_async import WoodpeckerSession
base_url, company_id = sys.argv[1], int(sys.argv[2])

def hook(event):
    logging.getLogger("app").error("seen in a hook: %s", event.kind)  # with the stack as it is now

async def main():
    async with WoodpeckerSession(base_url=base_url, hooks=[hook]) as woodpecker:
        try:
            async with asyncio.timeout(0.3):
                await woodpecker.agency.api_keys.list(company_id)
        except TimeoutError as error:
            sentry_sdk.capture_exception(error)
        try:
            await woodpecker.agency.api_keys.list(company_id)
        except Exception as error:
            sentry_sdk.capture_exception(error)
        await woodpecker.agency.api_keys.list(company_id)

asyncio.run(main())
sentry_sdk.flush()
print(json.dumps(sent))
"""
