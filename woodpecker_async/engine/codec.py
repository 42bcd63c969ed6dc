"""The one place of cattrs: request models to JSON, JSON to answer models.

Strict where cattrs is not: it would turn `null` into the text `"None"`, `"false"` into `True` and `1.9` into
`1`. Lenient where the server may grow: unknown fields are ignored, unknown values of an enumeration stay text.

There are two short cuts: where msgspec is installed, `fast` reads a body first, and `columns` reads lists. Whatever
they do not accept is read by cattrs, and here it is decided.
"""

import json
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from functools import cache, partial
from types import GenericAlias, NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, get_args
from uuid import UUID

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory

from woodpecker_async.engine.columns import column_reader
from woodpecker_async.engine.fast import reader
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.account import Me
from woodpecker_async.models.paging import Listing
from woodpecker_async.secret import Secret

T = TypeVar("T")


class Undecodable(NamedTuple):
    """Why a body could not become a model: JSON paths and expected types, never a value."""

    paths: tuple[str, ...]


def decode(body: bytes, into: type[T], *, strict: bool = False, skip_bad_items: bool = False) -> T | Undecodable:
    """The body as `into`.

    It returns a failure rather than raising it: the frames below hold the body, which may be full of keys.

    Args:
        body: JSON.
        into: a model.
        strict: fields that the model does not have are an error.
        skip_bad_items: leave out of a list what cannot be decoded, and say so in the list.
    """
    if into is Any and not body.strip():
        return None  # type: ignore[return-value]
    if not strict and (read := reader(into)) is not None:
        try:
            if not body.isascii():
                body.decode()
            return read(body)  # type: ignore[no-any-return]
        except Exception:  # noqa: S110 - whatever it does not accept is read again, and judged, below
            pass
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Undecodable((_not_json(body),))
    if into is Any:
        return value  # type: ignore[no-any-return]
    converter = _converter(forbid_unknown=strict)
    try:
        return converter.structure(value, into)
    except Exception as error:  # whatever a hook raises, its text may hold a value
        paths = _paths(error)
    if skip_bad_items and (listing := _without_bad_items(converter, value, into)) is not None:
        return listing  # type: ignore[no-any-return]
    return Undecodable(paths)


def _paths(error: Exception, within: str = "$") -> tuple[str, ...]:
    told = (told.rpartition(" @ ") for told in cattrs.transform_error(error, path=within, format_exception=_describe))
    return tuple(f"{path}: {what}" for what, _, path in told)


def _without_bad_items(converter: cattrs.Converter, value: Any, into: Any) -> Any:
    """A `Listing` of those items that can be decoded; `None` if the fault is elsewhere."""
    if getattr(into, "__origin__", None) is not Listing:
        return None
    where, items = ("$.content", value.get("content")) if type(value) is dict else ("$", value)
    if type(items) is not list:
        return None
    (item,) = get_args(into)
    content, undecodable = [], []
    for index, raw in enumerate(items):
        try:
            content.append(converter.structure(raw, item))
        except Exception as error:
            undecodable.append("; ".join(_paths(error, f"{where}[{index}]")))
    try:
        around = converter.structure({**value, "content": []} if type(value) is dict else [], into)
    except Exception:
        return None
    return attrs.evolve(around, content=tuple(content), undecodable=tuple(undecodable))


def encode(body: Any) -> bytes | None:
    """A request model, or plain JSON values, as JSON; `None` stays `None` (no body).

    Raises:
        ConfigError: something in it cannot be JSON.
    """
    if body is None:
        return None
    try:
        plain = _converter(forbid_unknown=False).unstructure(body)
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        problem = type(error).__name__
    raise ConfigError(
        f"the body cannot be sent as JSON ({problem}): it holds a Secret, NaN, a lone surrogate, or an object that "
        "JSON does not have"
    )


def _not_json(body: bytes) -> str:
    if not body.strip():
        return "$: expected JSON, got nothing"
    if body.lstrip()[:1] == b"<":
        return "$: expected JSON, got HTML"
    return f"$: expected JSON, got {len(body)} bytes that are not (cut short?)"


