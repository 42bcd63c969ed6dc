"""Keeps plain-text secrets out of a traceback's frames, and of anything reachable from them.

Error reporters print the variables of every frame of a traceback, and walk from there through mappings, sequences,
fields, `__dict__` and `__slots__`. They do not look into functions. So a body that may contain keys is kept as a
function that returns it, and is accessed only in frames that no traceback keeps.
"""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")
E = TypeVar("E", bound=BaseException)


def hidden(value: T) -> Callable[[], T]:
    """Return a function that returns the value."""
    return lambda: value


def look_at(secret: Callable[[], T], function: Callable[[T, *Ts], R], *args: *Ts) -> R:
    """Call a function with a hidden value. An exception is raised without the frames below."""
    try:
        return function(secret(), *args)
    except BaseException as error:
        leaving = without_frames(error)
    try:
        raise leaving
    finally:
        del leaving


def without_frames(error: E) -> E:
    """Return the exception without its frames and without the exceptions it is chained to.

    Raise it outside the `except` block: then an exception that the caller is handling becomes its context again.
    """
    error.__cause__ = error.__context__ = None
    error.__suppress_context__ = False
    return error.with_traceback(None)
