"""Content codings (gzip, deflate) without I/O: decoded in small steps, up to a limit.

aiohttp does not decode bodies for us, because it has no limit: a megabyte can become gigabytes. Here decoding takes
many short steps, between which the caller can let its event loop run.
"""

import re
import zlib
from collections.abc import Generator, Iterable
from typing import Final

# The codings that requests accept. Nothing else is decoded, whatever happens to be installed.
ACCEPT_ENCODING: Final = "gzip, deflate"

_DECODED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_NONE: Final = frozenset({"", "identity"})

_INPUT_STEP: Final = 64 * 1024
_OUTPUT_STEP: Final = 256 * 1024
_MOST_MEMBERS: Final = 1000
_MOST_CODINGS: Final = 4

# `wbits` of zlib for each format.
_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS


class BodyTooLargeError(Exception):
    """The decoded body exceeds the limit."""


class BodyDamagedError(Exception):
    """The encoded bytes are truncated or corrupt."""


def codings(values: Iterable[str]) -> list[str]:
    """Return the codings in a `Content-Encoding` header, in the order in which they were applied."""
    names = [name.strip().lower() for value in values for name in value.split(",")]
    return [name for name in names if name not in _NONE]


def not_decodable(names: list[str]) -> str | None:
    """Return the name of a coding that cannot be decoded, for an error; `None` if all of them can."""
    for name in names:
        if name not in _DECODED:
            return name if re.fullmatch(r"[a-z0-9_-]{1,20}", name) else "something unknown"
    return None if len(names) <= _MOST_CODINGS else f"{len(names)} codings"


def decode(body: bytes, names: list[str], limit: int) -> Generator[None, None, bytes]:
    """Decode a body; yields wherever the caller may let others run, and returns the decoded body.

    Args:
        body: the bytes as received.
        names: see `codings`.
        limit: the maximum number of bytes that each coding may decode to.

    Raises:
        BodyTooLargeError: the limit was exceeded.
        BodyDamagedError: the bytes are truncated or corrupt.
    """
    for name in reversed(names):
        if body:
            body = yield from _inflate(body, name, limit)
    return body


def _inflate(data: bytes, name: str, limit: int) -> Generator[None, None, bytes]:
    window_bits = _GZIP if name != "deflate" else _ZLIB if _has_zlib_header(data) else _RAW
    decoder = zlib.decompressobj(window_bits)
    pieces: list[bytes] = []
    size = position = 0
    members = 1
    pending = b""
    while True:
        if not pending:
            pending = data[position : position + _INPUT_STEP]
            position += len(pending)
        try:
            piece = decoder.decompress(pending, _OUTPUT_STEP)
        except zlib.error:
            raise BodyDamagedError(f"the body is not valid {name}, although the server says that it is") from None
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise BodyTooLargeError
        if decoder.eof:
            pending = decoder.unused_data
            if not pending:
                pending = data[position : position + _INPUT_STEP]
                position += len(pending)
            if not pending or window_bits != _GZIP:
                break
            if pending.startswith(b"\0"):  # padding: no gzip member begins with a zero byte
                if pending.strip(b"\0") or data[position:].strip(b"\0"):
                    raise BodyDamagedError("there is data after the end of the gzip body")
                break
            members += 1
            if members > _MOST_MEMBERS:
                raise BodyDamagedError(f"the gzip body has more than {_MOST_MEMBERS} members")
            decoder = zlib.decompressobj(window_bits)
        else:
            used_up = not decoder.unconsumed_tail and position >= len(data)
            if used_up and not piece:
                raise BodyDamagedError(f"the {name} body was cut short")
            pending = decoder.unconsumed_tail
        yield
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _has_zlib_header(data: bytes) -> bool:
    # RFC 1950. "deflate" means zlib's format, but some servers send it without the header.
    return len(data) > 1 and data[0] & 0xF == 8 and (data[0] * 256 + data[1]) % 31 == 0
