"""The server's limit is respected: one in progress, six queued, and nothing refused."""

import asyncio

from tests.raw import answer, raw_server
from woodpecker_async import CallOptions, Limits, RetryPolicy, Timeouts, WoodpeckerSession
from woodpecker_async.sandbox import Fault, Sandbox


async def test_a_burst_of_calls_is_never_refused() -> None:
    async with Sandbox(companies=20, service_time=0.001, round_trip=0.005) as box, box.session() as woodpecker:
        await asyncio.gather(
            *(woodpecker.agency.api_keys.list(company_id).collect() for company_id in box.company_ids * 10)
        )
        assert box.stats.refused == 0
        assert len(box.journal) == 200
        assert 2 <= box.stats.peak_queued[box.state.hq.id] <= 7


async def test_sessions_with_one_key_share_a_lane_and_the_smaller_limit_wins() -> None:
    async with Sandbox(companies=2, service_time=0.005) as box:
        async with box.session() as first, box.session(limits=Limits(max_in_flight=3)) as second:
            await asyncio.gather(*(session.account.me() for session in (first, second)))  # both have joined
            box.stats.peak_queued.clear()
            await asyncio.gather(*(session.account.me() for session in (first, second) * 30))
        assert box.stats.refused == 0
        assert box.stats.peak_queued[box.state.hq.id] <= 3


async def test_a_place_is_free_before_the_first_item_is_handed_out(box: Sandbox) -> None:
    async with box.session(limits=Limits(max_in_flight=1)) as woodpecker:
        async with asyncio.timeout(10):
            async for company in woodpecker.agency.companies.list():
                await woodpecker.agency.api_keys.list(company.id)
            box.faults.add(Fault.status(500, company=box.company_ids[0]))
            await asyncio.gather(*(woodpecker.agency.api_keys.list(company).collect() for company in box.company_ids))


async def test_no_place_is_held_while_waiting_for_a_repeat() -> None:
    async with Sandbox(companies=2) as box:
        first, second = box.company_ids
        box.faults.add(Fault.status(503, company=first, times=1, headers={"Retry-After": "0.5"}))
        async with box.session(limits=Limits(max_in_flight=1)) as woodpecker:
            slow = asyncio.create_task(woodpecker.company(first).me())
            await asyncio.sleep(0.1)
            async with asyncio.timeout(0.3):
                await woodpecker.company(second).me()
            await slow


async def test_lanes_by_company_let_companies_run_side_by_side() -> None:
    async with Sandbox(companies=10, service_time=0.02, limit_scope="company") as box:
        limits = Limits(lanes="company", max_in_flight=2, total=12)
        async with box.session(limits=limits) as woodpecker:
            await asyncio.gather(
                *(woodpecker.agency.api_keys.list(company_id).collect() for company_id in box.company_ids * 5)
            )
        assert box.stats.refused == 0
        assert max(box.stats.peak_queued.values()) <= 2
        assert len([account for account in box.stats.peak_queued if account != box.state.hq.id]) == 10


async def test_the_total_bounds_all_lanes() -> None:
    under_way = peak = 0

    async def handle(server, number: int, head: str) -> bytes | None:
        nonlocal under_way, peak
        under_way += 1
        peak = max(peak, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return answer(b'{"content": []}')

    async with raw_server(handle) as server:
        limits = Limits(lanes="company", total=5)
        async with WoodpeckerSession("1.key", base_url=server.url, limits=limits) as woodpecker:
            await asyncio.gather(*(woodpecker.agency.email_accounts.list(1 + n).collect() for n in range(40)))
    assert peak == 5


async def test_interactive_goes_before_bulk() -> None:
    async with Sandbox(companies=1, service_time=0.01) as box, box.session() as woodpecker:
        bulk = CallOptions(priority="bulk", headers={"X-Kind": "bulk"})
        herd = [asyncio.create_task(woodpecker.account.me(options=bulk)) for _ in range(60)]
        await asyncio.sleep(0.02)
        await woodpecker.account.me()
        place = next(record.index for record in box.journal if "x-kind" not in record.headers)
        assert place <= 12  # not after the sixty
        await asyncio.gather(*herd)


async def test_an_abandoned_request_keeps_its_place_for_a_while(no_tasks_left: None) -> None:
    """The server continues whether or not anyone listens: five of seven give up, seven more arrive at once."""
    async with Sandbox(companies=1, service_time=0.1) as box:
        async with box.session(retry=RetryPolicy(attempts=1)) as woodpecker:
            calls = [asyncio.create_task(woodpecker.account.me()) for _ in range(7)]
            await asyncio.sleep(0.05)
            for call in calls[:5]:
                call.cancel()
            more = [asyncio.create_task(woodpecker.account.me()) for _ in range(7)]
            await asyncio.gather(*calls, *more, return_exceptions=True)
        assert box.stats.refused == 0


async def test_timed_out_requests_do_too() -> None:
    async with Sandbox(companies=1, service_time=0.1) as box:
        policy, timeouts = RetryPolicy(attempts=1), Timeouts(attempt=0.25)
        async with box.session(retry=policy, timeouts=timeouts) as woodpecker:
            await asyncio.gather(*(woodpecker.account.me() for _ in range(14)), return_exceptions=True)
        assert box.stats.refused == 0
