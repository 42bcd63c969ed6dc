"""Which exceptions are addressed to the task they occur in, and how to report those that are not."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeGuard

from woodpecker_async.errors import (
    AuthenticationError,
    LabelNotKeptError,
    PermissionDeniedError,
    SessionClosedError,
    UnexpectedError,
    WrongLoopError,
)
from woodpecker_async.secret import Secret

_LONGEST_TEXT: Final = 1000


def fails_everywhere(error: BaseException) -> bool:
    """Whether every other company's call would fail in the same way.

    The API's own 401 and its documented 403, which has no body, are about the key. A proxy's response to one request
    says nothing about the next.
    """
    if isinstance(error, AuthenticationError):
        return error.body_kind == "api"
    if isinstance(error, PermissionDeniedError):
        return error.body_kind == "empty"
    return isinstance(error, LabelNotKeptError | SessionClosedError | WrongLoopError)


def meant_for(task: "asyncio.Task[Any] | None", error: BaseException) -> bool:
    """Whether an exception is addressed to this task, so that it has to propagate.

    That is the case for a cancellation of the task itself, for a coroutine that is closed from outside, and for the end
    of the process. Anything else is a failure of the code that raised it.

    Args:
        task: the task that entered the `try` block.
        error: the exception raised in the block.
    """
    if isinstance(error, asyncio.CancelledError):
        return task is None or task.cancelling() > 0
    if isinstance(error, GeneratorExit):
        try:
            return asyncio.current_task() is not task
        except RuntimeError:  # no loop is running: the coroutine is being garbage-collected
            return True
    return isinstance(error, KeyboardInterrupt | SystemExit)


def unexpected(where: str, error: BaseException) -> UnexpectedError:
    """Turn a failure of foreign code into an `UnexpectedError`, without its frames, which may hold keys."""
    return UnexpectedError(f"{where}: {describe(error)}{_line(error)}")


def as_exception(where: str, error: BaseException) -> Exception:
    """Return the error itself if callers cannot overlook it, else an `UnexpectedError`."""
    return error if _is_seen(error) else unexpected(where, error)


def _is_seen(error: BaseException) -> TypeGuard[Exception]:
    # `except Exception` and task groups miss what is not an `Exception`, and a StopAsyncIteration ends an
    # `async for` as if it were complete.
    return isinstance(error, Exception) and not isinstance(error, StopAsyncIteration)


async def protected(where: str, work: Awaitable[None]) -> None:
    """Await work that may run foreign code, and raise its failures in a form that callers cannot overlook."""
    task = asyncio.current_task()
    try:
        await work
        return
    except BaseException as error:
        if _is_seen(error) or meant_for(task, error):
            raise
        failure = unexpected(where, error)
    raise failure  # outside the except block, so without the frames of the original exception


def describe(error: BaseException, hide: Secret | None = None) -> str:
    """Return the type and text of an exception in one line, with the key masked if the text quotes it."""
    text = text_of(error)
    # Databases tend to quote the row they rejected. Mask before truncating, or half a key could remain.
    text = (text if hide is None else text.replace(hide.reveal(), hide.masked))[:_LONGEST_TEXT]
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind


def text_of(error: BaseException) -> str:
    """Return the text of an exception, even if its `str()` fails."""
    try:
        return str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as failure:
        return f"(its str() raised {type(failure).__name__})"


def _line(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    name = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f" (at {name}:{trace.tb_lineno})"
