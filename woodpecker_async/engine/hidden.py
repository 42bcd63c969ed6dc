"""Plain secrets out of sight: of a traceback's frames, and of what can be reached from them.

Error reporters print the variables of every frame of a traceback, and walk from there through mappings,
sequences, fields, `__dict__` and `__slots__`. They do not look into functions. So a body that may be full of keys
is kept as a function that returns it, and is looked at only in frames that no traceback keeps.
"""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")
E = TypeVar("E", bound=BaseException)


def hidden(value: T) -> Callable[[], T]:
    """A function that returns the value."""
    return lambda: value


def look_at(secret: Callable[[], T], function: Callable[[T, *Ts], R], *args: *Ts) -> R:
    """Call a function with what is hidden. An exception leaves its frames behind here."""
    try:
        return function(secret(), *args)
    except BaseException as error:
        leaving = without_frames(error)
    try:
        raise leaving
    finally:
        del leaving


def without_frames(error: E) -> E:
    """The exception, without the frames it has come through and without what it is chained to.

    Raise it outside of the `except` block: then an exception that the caller is handling becomes its context again.
    """
    error.__cause__ = error.__context__ = None
    error.__suppress_context__ = False
    return error.with_traceback(None)
