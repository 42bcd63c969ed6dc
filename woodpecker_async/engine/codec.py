"""Request models to JSON, and JSON to response models; the only module that uses cattrs.

Strict where cattrs is not: cattrs would turn `null` into the string `"None"`, `"false"` into `True` and `1.9` into `1`.
Lenient where the server may evolve: unknown fields are ignored, unknown enum values are kept.

msgspec decodes a response first (see `readers`). What it rejects is decoded again by cattrs, which decides and names
the error.
"""

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from types import NoneType
from typing import Any, NamedTuple, TypeVar, get_args, overload
from uuid import UUID

import attrs
import cattrs
from cattrs.cols import homogenous_tuple_structure_factory

from woodpecker_async.engine.readers import reader
from woodpecker_async.errors import ConfigError
from woodpecker_async.models._loose import Loose
from woodpecker_async.models.account import Fields
from woodpecker_async.models.enums import OpenEnum
from woodpecker_async.models.paging import ListBody, Listing, Perhaps, Single, envelope, found_anywhere
from woodpecker_async.secret import Secret

T = TypeVar("T")


class Undecodable(NamedTuple):
    """Why a body could not be decoded: JSON paths and expected types, never a value."""

    paths: tuple[str, ...]


@overload
def decode(
    body: bytes, into: ListBody[T], *, strict: bool = ..., skip_bad_items: bool = ...
) -> Listing[T] | Undecodable: ...
@overload
def decode(body: bytes, into: type[T], *, strict: bool = ..., skip_bad_items: bool = ...) -> T | Undecodable: ...
def decode(body: bytes, into: Any, *, strict: bool = False, skip_bad_items: bool = False) -> Any:
    """Decode a body.

    A failure is returned rather than raised, because the frames below hold the body, which may contain keys.

    Args:
        body: JSON.
        into: a model, or the shape of a list.
        strict: treat unknown fields as an error.
        skip_bad_items: leave items that cannot be decoded out of a list, and describe them in `Listing.undecodable`.
    """
    if getattr(into, "__origin__", None) is Perhaps:
        return _perhaps(body, into.__args__[0], strict=strict)
    if into is Any and not body.strip():
        return None
    if not strict and (read := reader(into)) is not None:
        try:
            if not body.isascii():
                body.decode()
            return read(body)
        except Exception:  # noqa: S110 - what msgspec rejects is decoded again below, and judged there
            pass
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Undecodable((_not_json(body),))
    if into is Any:
        return value
    return build(value, into, strict=strict, skip_bad_items=skip_bad_items)


def build(value: Any, into: Any, *, strict: bool = False, skip_bad_items: bool = False) -> Any:
    """Build a model from parsed JSON; the arguments and the result are those of `decode`."""
    converter = _converter(forbid_unknown=strict)
    try:
        return _structure(converter, value, into)
    except Exception as error:  # any exception: its text may contain a value
        paths = _paths(error)
    if skip_bad_items and isinstance(into, ListBody):
        listing = _without_bad_items(converter, value, into)
        if listing is not None:
            return listing
    return Undecodable(paths)


def _perhaps(body: bytes, item: Any, *, strict: bool) -> Any:
    found = decode(body, item, strict=strict) if body.strip() else None
    if isinstance(found, Undecodable):
        return found if strict else Perhaps(item=None)
    return Perhaps(item=found)


def _paths(error: Exception, within: str = "$") -> tuple[str, ...]:
    told = (told.rpartition(" @ ") for told in cattrs.transform_error(error, path=within, format_exception=_describe))
    return tuple(f"{path}: {what}" for what, _, path in told)


def _without_bad_items(converter: cattrs.Converter, value: Any, into: ListBody[T]) -> Listing[T] | None:
    """Return the list of the items that can be decoded; `None` if the error is elsewhere."""
    if into.items is not None and type(value) is not dict:
        return None
    where, items = ("$", value) if into.items is None else (f"$.{into.items}", value.get(into.items))
    if type(items) is not list:
        return None
    content, undecodable = [], []
    for index, raw in enumerate(items):
        try:
            content.append(converter.structure(raw, into.item))
        except Exception as error:
            undecodable.append("; ".join(_paths(error, f"{where}[{index}]")))
    try:
        around: Listing[T] = _structure(converter, [] if into.items is None else {**value, into.items: []}, into)
    except Exception:
        return None
    return attrs.evolve(around, content=tuple(content), undecodable=tuple(undecodable))


