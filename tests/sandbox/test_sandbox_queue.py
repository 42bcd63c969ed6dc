"""The limit of an account."""

import asyncio
import selectors
from collections import Counter

import pytest

from woodpecker_async.sandbox import Fault
from woodpecker_async.sandbox.queueing import AccountQueue, RefusedError


def keys_of(company_id):
    return f"/v2/agency/companies/{company_id}/api_keys"


async def test_one_works_six_wait_and_the_eighth_is_refused(opened):
    async with opened(companies=1, service_time=0.12) as api:
        got = await asyncio.gather(*(api("GET", "/v1/me") for _ in range(8)))
        assert sorted(answer.status for answer in got) == [200] * 7 + [429]
        refused = next(answer for answer in got if answer.status == 429)
        assert refused.data["title"] == "Too Many Requests"
        assert "Retry-After" not in refused.headers
        assert api.box.stats.refused == 1
        hq = api.box.state.hq.id
        assert api.box.stats.peak_queued == {hq: 7}
        assert api.box.stats.peak_in_flight == {hq: 8}
        assert sorted(record.in_queue_at_arrival for record in api.box.journal) == [0, 1, 2, 3, 4, 5, 6, 7]


async def test_first_come_first_served_and_one_at_a_time(opened):
    async with opened(companies=1, service_time=0.01) as api:
        await asyncio.gather(*(api("GET", "/v1/me") for _ in range(7)))
        by_turn = sorted(api.box.journal, key=lambda record: record.started)
        assert [record.in_queue_at_arrival for record in by_turn] == [0, 1, 2, 3, 4, 5, 6]
        for place, record in enumerate(by_turn):
            assert record.started - by_turn[0].started >= place * 0.01 - 0.001


async def test_whoever_waits_too_long_is_refused(opened):
    async with opened(companies=1, service_time=0.3, queue_wait=0.1) as api:
        got = await asyncio.gather(*(api("GET", "/v1/me") for _ in range(4)))
        assert Counter(answer.status for answer in got) == {200: 1, 429: 3}
        assert (await api("GET", "/v1/me")).status == 200


async def test_the_queue_can_be_set_up_otherwise(opened):
    async with opened(companies=1, service_time=0.12, queued=0) as api:
        got = await asyncio.gather(*(api("GET", "/v1/me") for _ in range(3)))
        assert Counter(answer.status for answer in got) == {200: 1, 429: 2}
    async with opened(companies=1, service_time=0.05, queue=False) as api:
        got = await asyncio.gather(*(api("GET", "/v1/me") for _ in range(30)))
        assert {answer.status for answer in got} == {200}


@pytest.mark.parametrize(("scope", "expected"), [("account", {200: 1, 429: 3}), ("company", {200: 4})])
async def test_what_a_request_that_names_a_company_counts_for(opened, scope, expected):
    async with opened(companies=2, service_time=0.1, queued=0, limit_scope=scope) as api:
        one, other = api.box.company_ids
        got = await asyncio.gather(
            api("GET", "/v2/agency/companies"),
            api("GET", keys_of(one)),
            api("GET", "/v1/me", headers={"x-company-id": str(other)}),
            api("GET", keys_of(999_999_999)) if scope == "account" else api("GET", "/v1/me", key="1.x"),
        )
        statuses = Counter(answer.status for answer in got)
        assert statuses == expected if scope == "account" else statuses == {200: 3, 401: 1}
        if scope == "company":
            assert {r.account for r in api.box.journal} == {api.box.state.hq.id, one, other, None}


async def test_a_client_key_counts_for_the_client(opened):
    async with opened(companies=2, service_time=0.1, queued=0) as api:
        keys = [api.key, *(api.box.client_key(company) for company in api.box.company_ids)]
        got = await asyncio.gather(*(api("GET", "/v1/me", key=key) for key in keys))
        assert [answer.status for answer in got] == [200, 200, 200]


async def test_an_unknown_key_takes_no_place(opened):
    async with opened(companies=1, service_time=0.1, queued=0) as api:
        got = await asyncio.gather(api("GET", "/v1/me"), *(api("GET", "/v1/me", key="1.x") for _ in range(3)))
        assert [answer.status for answer in got] == [200, 401, 401, 401]


