"""Content codings: any body is restored, or there is a clear failure; never more than the limit."""

import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.engine.content_coding import (
    BodyDamagedError,
    BodyTooLargeError,
    codings,
    decode,
    not_decodable,
)


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACK: dict[str, Any] = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress}
LARGE = 10_000_000


def run(body: bytes, names: list[str], limit: int = LARGE) -> tuple[bytes, int]:
    """The decoded body, and the number of steps."""
    steps = decode(body, names, limit)
    count = 1
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value, count
        count += 1


@given(st.binary(max_size=3000), st.lists(st.sampled_from(sorted(PACK)), max_size=4))
def test_any_body_in_any_codings_comes_back(body: bytes, names: list[str]) -> None:
    packed = body
    for name in names:
        packed = PACK[name](packed)
    assert run(packed, names)[0] == body


@given(st.binary(min_size=1, max_size=3000), st.sampled_from(["gzip", "deflate"]), st.data())
def test_a_body_cut_short_anywhere_is_damaged(body: bytes, name: str, data: st.DataObject) -> None:
    packed = PACK[name](body)
    cut = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(BodyDamagedError):
        run(packed[:cut], [name])


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.integers(0, 40))
def test_gzip_of_several_members_and_padding(parts: list[bytes], zeros: int) -> None:
    packed = b"".join(map(gzip.compress, parts)) + b"\0" * zeros
    assert run(packed, ["gzip"])[0] == b"".join(parts)


@given(st.binary(max_size=3000))
def test_deflate_comes_with_and_without_its_header(body: bytes) -> None:
    assert run(zlib.compress(body), ["deflate"])[0] == body
    if body:  # an empty raw stream may look like anything
        assert run(raw_deflate(body), ["deflate"])[0] == body


@given(st.integers(1, 500_000), st.integers(1, 400_000), st.sampled_from(["gzip", "deflate"]))
def test_never_more_than_the_limit(size: int, limit: int, name: str) -> None:
    packed = PACK[name](b"a" * size)
    if size > limit:
        with pytest.raises(BodyTooLargeError):
            run(packed, [name], limit)
    else:
        assert run(packed, [name], limit)[0] == b"a" * size


def test_a_large_body_comes_in_short_steps() -> None:
    body, steps = run(gzip.compress(b"a" * LARGE), ["gzip"])
    assert len(body) == LARGE
    assert steps >= LARGE // 262_144


def test_a_bomb_within_a_bomb_is_stopped_at_the_first() -> None:
    bomb = gzip.compress(gzip.compress(b"a" * 20_000_000, 9), 9)
    assert len(bomb) < 2000
    with pytest.raises(BodyTooLargeError):
        run(bomb, ["gzip", "gzip"])


@pytest.mark.parametrize(
    "behind", [b"junk", b"\0junk", b"\0" * 70_000 + b"x", gzip.compress(b"x")[:-1], b"\x1f\x8b"], ids=range(5)
)
def test_what_stands_behind_a_gzip_body_is_not_swallowed(behind: bytes) -> None:
    with pytest.raises(BodyDamagedError):
        run(gzip.compress(b"body") + behind, ["gzip"])


def test_members_have_an_end() -> None:
    with pytest.raises(BodyDamagedError, match="members"):
        run(gzip.compress(b"") * 1001, ["gzip"])


@pytest.mark.parametrize(
    ("values", "names", "strange"),
    [
        ([], [], None),
        ([""], [], None),
        (["identity"], [], None),
        ([" GZIP "], ["gzip"], None),
        (["deflate, gzip"], ["deflate", "gzip"], None),
        (["deflate", "gzip"], ["deflate", "gzip"], None),
        (["gzip, identity"], ["gzip"], None),
        (["br"], ["br"], "br"),
        (["gzip, zstd"], ["gzip", "zstd"], "zstd"),
        (["g\x1bzip"], ["g\x1bzip"], "something unknown"),
        (["gzip," * 5], ["gzip"] * 5, "5 codings"),
    ],
)
def test_what_a_header_names(values: list[str], names: list[str], strange: str | None) -> None:
    assert codings(values) == names
    assert not_decodable(names) == strange
