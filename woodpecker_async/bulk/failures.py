"""Which exceptions are meant for the task they come up in, and what to say of those that are not."""

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

    The API's own 401 and the documented 403, which has no body, are about the key. What a proxy answers to one
    request says nothing about the next.
    """
    if isinstance(error, AuthenticationError):
        return error.body_kind == "api"
    if isinstance(error, PermissionDeniedError):
        return error.body_kind == "empty"
    return isinstance(error, LabelNotKeptError | SessionClosedError | WrongLoopError)


def meant_for(task: "asyncio.Task[Any] | None", error: BaseException) -> bool:
    """Whether an exception is addressed to this task, so that it has to be let through.

    That is a cancellation that somebody sent to the task, the end of a coroutine that is closed from outside,
    and the end of the process. Anything else is a failure of the code that it came out of.

    Args:
        task: the task in which the `try` block was entered.
        error: what came out of the block.
    """
    if isinstance(error, asyncio.CancelledError):
        return task is None or task.cancelling() > 0
    if isinstance(error, GeneratorExit):
        try:
            return asyncio.current_task() is not task
        except RuntimeError:  # no loop is running: the coroutine is being collected
            return True
    return isinstance(error, KeyboardInterrupt | SystemExit)


def unexpected(where: str, error: BaseException) -> UnexpectedError:
    """The failure of somebody else's code as an error of ours, without its frames, which may hold keys."""
    return UnexpectedError(f"{where}: {describe(error)}{_line(error)}")


def as_exception(where: str, error: BaseException) -> Exception:
    """The error itself, if nobody overlooks it; else one that nobody does."""
    return error if _is_seen(error) else unexpected(where, error)


def _is_seen(error: BaseException) -> TypeGuard[Exception]:
    # `except Exception` and task groups miss what is not an `Exception`, and a StopAsyncIteration ends an
    # `async for` as if all had come.
    return isinstance(error, Exception) and not isinstance(error, StopAsyncIteration)


async def protected(where: str, work: Awaitable[None]) -> None:
    """Do what may run somebody else's code, and raise what comes of it as something that nobody overlooks."""
    task = asyncio.current_task()
    try:
        await work
        return
    except BaseException as error:
        if _is_seen(error) or meant_for(task, error):
            raise
        failure = unexpected(where, error)
    raise failure  # out here, without the frames of what failed


def describe(error: BaseException, hide: Secret | None = None) -> str:
    """Type and text of an exception in a line, without the key that it may quote."""
    text = text_of(error)
    # Databases like to quote the row that they could not take. Cut afterwards, or half a key would stay.
    text = (text if hide is None else text.replace(hide.reveal(), hide.masked))[:_LONGEST_TEXT]
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind


def text_of(error: BaseException) -> str:
    """The text of an exception, also of one whose `str()` fails."""
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
