"""`woodpecker_async/operations.txt`: the SDK method that sends a request, by HTTP method and path template.

After a new endpoint: `python -m tests.test_operation_names > woodpecker_async/operations.txt`.
"""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import woodpecker_async
from tests.calls import ROWS, method_at
from woodpecker_async import WoodpeckerSession
from woodpecker_async.engine.operation import Operation
from woodpecker_async.feldera import FelderaSession

PINNED = Path(woodpecker_async.__file__).with_name("operations.txt")


class _SentError(Exception):
    """A placeholder for the response."""


class _Recorder:
    """A tracer that lets nothing be sent."""

    def __init__(self) -> None:
        self.operation: Any = None

    async def call(self, operation: Operation[Any], running: Coroutine[Any, Any, Any]) -> Any:
        running.close()
        self.operation = operation
        raise _SentError


async def _operation_of(session: Any, call: Coroutine[Any, Any, Any]) -> Operation[Any]:
    recorder = session._engine.tracer = _Recorder()
    try:
        await call
    except _SentError:
        return recorder.operation
    raise AssertionError("nothing was sent")


async def names() -> str:
    """One line for each operation. If two methods send the same, the first one is named."""
    found: dict[str, str] = {}
    woodpecker = WoodpeckerSession("1.key")
    for name, row in sorted(ROWS.items()):
        if row.one_request and not name.endswith(".request"):
            operation = await _operation_of(woodpecker, row.call(method_at(woodpecker, name)))
            found.setdefault(f"{operation.method} {operation.template}", name)
    feldera = FelderaSession("http://localhost:8080", token="apikey:x")
    for name, args in {"list": (), "create": ("ci",), "get": ("ci",), "delete": ("ci",)}.items():
        operation = await _operation_of(feldera, getattr(feldera.api_keys, name)(*args))
        found[f"{operation.method} {operation.template}"] = f"feldera.api_keys.{name}"
    return "".join(f"{operation} {name}\n" for operation, name in sorted(found.items()))


async def test_every_operation_has_its_name() -> None:
    assert PINNED.read_text() == await names(), __doc__


if __name__ == "__main__":
    print(asyncio.run(names()), end="")
