"""Faults as text, for the command line and for pytest marks: ``status 503 method=POST times=2``.

The names and arguments are those of the class methods of `Fault`.
"""

import inspect
import json
import re
import shlex
from collections.abc import Callable
from typing import Any, Final, Literal, get_args, get_origin

import attrs

from woodpecker_async.sandbox.faults import Fault, When

_NAMED_ARGUMENT: Final = re.compile(r"(?P<name>[a-z][a-z0-9_]*)(?P<how>[=~])(?P<value>.*)", re.DOTALL)
_ALWAYS: Final = "always"
_WHEN: Final[dict[str, Any]] = {field.name: field.type for field in attrs.fields(When)}


def names() -> tuple[str, ...]:
    """The names of all faults that can be given as text: those that need no function."""
    return tuple(sorted(name for name in vars(Fault) if not name.startswith("_") and _is_named(name)))


def _is_named(name: str) -> bool:
    return isinstance(inspect.getattr_static(Fault, name), classmethod) and name not in ("rewriting", "named")


def parse(text: str) -> Fault:
    """Make a fault from a text.

    Args:
        text: the name of a class method and its arguments, in order or as ``name=value``, split as by a shell.
            ``path~REGEX`` searches the path, ``times=always`` means no limit.

    Raises:
        ValueError: there is no such fault, or its arguments are invalid.
    """
    try:
        name, *words = shlex.split(text) or [""]
    except ValueError as error:
        raise ValueError(f"fault {text!r}: {str(error).lower()}") from None
    known = names()
    if (name := name.replace("-", "_")) not in known:
        raise ValueError(f"there is no fault {name!r}; available: {', '.join(known)}")
    make: Callable[..., Fault] = getattr(Fault, name)
    taken = inspect.signature(make).parameters
    in_order = [p.name for p in taken.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    kinds = {p.name: p.annotation for p in taken.values() if p.kind is not p.VAR_KEYWORD} | _WHEN
    arguments: dict[str, Any] = {}
    for word in words:
        match = _NAMED_ARGUMENT.fullmatch(word)
        if match is not None:
            key, how, value = match["name"], match["how"], match["value"]
        elif free := [key for key in in_order if key not in arguments]:
            key, how, value = free[0], "=", word
        else:
            raise ValueError(f"fault {name}: {word!r} is one argument too many; give others as name=value")
        if key not in kinds or (how == "~" and key != "path"):
            raise ValueError(f"fault {name}: there is no argument {key}{how}; available: {', '.join(kinds)}")
        if key in arguments:
            raise ValueError(f"fault {name}: {key} is given twice")
        try:
            arguments[key] = _path(value, how) if key == "path" else _value(kinds[key], key, value)
        except (ValueError, re.error) as error:
            raise ValueError(f"fault {name}: {key}={value}: {error}") from None
    if missing := [key for key in in_order if taken[key].default is taken[key].empty and key not in arguments]:
        raise ValueError(f"fault {name}: {missing[0]} is missing")
    return make(**arguments)


def _path(value: str, how: str) -> str | re.Pattern[str]:
    return re.compile(value) if how == "~" else value


def _value(kind: Any, key: str, value: str) -> Any:
    if key == "times" and value == _ALWAYS:
        return None
    if key == "method":
        return value.upper()
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"must be one of {', '.join(get_args(kind))}")
        return value
    kinds = get_args(kind) or (kind,)
    if bool in kinds:
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return value == "true"
    if key == "status" and not (value.isdecimal() and 200 <= int(value) <= 599):
        raise ValueError("must be an HTTP status from 200 to 599")
    if key == "probability" and not 0 <= _number(float, value, "a number from 0 to 1") <= 1:
        raise ValueError("must be a number from 0 to 1")
    if int in kinds:
        return _number(int, value, "an integer >= 0")
    if float in kinds:
        return _number(float, value, "a number >= 0")
    if str in kinds:
        return value
    return _json(key, value)


def _number(kind: Callable[[str], Any], value: str, what: str) -> Any:
    try:
        number = kind(value)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise ValueError(f"must be {what}")
    return number


def _json(key: str, value: str) -> Any:
    try:
        data = json.loads(value)
    except ValueError:
        data = value
    if key == "headers" and not isinstance(data, dict):
        raise ValueError('must be a JSON object, like {"Retry-After": "30"}')
    return data
