"""What is hidden, and what an exception carries along."""

import traceback

import pytest

from tests.walker import frames, leaks
from woodpecker_async.engine.hidden import hidden, look_at

BODY = b"full of sentinels"


def test_it_is_handed_to_who_looks() -> None:
    assert hidden(BODY)() is BODY
    assert look_at(hidden(BODY), lambda body, more: (body, more), 7) == (BODY, 7)


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, MemoryError, GeneratorExit, SystemExit])
def test_an_exception_takes_no_frame_along(kind: type[BaseException]) -> None:
    def failing(body: bytes) -> None:
        try:
            raise LookupError(body)
        except LookupError as error:
            raise kind from error

    with pytest.raises(kind) as caught:
        look_at(hidden(BODY), failing)
    assert [frame.f_code.co_name for frame, _ in frames(caught.value)][1:] == ["look_at"]
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert not leaks(caught.value, ["sentinel"])


def test_what_the_caller_is_handling_stays_its_context() -> None:
    def failing(_: bytes) -> None:
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside") as caught:
        try:
            raise LookupError("outside")
        except LookupError:
            look_at(hidden(BODY), failing)
    assert "outside" in "".join(traceback.format_exception(caught.value))


def test_the_walker_finds_what_is_not_hidden() -> None:
    """Otherwise the tests that use it would prove nothing."""

    class Slotted:
        __slots__ = ("__private", "open")

        def __init__(self, value: object) -> None:
            self.__private = value

    namespace: dict = {}
    exec(compile("def call(value):\n    raise RuntimeError\n", "elsewhere.py", "exec"), namespace)
    for value in (
        BODY,
        BODY.decode(),
        bytearray(BODY),
        {"a": [("b", {BODY})]},
        {BODY: 1},
        Slotted(Slotted([BODY])),
        ValueError(BODY),
    ):
        with pytest.raises(RuntimeError) as caught:
            namespace["call"](value)
        assert leaks(caught.value, ["sentinel"])
        with pytest.raises(RuntimeError) as hid:
            namespace["call"](hidden(value))
        assert not leaks(hid.value, ["sentinel"])
