"""`Deadlines` ends blocks as `asyncio.timeout` does, with one timer for all of them."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from woodpecker_async.engine.deadlines import Deadlines

Limit = Callable[[float], AbstractAsyncContextManager[object]]


class _Skips(selectors.DefaultSelector):
    """Never waits: time jumps to the next event."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "nothing will ever happen"
        self.now += max(timeout, 0.0)
        return super().select(0)


def in_virtual_time(main: Callable[[], Coroutine[Any, Any, list[str]]]) -> list[str]:
    selector = _Skips()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


async def block(limit: Limit, start: float, seconds: float, takes: float) -> str:
    """The outcome of a block with this timeout that takes this long."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(start)
    try:
        async with limit(seconds):
            await asyncio.sleep(takes)
        ended = "done"
    except TimeoutError:
        ended = "timed out"
    except asyncio.CancelledError:
        ended = "cancelled"
    task = asyncio.current_task()
    assert task is not None
    return f"{ended} at {loop.time():g}, {task.cancelling()} cancellations"


times = st.integers(0, 8).map(float)
blocks = st.lists(st.tuples(times, times, times, st.none() | times), max_size=8)


@given(blocks)
def test_blocks_end_as_with_asyncio_timeout(blocks: list[tuple[float, float, float, float | None]]) -> None:
    """Whatever starts when and takes how long, and whatever else cancels it, even at the same moment."""

    async def all_of(limit: Limit) -> list[str]:
        loop = asyncio.get_running_loop()
        tasks = []
        for start, seconds, takes, cancelled in blocks:
            task = loop.create_task(block(limit, start, seconds + 0.25, takes))
            tasks.append(task)
            if cancelled is not None:
                # A cancellation before the block begins, and one at the very moment of its end, too.
                loop.call_later(cancelled + 0.25 * (start % 2), task.cancel)
        return [str(result) for result in await asyncio.gather(*tasks, return_exceptions=True)]

    async def ours() -> list[str]:
        deadlines = Deadlines()

        @asynccontextmanager
        async def limit(seconds: float):
            with deadlines.after(seconds):
                yield

        return await all_of(limit)

    async def theirs() -> list[str]:
        return await all_of(asyncio.timeout)

    assert in_virtual_time(ours) == in_virtual_time(theirs)


async def test_one_timer_serves_all() -> None:
    loop, deadlines = asyncio.get_running_loop(), Deadlines()
    set_at: list[float] = []
    call_at = loop.call_at

    def counted(when: float, *args: Any, **options: Any) -> asyncio.TimerHandle:
        set_at.append(when)
        return call_at(when, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "call_at", counted)
        for _ in range(100):
            with deadlines.after(30):
                pass
        assert len(set_at) == 1
        with deadlines.after(60), deadlines.after(20):  # an earlier moment is not missed
            assert len(set_at) == 2
        assert set_at[1] < set_at[0]
    deadlines.close()
    assert deadlines._timer is not None
    assert deadlines._timer.cancelled()


async def test_what_ends_in_an_error_of_its_own_is_not_cancelled_later() -> None:
    deadlines = Deadlines()
    with pytest.raises(KeyError), deadlines.after(0.01):
        raise KeyError
    await asyncio.sleep(0.05)


async def test_a_block_may_last_longer_than_the_timer_of_another() -> None:
    deadlines = Deadlines()
    with deadlines.after(0.01):
        pass
    with pytest.raises(TimeoutError):
        with deadlines.after(0.05):
            await asyncio.sleep(60)