async def test_feldera_is_outside(opened):
    async with opened(companies=1, service_time=0.05, queued=0) as api:
        headers = {"Authorization": f"Bearer {api.box.feldera_token}"}
        got = await asyncio.gather(*(api("GET", "/v0/api_keys", headers=headers) for _ in range(12)))
        assert {answer.status for answer in got} == {200}


async def test_a_client_that_goes_away_keeps_its_place_and_its_write(opened):
    async with opened(companies=1, keys_per_company=0, service_time=0.25) as api:
        company = api.box.company_ids[0]
        # The first is in progress and the second is waiting when both clients disconnect.
        gone = [
            asyncio.create_task(api("POST", keys_of(company), json={"label": label})) for label in ("first", "second")
        ]
        for _ in range(100):
            await asyncio.sleep(0.001)
            if len(api.box.journal) == 2:
                break
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        await asyncio.sleep(0.02)
        listed = await api("GET", keys_of(company))
        assert api.box.journal[-1].in_queue_at_arrival == 2
        assert {row["label"] for row in listed.data["content"]} == {"first", "second"}
        for record in api.box.journal[:2]:
            assert (record.status, record.committed) == (None, True)


async def test_a_slow_request_holds_up_the_others(opened):
    async with opened(companies=1) as api:
        api.box.faults.add(Fault.wait(0.2, method="POST", at="before_commit"))
        company = api.box.company_ids[0]
        slow = asyncio.create_task(api("POST", keys_of(company), json={"label": "x"}))
        await asyncio.sleep(0.08)
        assert len((await api("GET", keys_of(company))).data["content"]) == 4
        assert (await slow).status == 201
        assert api.box.journal[1].in_queue_at_arrival == 1


async def test_round_trip_is_outside_the_queue(opened):
    async with opened(companies=1, service_time=0, round_trip=0.2, queued=0) as api:
        got = await asyncio.gather(*(api("GET", "/v1/me") for _ in range(3)))
        assert {answer.status for answer in got} == {200}
        for record in api.box.journal:
            assert record.started - record.received >= 0.09
            assert record.finished - record.started >= 0.09


async def test_a_turn_is_not_lost_when_a_waiter_is_cancelled():
    queue = AccountQueue(places=2, patience=1)
    order = []

    async def go(name):
        async with queue.turn():
            order.append(name)
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(go(name)) for name in "abc"]
    await asyncio.sleep(0.005)
    assert queue.length == 3
    with pytest.raises(RefusedError):
        await go("d")
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["a", "c"]
    assert (queue.length, queue.working) == (0, False)

    async with queue.turn():
        waiter = asyncio.create_task(go("e"))
        await asyncio.sleep(0)
    # Its turn has come, but it is cancelled before it can notice.
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert (queue.length, queue.working) == (0, False)


class LateLoop(asyncio.SelectorEventLoop):
    """In virtual time, and it oversleeps by 0.7 ms whenever it sleeps."""

    def __init__(self):
        self.now = 0.0
        super().__init__(_LateSelector(self))

    def time(self):
        return self.now


class _LateSelector(selectors.DefaultSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        if timeout:
            self._loop.now += timeout + 0.0007
        return super().select(0)


def test_what_the_event_loop_oversleeps_takes_nothing_from_what_the_server_can_do():
    async def main():
        queue = AccountQueue(places=100, patience=10)

        async def request():
            async with queue.turn():
                await queue.work(0.005)

        await asyncio.gather(*(request() for _ in range(100)))
        worked = asyncio.get_running_loop().time()
        await asyncio.sleep(1)
        await request()  # nothing was before it: it takes its full time
        return worked, asyncio.get_running_loop().time() - worked - 1.0007

    with asyncio.Runner(loop_factory=LateLoop) as runner:
        many, one = runner.run(main())
    assert many == pytest.approx(0.5, abs=0.001)
    assert one == pytest.approx(0.0057)