def encode(body: Any, secrets: Iterable[Secret] = ()) -> bytes:
    """Encode a request model, or plain JSON values, as JSON.

    Secrets are in plain text in the result, so call it through `look_at`.

    Args:
        body: what to encode.
        secrets: the secrets in it that may be sent.

    Raises:
        ConfigError: something in it cannot be JSON, such as a secret that may not be sent.
        SecretNotCarriedError: a secret was unpickled.
    """
    try:
        plain = _converter(forbid_unknown=False).unstructure(body)
        reveal = partial(_reveal, frozenset(map(id, secrets)))
        return json.dumps(plain, default=reveal, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        problem = type(error).__name__
    what = "a Secret, NaN, a lone surrogate, or an object that JSON cannot represent"
    raise ConfigError(f"the body cannot be sent as JSON ({problem}): it contains {what}")


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


class _WrongLengthError(ValueError):
    def __init__(self, length: int) -> None:
        super().__init__(f"expected an object, or an array of one, got an array of {length}")


_JSON_NAMES: dict[type, str] = {
    NoneType: "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def _json_name(value: object) -> str:
    return _JSON_NAMES.get(type(value), type(value).__name__)


def _describe(error: BaseException, into: type[Any] | None) -> str:
    """Describe one failure; cattrs adds the path."""
    if isinstance(error, _WrongTypeError):
        return f"expected {error.expected}, got {error.got}"
    if isinstance(error, _WrongLengthError):
        return str(error)
    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"unknown fields {', '.join(map(_field_name, sorted(map(str, error.extra_fields))))}"
    return f"expected {_json_name(into) if into is None else getattr(into, '__name__', into)}"


def _field_name(name: str) -> str:
    # The server chose the name. If an object is used as a table, its names are values.
    return name if re.fullmatch(r"[A-Za-z_][\w -]{0,59}", name, re.ASCII) else f"(a name of {len(name)} characters)"


def _exactly(kind: type, name: str) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise _WrongTypeError(name, value)
        return value

    return structure


def _exactly_or_null(kind: type, name: str) -> Callable[[Any, Any], Any]:
    # cattrs can combine the two hooks itself, but that takes three times as long, and most fields are of this kind.
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
        raise _WrongTypeError("a non-empty string", value)
    return Secret(value)


def _structure_uuid(value: Any, _: Any) -> UUID:
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise _WrongTypeError("a UUID", value) from None


def _structure_open_enum(value: Any, into: Any) -> OpenEnum:
    if type(value) is not str:
        raise _WrongTypeError("a string", value)
    return into(value)  # type: ignore[no-any-return]


def _structure_loose(value: Any, into: Loose) -> Any:
    try:
        return into(value)
    except (ValueError, TypeError, OverflowError, OSError):
        raise _WrongTypeError(into.described, value) from None


def _structure_fields(value: Any, into: type[Fields]) -> Fields:
    return into(fields=_mapping(value))


_OBJECTS = (Mapping[str, Any], Mapping[str, Any] | None)


def _structure_object(value: Any, into: Any) -> Mapping[str, Any] | None:
    return None if value is None and into != Mapping[str, Any] else _mapping(value)


def _structure_id(value: Any, into: Any) -> int | str | None:
    if type(value) not in (int, str) and (value is not None or into == int | str):
        raise _WrongTypeError("an integer or a string", value)
    return value  # type: ignore[no-any-return]


def _mapping(value: Any) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise _WrongTypeError("an object", value)
    return value


def _reveal(to_be_sent: frozenset[int], value: object) -> str:
    """Encode a secret that may be sent; called by `json` for what JSON cannot represent."""
    if not isinstance(value, Secret) or id(value) not in to_be_sent:
        raise TypeError("not representable in JSON, or a Secret that may not be sent")
    return value.reveal()


def _strict_containers(converter: cattrs.Converter, *, forbid_unknown: bool) -> None:
    """Accept only arrays for arrays and objects for objects: cattrs would iterate over anything iterable."""

    def tuple_factory(into: Any) -> Callable[[Any, Any], Any]:
        structure_items = homogenous_tuple_structure_factory(into, converter)

        def structure(value: Any, _: Any) -> Any:
            if type(value) is not list:
                raise _WrongTypeError("an array", value)
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


def _structure(converter: cattrs.Converter, value: Any, into: Any) -> Any:
    """Build a model, or the response of a list endpoint, which is read in its own shape only."""
    if not isinstance(into, ListBody):
        return converter.structure(value, into)
    if into.is_anywhere(value):
        return Listing(content=tuple(converter.structure(item, into.item) for item in found_anywhere(value)))
    return Listing(content=()) if into.says_nothing(value) else into.listing(converter.structure(value, envelope(into)))


def _single_hook(converter: cattrs.Converter) -> None:
    def factory(into: Any) -> Callable[[Any, Any], Any]:
        (item,) = get_args(into)
        structure_item = converter.get_structure_hook(item)

        def structure(value: Any, _: Any) -> Any:
            if type(value) is list:
                if len(value) != 1:
                    raise _WrongLengthError(len(value))
                (value,) = value
            return Single(item=structure_item(value, item))

        return structure

    converter.register_structure_hook_factory(lambda into: getattr(into, "__origin__", None) is Single, factory)


@cache
def _converter(*, forbid_unknown: bool) -> cattrs.Converter:
    converter = cattrs.Converter()
    # Simple types first: the hooks of classes are built from these.
    for kind, name in ((str, "a string"), (int, "an integer"), (bool, "a boolean")):
        converter.register_structure_hook(kind, _exactly(kind, name))
        converter.register_structure_hook_func(partial(operator.eq, kind | None), _exactly_or_null(kind, name))
    converter.register_structure_hook(float, _structure_float)
    converter.register_structure_hook(Secret, _structure_secret)
    converter.register_structure_hook_func(lambda into: isinstance(into, Loose), _structure_loose)
    converter.register_structure_hook(UUID, _structure_uuid)
    converter.register_structure_hook(OpenEnum, _structure_open_enum)
    _strict_containers(converter, forbid_unknown=forbid_unknown)
    converter.register_structure_hook(Fields, _structure_fields)
    converter.register_structure_hook_func(lambda into: into in _OBJECTS, _structure_object)
    converter.register_structure_hook_func(lambda into: into in (int | str, int | str | None), _structure_id)
    _single_hook(converter)
    return converter
