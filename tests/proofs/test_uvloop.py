"""Everything works on uvloop as on asyncio's own loop."""

import asyncio
import gc
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from woodpecker_async import RetryPolicy, WoodpeckerSession, bulk, errors
from woodpecker_async.engine.account_lanes import _SHARED
from woodpecker_async.sandbox import Fault, Sandbox

uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed; to run this: pip install uvloop")

QUICK = RetryPolicy(initial_backoff=0.01, max_backoff=0.05)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop, debug=True) as runner:
        return runner.run(main)


def descriptors_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def is_tidy(descriptors: int, loops: int) -> bool:
    for _ in range(200):  # the server closes its side on its own thread
        gc.collect()
        if descriptors_open() <= descriptors and len(_SHARED) <= loops:
            return True
        time.sleep(0.01)
    return False


def test_it_is_uvloop_that_runs() -> None:
    async def which() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run(which()).startswith("uvloop")


def test_the_main_job_in_two_runs_of_one_session() -> None:
    with Sandbox(companies=40, keys_per_company=3, inactive=2, service_time=0.0005) as box:
        expected = {company_id: {key.secret for key in box.state.listed(company_id)} for company_id in box.company_ids}
        woodpecker = box.session()

        async def main_job() -> dict[int, set[str]]:
            async with bulk.list_api_keys(woodpecker) as listing:
                return {outcome.company_id: {key.api_key.reveal() for key in outcome.keys} async for outcome in listing}

        assert run(main_job()) == expected
        assert run(main_job()) == expected  # the first run's connections died with its loop
        run(woodpecker.aclose())
        assert box.stats.refused == 0
    gc.collect()


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault.commit_then(500, method="POST"),
        Fault.close(at="after_commit", method="POST"),
        Fault.close(method="POST"),
        Fault.half_body(method="POST"),
        Fault.late_commit(0.1, method="POST"),
    ],
)
def test_a_key_is_made_exactly_once(fault: Fault | None) -> None:
    with Sandbox(companies=1, service_time=0) as box:
        (company_id,) = box.company_ids
        if fault is not None:
            box.faults.add(fault)

        async def create() -> str:
            async with box.session(retry=QUICK) as woodpecker:
                made = await woodpecker.agency.api_keys.create(company_id, "crm", settle=0.4)
                assert (await woodpecker.agency.api_keys.ensure(company_id, "crm")).api_key == made.api_key
                return made.api_key.reveal()

        secret = run(create())
        assert [key.secret for key in box.state.companies[company_id].keys if key.label == "crm"] == [secret]


def test_closing_and_cancelling_in_the_middle() -> None:
    with Sandbox(companies=4, service_time=0.05) as box:

        async def close_early() -> set[type]:
            woodpecker = box.session()
            calls = [asyncio.create_task(woodpecker.account.me()) for _ in range(10)]
            await asyncio.sleep(0.08)
            calls[-1].cancel()
            await woodpecker.aclose()
            await woodpecker.aclose()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return {type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)}

        assert run(close_early()) == {errors.SessionClosedError, asyncio.CancelledError}


def test_many_loops_leave_nothing_behind() -> None:
    with Sandbox(companies=3, service_time=0) as box:

        async def use(woodpecker: WoodpeckerSession, close: bool) -> None:
            await asyncio.gather(*(woodpecker.account.me() for _ in range(9)))
            async with bulk.list_api_keys(woodpecker) as listing:
                async for _ in listing:
                    break
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.0005):
                    await asyncio.gather(*(woodpecker.account.me() for _ in range(50)))
            if close:
                await woodpecker.aclose()
            assert asyncio.all_tasks() == {asyncio.current_task()}

        run(use(box.session(), close=True))
        gc.collect()
        descriptors, loops = descriptors_open(), len(_SHARED)
        for number in range(20):
            woodpecker = box.session()
            run(use(woodpecker, close=number % 2 == 0))  # its connections go with the loop, closed or not
        del woodpecker
        assert is_tidy(descriptors, loops), (descriptors, descriptors_open(), loops, len(_SHARED))
