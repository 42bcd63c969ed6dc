"""What an error reporter could collect from an exception: everything reachable from its frames.

Sentry, rich, structlog and stackprinter print the variables of each frame, and look into them: through mappings,
sequences, attrs fields, `__dict__` and `__slots__`, a few levels deep. This walks as they do, and further: through
the frames of every exception in the chain, but for those of the tests themselves.
"""

import base64
import contextlib
import dis
import functools
import re
import sys
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import attrs

from woodpecker_async import Secret

LEVELS = 5
TESTS = str(Path(__file__).parent)

# Where something was found: the path to it, and the last step.
_Path = tuple[Any, str]

_OPAQUE = (Secret, type, types.ModuleType, types.BuiltinFunctionType, int, float, complex, type(None))


def leaks(error: BaseException, secrets: Iterable[str]) -> list[str]:
    """Where the secrets can be found, each as a path: frame, variable, field, item."""
    variables: dict[str, Any] = {}
    for number, member in enumerate(chain(error)):
        name = f"{number} {type(member).__name__}"
        variables |= {f"{name} {field}": value for field, value in vars(member).items()}
        variables |= {f"{name} args": member.args, f"{name} str": str(member)}
        for depth, (frame, line) in enumerate(frames(member)):
            code = frame.f_code
            if not code.co_filename.startswith(TESTS):
                where = f"{name}, frame {depth}: {Path(code.co_filename).name}:{line} {code.co_name}"
                variables |= {f"{where} {variable}": value for variable, value in frame.f_locals.items()}
    return Wanted(secrets).under(variables)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and all exceptions in its chain or group."""
    todo, seen = [error], set()
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [other for other in (one.__cause__, one.__context__) if other is not None]
        todo += getattr(one, "exceptions", ())


def frames(error: BaseException) -> Iterator[tuple[types.FrameType, int]]:
    """The frames of its traceback."""
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


class Wanted:
    """Secrets in all encodings in which they are sent."""

    def __init__(self, secrets: Iterable[str]) -> None:
        plain = {secret.encode() for secret in secrets}
        coded = {base64.b64encode(prefix + secret) for secret in plain for prefix in (b"", b"Bearer ", b":")}
        forms = plain | {form.rstrip(b"=")[:-1] for form in coded}
        self._pattern = re.compile(b"|".join(map(re.escape, sorted(forms))))

    def within(self, data: bytes) -> bool:
        return self._pattern.search(data) is not None

    def under(self, variables: Mapping[str, Any]) -> list[str]:
        """The paths to them, breadth first: each object is visited once, at its shallowest."""
        found: list[str] = []
        todo: deque[tuple[_Path, Any, int]] = deque(
            ((None, name), value, 0) for name, value in variables.items() if _sort(type(value)) != "opaque"
        )
        seen: dict[int, Any] = {}
        while todo:
            path, value, level = todo.popleft()
            if id(value) in seen:
                continue
            seen[id(value)] = value
            if self.within(_own_text(value)):
                found.append(_written(path))
            if level < LEVELS:
                todo.extend(
                    ((path, step), child, level + 1)
                    for step, child in _children(value)
                    if id(child) not in seen and _sort(type(child)) != "opaque"
                )
        return found


def _written(path: _Path) -> str:
    before, step = path
    return step if before is None else _written(before) + step


@functools.cache
def _sort(kind: type) -> str:
    """How to look at values of this type; cached, since these checks are slow and made for every value."""
    if issubclass(kind, _OPAQUE):
        return "opaque"
    if issubclass(kind, str):
        return "text"
    if issubclass(kind, bytes | bytearray | memoryview):
        return "bytes"
    if issubclass(kind, Mapping):
        return "mapping"
    return "items" if issubclass(kind, Sequence | AbstractSet) else "object"


def _own_text(value: object) -> bytes:
    sort = _sort(type(value))
    if sort == "text":
        return value.encode("utf-8", "surrogatepass")
    if sort == "bytes":
        return bytes(value)
    if sort != "object" or type(value).__repr__ is object.__repr__:
        return b""  # its content comes later
    with contextlib.suppress(Exception):
        return repr(value).encode("utf-8", "surrogatepass")
    return b""


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    sort = _sort(type(value))
    if sort in ("text", "bytes"):
        return
    with contextlib.suppress(Exception):
        if sort == "mapping":
            for name, item in tuple(value.items()):
                yield "{}", name
                yield f"[{str(name)[:20]!r}]", item
        elif sort == "items":
            yield from (("[]", item) for item in tuple(value))
    names = _field_names(type(value))
    for name in names.union(own) if (own := getattr(value, "__dict__", None)) else names:
        with contextlib.suppress(Exception):
            yield f".{name}", getattr(value, name)


@functools.cache
def _field_names(kind: type) -> frozenset[str]:
    """The attributes that a class declares; an instance may have more in its `__dict__`."""
    names = {field.name for field in attrs.fields(kind)} if attrs.has(kind) else set()
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else tuple(slots):
            private = slot.startswith("__") and not slot.endswith("__")
            names.add(f"_{base.__name__.lstrip('_')}{slot}" if private else slot)
    return frozenset(names - {"__dict__", "__weakref__"})


class Interruption:
    """A trace function that raises KeyboardInterrupt at the n-th place where a signal handler could.

    The interpreter runs them when a function starts, after a call, and when a loop repeats; but not, say, between the
    first two instructions of an `except` block.

    Args:
        moment: which place, counted from 1.
        files: the files (or folders) whose code is interrupted.
    """

    def __init__(self, moment: int, files: tuple[str, ...]) -> None:
        self.left = moment
        self._files = files

    @property
    def happened(self) -> bool:
        return self.left <= 0

    def __call__(self, frame: types.FrameType, event: str, arg: object):
        if not frame.f_code.co_filename.startswith(self._files):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode" and frame.f_code.co_code[frame.f_lasti] in _INTERRUPTIBLE:
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


_INTERRUPTIBLE = {
    number for name, number in dis.opmap.items() if name == "RESUME" or name.startswith(("CALL", "JUMP_BACKWARD"))
}