class _WrongTypeError(TypeError):
    def __init__(self, expected: str, value: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = _json_name(value)


_JSON_NAMES: dict[type, str] = {
    NoneType: "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a text",
    list: "an array",
    dict: "an object",
}


def _json_name(value: object) -> str:
    return _JSON_NAMES.get(type(value), type(value).__name__)


def _describe(error: BaseException, into: type[Any] | None) -> str:
    """One failure in words; cattrs adds the path."""
    if isinstance(error, _WrongTypeError):
        return f"expected {error.expected}, got {error.got}"
    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown fields {', '.join(sorted(map(str, error.extra_fields)))}"
    return f"expected {_json_name(into) if into is None else getattr(into, '__name__', into)}"


def _exactly(kind: type, name: str) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise _WrongTypeError(name, value)
        return value

    return structure


def _exactly_or_null(kind: type, name: str) -> Callable[[Any, Any], Any]:
    # cattrs makes this of the two by itself, at three times the price, and most fields of a page are of this kind.
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind and value is not None:
            raise _WrongTypeError(name, value)
        return value

    return structure


def _structure_float(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise _WrongTypeError("a number", value)
    return float(value)


def _structure_secret(value: Any, _: Any) -> Secret:
    if type(value) is not str or not value:
        raise _WrongTypeError("a text that is not empty", value)
    return Secret(value)


def _structure_uuid(value: Any, _: Any) -> UUID:
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise _WrongTypeError("a UUID", value) from None


def _is_open_enum(into: Any) -> bool:
    """Whether it is `Known | str`, where `Known` is an enumeration of texts."""
    if not isinstance(into, UnionType):
        return False
    known, *others = get_args(into)
    return others == [str] and isinstance(known, type) and issubclass(known, StrEnum)


def _open_enum(into: Any) -> Callable[[Any, Any], Any]:
    known: type[StrEnum] = get_args(into)[0]

    def structure(value: Any, _: Any) -> StrEnum | str:
        if type(value) is not str:
            raise _WrongTypeError("a text", value)
        return known(value) if value in known.__members__.values() else value

    return structure


def _structure_me(value: Any, _: Any) -> Me:
    return Me(fields=_mapping(value))


def _mapping(value: Any) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise _WrongTypeError("an object", value)
    return value


def _refuse_secret(_: Secret) -> str:
    raise TypeError("a Secret is not JSON: reveal() it where it must be shown")


def _strict_containers(converter: cattrs.Converter, *, forbid_unknown: bool) -> None:
    """An array is an array and an object is an object: cattrs would iterate over whatever it is given."""

    def tuple_factory(into: Any) -> Callable[[Any, Any], Any]:
        structure_items = homogenous_tuple_structure_factory(into, converter)
        read_columns = None if forbid_unknown else column_reader(get_args(into)[0])

        def structure(value: Any, _: Any) -> Any:
            if type(value) is not list:
                raise _WrongTypeError("an array", value)
            if read_columns is not None:
                with suppress(Exception):  # then it is read again, and judged, below
                    return read_columns(value)
            return structure_items(value, into)

        return structure

    def model_factory(into: Any) -> Callable[[Any, Any], Any]:
        structure_fields = cattrs.gen.make_dict_structure_fn(into, converter, _cattrs_forbid_extra_keys=forbid_unknown)

        def structure(value: Any, _: Any) -> Any:
            if type(value) is not dict:
                raise _WrongTypeError("an object", value)
            return structure_fields(value, into)

        return structure

    converter.register_structure_hook_factory(lambda into: getattr(into, "__origin__", None) is tuple, tuple_factory)
    converter.register_structure_hook_factory(attrs.has, model_factory)


def _listing_hook(converter: cattrs.Converter, *, forbid_unknown: bool) -> None:
    """`Listing[T]` reads all the shapes in which the API lists things."""

    def is_listing(into: Any) -> bool:
        return getattr(into, "__origin__", None) is Listing

    def factory(into: Any) -> Callable[[Any, Any], Any]:
        (item,) = get_args(into)
        items_type = GenericAlias(tuple, (item, ...))
        items = converter.get_structure_hook(items_type)
        whole = cattrs.gen.make_dict_structure_fn(
            into,
            converter,
            _cattrs_forbid_extra_keys=forbid_unknown,
            undecodable=cattrs.gen.override(omit=True),  # ours, not the server's
        )

        def structure(value: Any, _: Any) -> Any:
            if type(value) is list:  # v1 and mailboxes: a bare array
                return Listing(content=items(value, items_type))
            if type(value) is dict and set(value) == {"message"}:  # "nothing found", in the older endpoints
                return Listing(content=())
            return whole(_mapping(value), into)

        return structure

    converter.register_structure_hook_factory(is_listing, factory)


@cache
def _converter(*, forbid_unknown: bool) -> cattrs.Converter:
    converter = cattrs.Converter()
    # Simple types first: classes built later pick these up.
    for kind, name in ((str, "a text"), (int, "an integer"), (bool, "a boolean")):
        converter.register_structure_hook(kind, _exactly(kind, name))
        converter.register_structure_hook_func(partial(operator.eq, kind | None), _exactly_or_null(kind, name))
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(Secret, _structure_secret)
    converter.register_structure_hook(UUID, _structure_uuid)
    # cattrs has a way of its own with unions, which would leave the known values as text.
    converter.register_structure_hook_factory(_is_open_enum, _open_enum)
    _strict_containers(converter, forbid_unknown=forbid_unknown)
    converter.register_structure_hook(Me, _structure_me)
    converter.register_unstructure_hook(Secret, _refuse_secret)
    _listing_hook(converter, forbid_unknown=forbid_unknown)
    return converter
