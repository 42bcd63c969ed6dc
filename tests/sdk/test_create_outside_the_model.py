"""Exactly one key, even if servers, lists, sessions and clocks do undocumented things."""

import asyncio
import itertools
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import pytest

from tests.raw import RawServer, answer, raw_server
from woodpecker_async import CallOptions, KeyOutcomeUnknownError, Secret, Timeouts, WoodpeckerSession, errors
from woodpecker_async.creation_lock import creation_lock
from woodpecker_async.engine.observe import Event
from woodpecker_async.exactly_once import PostHooks
from woodpecker_async.sandbox import Fault, Sandbox

KEY = "1.hq-key-of-the-agency"


@attrs.define
class KeyServer:
    """One company's keys: `delay` seconds to create one, listed `lag` seconds later.

    What was requested is created even if the client has disconnected.
    """

    delay: float = 0.0
    lag: float = 0.0
    url: str = ""
    posts: int = 0
    gets: int = 0
    keys: list[tuple[float, dict[str, str]]] = attrs.field(factory=list)
    posted: Callable[[], Awaitable[bytes | None]] | None = None
    listed: Callable[[str], Awaitable[bytes]] | None = None
    hang: asyncio.Event = attrs.field(factory=asyncio.Event)
    working: set[asyncio.Task[dict[str, str]]] = attrs.field(factory=set)

    async def make(self) -> dict[str, str]:
        await asyncio.sleep(self.delay)
        made = {"api_key": f"5.made{len(self.keys):04d}xxxxxxxxxxxx", "label": "crm"}
        self.keys.append((asyncio.get_running_loop().time(), made))
        return made

    async def handle(self, _server: RawServer, _number: int, head: str) -> bytes | None:
        method, target, _ = head.split(" ", 2)
        if target.endswith("/hang"):
            await self.hang.wait()
            return answer(b"{}")
        if method == "POST":
            self.posts += 1
            if self.posted is not None:
                return await self.posted()
            task = asyncio.create_task(self.make())
            self.working.add(task)
            task.add_done_callback(self.working.discard)
            return answer(json.dumps(await asyncio.shield(task)).encode(), "201 Created")
        self.gets += 1
        if self.listed is not None:
            return await self.listed(target)
        now = asyncio.get_running_loop().time()
        return page([key for at, key in self.keys if at + self.lag <= now])

    def session(self, **more: object) -> WoodpeckerSession:
        return WoodpeckerSession(KEY, base_url=self.url, **more)


def page(keys: list[dict[str, str]], number: int = 1, pages: int = 1) -> bytes:
    data = {"total_elements": len(keys), "total_pages": pages, "current_page_number": number, "page_size": 50}
    return answer(json.dumps({"content": keys, "pagination_data": data}).encode())


@asynccontextmanager
async def serving(**fields: object) -> AsyncIterator[KeyServer]:
    keys = KeyServer(**fields)
    async with raw_server(keys.handle) as server:
        keys.url = server.url
        try:
            yield keys
        finally:
            keys.hang.set()
            await asyncio.gather(*keys.working)


# The account and the process ---------------------------------------------------------------------------------


SPELLINGS = {
    "the same": lambda url: url,
    "upper case": lambda url: url.replace("http", "HTTP"),
    "a slash": lambda url: url + "/",
    "by name": lambda url: url.replace("127.0.0.1", "localhost"),
    "percent-encoded": lambda url: url.replace("/rest", "/%72est"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_creation_that_was_cancelled_is_known_to_the_next_session(spelling: str) -> None:
    async with serving(delay=0.2) as server:
        async with server.session() as woodpecker:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await woodpecker.agency.api_keys.ensure(5, "crm", settle=0.5)
        server.url = SPELLINGS[spelling](server.url)
        async with server.session() as woodpecker:
            assert not (await woodpecker.agency.api_keys.ensure(5, "crm", settle=0.5)).created
        assert (server.posts, len(server.keys)) == (1, 1)


async def test_loops_in_several_threads_make_one_key() -> None:
    def in_a_loop_of_its_own(url: str) -> bool:
        async def ensure() -> bool:
            async with WoodpeckerSession(KEY, base_url=url) as woodpecker:
                return (await woodpecker.agency.api_keys.ensure(5, "crm")).created

        return asyncio.run(ensure())

    async with serving(delay=0.1) as server:
        created = await asyncio.gather(*(asyncio.to_thread(in_a_loop_of_its_own, server.url) for _ in range(4)))
        assert sorted(created) == [False, False, False, True]
        assert len(server.keys) == 1


async def test_another_call_of_asyncio_run_knows_what_the_last_one_left_behind() -> None:
    def run(url: str, patience: float) -> bool:
        async def ensure() -> bool:
            async with WoodpeckerSession(KEY, base_url=url) as woodpecker, asyncio.timeout(patience):
                return (await woodpecker.agency.api_keys.ensure(5, "crm", settle=0.5)).created

        return asyncio.run(ensure())

    async with serving(delay=0.2) as server:
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(run, server.url, 0.1)
        assert not await asyncio.to_thread(run, server.url, 30)
        assert len(server.keys) == 1


async def test_a_key_that_is_rotated_belongs_to_the_same_account() -> None:
    keys = itertools.count()

    async with serving(delay=0.1) as server:
        async with WoodpeckerSession(lambda: f"1.rotated-key-{next(keys)}", base_url=server.url) as woodpecker:
            await asyncio.gather(*(woodpecker.agency.api_keys.ensure(5, "crm") for _ in range(3)))
        assert len(server.keys) == 1


# Lists ------------------------------------------------------------------------------------------------------


async def test_ensure_twice_makes_one_key_at_a_list_that_lags() -> None:
    async with serving(lag=0.3) as server, server.session() as woodpecker:
        created = [(await woodpecker.agency.api_keys.ensure(5, "crm")).created for _ in range(2)]
        assert (created, len(server.keys)) == ([True, False], 1)


@pytest.mark.parametrize("body", [b'{"message": "Service temporarily unavailable"}', b"{}", b'{"content": []}'])
async def test_a_list_that_says_nothing_is_no_ground_to_decide_on(body: bytes) -> None:
    async def listed(_: str) -> bytes:
        return answer(body)

    async with serving(listed=listed) as server, server.session() as woodpecker:
        for call in (woodpecker.agency.api_keys.create, woodpecker.agency.api_keys.ensure):
            with pytest.raises((errors.ResponseDecodeError, errors.PaginationError)):
                await call(5, "crm", settle=0)
        assert server.posts == 0


async def test_a_look_that_says_nothing_is_no_ground_to_decide_on_either() -> None:
    async def posted() -> bytes:
        return answer(b'{"title": "x", "status": 500, "detail": "d", "timestamp": "2025-01-01 00:00:00"}', "500 X")

    async def listed(_: str) -> bytes:
        return page([]) if server.posts == 0 else answer(b'{"message": "Service temporarily unavailable"}')

    async with serving(posted=posted, listed=listed) as server, server.session() as woodpecker:
        with pytest.raises(KeyOutcomeUnknownError) as caught:
            await woodpecker.agency.api_keys.create(5, "crm")
        assert (caught.value.kind, server.posts) == ("look_failed", 1)


async def test_a_key_that_is_listed_twice_is_one_key(box: Sandbox) -> None:
    company_id = box.company_ids[0]

    def twice(_info: object, reply):
        data = reply.json()
        data["content"] *= 2
        data["pagination_data"]["total_elements"] *= 2
        return reply.with_json(data)

    box.state.add_key(company_id, "crm")
    box.faults.add(Fault.rewriting(twice, method="GET", times=None))
    async with box.session() as woodpecker:
        with suppress(errors.PaginationError):  # it may be inconsistent; but never two keys with one label
            assert not (await woodpecker.agency.api_keys.ensure(company_id, "crm")).created
    assert all(record.method == "GET" for record in box.journal)


# Answers ----------------------------------------------------------------------------------------------------


async def test_a_key_that_is_not_new_is_an_unknown_outcome() -> None:
    old = {"api_key": "5.oldoldoldoldoldold0000", "label": "other"}

    async def posted() -> bytes:
        return answer(json.dumps({"api_key": old["api_key"]}).encode(), "201 Created")

    async def listed(_: str) -> bytes:
        return page([old])

    async with serving(posted=posted, listed=listed) as server, server.session() as woodpecker:
        keys = woodpecker.agency.api_keys
        for call in (keys.create, keys.ensure):
            with pytest.raises(KeyOutcomeUnknownError, match=Secret(old["api_key"]).fingerprint) as caught:
                await call(5, "crm", settle=0.2)
            assert caught.value.kind == "not_new"
            assert await keys.resolve(caught.value) is None
        await keys.create_once(6, "crm")  # of another company, which was not listed
        with pytest.raises(KeyOutcomeUnknownError):
            await keys.create_once(6, "crm")


async def test_a_key_of_another_company_is_never_handed_out() -> None:
    """A cache in front of the server returns its response about another company."""
    first = {"api_key": "5.oldoldoldoldoldold0000", "label": "crm"}
    lists: dict[int, list[dict[str, str]]] = {5: [], 6: [], 7: [first]}

    async def posted() -> bytes:
        return answer(json.dumps({"api_key": first["api_key"]}).encode(), "201 Created")

    async def listed(path: str) -> bytes:
        return page(lists[int(path.split("/companies/")[1].split("/", maxsplit=1)[0])])

    async with serving(posted=posted, listed=listed) as server, server.session() as woodpecker:
        keys = woodpecker.agency.api_keys
        await keys.create(5, "crm")
        for call in (partial(keys.create, settle=0.2), partial(keys.ensure, settle=0.2), keys.create_once):
            with pytest.raises(KeyOutcomeUnknownError, match=Secret(first["api_key"]).fingerprint) as caught:
                await call(6, "crm")
            assert caught.value.kind == "not_new"
        for call in (keys.create, keys.ensure):
            with pytest.raises(KeyOutcomeUnknownError, match="created here for another company") as caught:
                await call(7, "crm", settle=0.2)
            assert caught.value.kind == "mixed_up"
            assert first["api_key"] not in str(caught.value)


async def test_the_legacy_call_does_not_hand_out_a_key_twice_either(
    box: Sandbox, woodpecker: WoodpeckerSession
) -> None:
    first, other = box.company_ids[:2]
    made = await woodpecker.agency_v1.create_api_key(first, "crm")
    box.faults.add(Fault.body({"api_key": made.api_key.reveal()}, method="POST", times=2))
    for company_id in (first, other):
        with pytest.raises(KeyOutcomeUnknownError, match=made.api_key.fingerprint) as caught:
            await woodpecker.agency_v1.create_api_key(company_id, "crm")
        assert caught.value.kind == "not_new"
        assert made.api_key.reveal() not in str(caught.value)


async def test_a_key_nobody_can_read_is_found_by_create_once_too(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.null_api_key(method="POST"))
    async with box.session() as woodpecker:
        with pytest.raises(KeyOutcomeUnknownError) as caught:
            await woodpecker.agency.api_keys.create_once(company_id, "crm")
        assert (caught.value.kind, caught.value.settled) == ("unreadable_answer", False)
        found = await woodpecker.agency.api_keys.resolve(caught.value)
    assert found is not None
    assert [key.secret for key in box.state.companies[company_id].keys][-1] == found.api_key.reveal()


async def test_a_lost_answer_that_was_made_good_is_logged(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    box.faults.add(Fault.commit_then(500, method="POST"))
    async with box.session() as woodpecker:
        with caplog.at_level(logging.WARNING, "woodpecker_async"):
            made = await woodpecker.agency.api_keys.create(box.company_ids[0], "crm")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert (record.woodpecker_company_id, record.woodpecker_failure) == (box.company_ids[0], "server_error")
    assert made.api_key.reveal() not in record.getMessage()


# Deadlines --------------------------------------------------------------------------------------------------


async def test_slow_requests_share_one_deadline(box: Sandbox) -> None:
    box.faults.add(Fault.wait(0.3, method="GET"), Fault.wait(0.3, method="POST", at="after_commit"))
    async with box.session() as woodpecker:
        with pytest.raises(KeyOutcomeUnknownError) as caught:
            await woodpecker.agency.api_keys.create(box.company_ids[0], "crm", options=CallOptions(deadline=0.5))
    assert caught.value.kind == "deadline"


async def test_waiting_for_ones_turn_counts() -> None:
    async with serving(delay=0.8) as server, server.session() as woodpecker:
        first = asyncio.create_task(woodpecker.agency.api_keys.create(5, "crm"))
        while not server.posts:
            await asyncio.sleep(0.01)
        with pytest.raises(errors.DeadlineExceededError, match="another creation") as caught:
            await woodpecker.agency.api_keys.create(5, "crm", options=CallOptions(deadline=0.2))
        assert not caught.value.maybe_sent
        assert not first.done()
        await first
        assert server.posts == 1


async def test_waiting_for_what_others_left_in_flight_counts() -> None:
    async with serving(delay=0.7) as server, server.session() as woodpecker:
        keys = woodpecker.agency.api_keys
        with pytest.raises(KeyOutcomeUnknownError):
            await keys.create(5, "crm", settle=30, options=CallOptions(deadline=0.2))
        with pytest.raises(errors.DeadlineExceededError, match="may still be working"):
            await keys.ensure(5, "crm", options=CallOptions(deadline=0.2))
        assert server.posts == 1


async def fill_the_lane(server: KeyServer, woodpecker: WoodpeckerSession) -> list[asyncio.Task[object]]:
    hanging = [
        asyncio.create_task(woodpecker.request("GET", "/v2/hang", company_id=None))
        for _ in range(woodpecker.limits.max_in_flight)
    ]
    await asyncio.sleep(0.1)
    return hanging


async def test_waiting_in_the_lane_counts_and_leaves_nothing_behind() -> None:
    async with serving() as server, server.session() as woodpecker:
        keys = woodpecker.agency.api_keys
        hanging: list[asyncio.Task[object]] = []

        async def listed(_: str) -> bytes:
            if not hanging:  # after the list, and before the request
                hanging.extend(await fill_the_lane(server, woodpecker))
            return page([])

        server.listed = listed
        with pytest.raises(errors.LaneTimeoutError) as caught:
            await keys.create(5, "crm", options=CallOptions(deadline=0.5))
        assert not caught.value.maybe_sent
        server.hang.set()
        await asyncio.gather(*hanging)
        async with asyncio.timeout(10):  # much less than `settle`
            await keys.create(5, "crm")
        assert server.posts == 1


async def test_a_timeout_in_the_lane_leaves_nothing_behind() -> None:
    async with serving() as server, server.session(timeouts=Timeouts(lane=0.2)) as woodpecker:
        keys = woodpecker.agency.api_keys
        hanging = await fill_the_lane(server, woodpecker)
        with pytest.raises(errors.LaneTimeoutError):
            await keys.create(5, "crm", baseline=False)
        server.hang.set()
        await asyncio.gather(*hanging, return_exceptions=True)
        async with asyncio.timeout(10):
            await keys.create(5, "crm")
        assert server.posts == 1


async def test_a_request_that_was_refused_each_time_leaves_nothing_behind(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    box.faults.add(Fault.status(429, method="POST", at="arrival", times=None))
    waits = asyncio.Event()

    def hook(event: Event) -> None:
        if event.kind == "retry" and event.method == "POST" and (event.wait or 0) > 0.3:
            waits.set()

    async with box.session(hooks=[hook]) as woodpecker:
        with pytest.raises(errors.RateLimitedError):
            await woodpecker.agency.api_keys.create(company_id, "crm", options=CallOptions(deadline=0.5))
        waits.clear()
        creation = asyncio.create_task(woodpecker.agency.api_keys.create(company_id, "crm"))
        await waits.wait()  # to send again: nothing is in flight
        creation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creation
        box.faults.clear()
        async with asyncio.timeout(10):
            await woodpecker.agency.api_keys.create(company_id, "crm")


async def test_a_list_without_an_end_ends_at_the_deadline() -> None:
    async def listed(target: str) -> bytes:
        number = int(target.partition("page=")[2])
        keys = [{"api_key": f"5.k{number:06d}{at:06d}xxxxxxxx", "label": "l"} for at in range(50)]
        await asyncio.sleep(0.02)
        return page(keys, number, pages=10**6)

    async with serving(listed=listed) as server, server.session() as woodpecker:
        for call in (woodpecker.agency.api_keys.create, woodpecker.agency.api_keys.ensure):
            with pytest.raises(errors.CallError) as caught:
                await call(5, "crm", options=CallOptions(deadline=0.3))
            assert isinstance(caught.value, errors.DeadlineExceededError | errors.LaneTimeoutError)
        assert server.posts == 0


async def test_a_function_that_never_gives_the_key_does_not_hold_a_creation_up() -> None:
    async def never() -> str:
        await asyncio.Event().wait()
        return KEY

    async with WoodpeckerSession(never, base_url="http://127.0.0.1:9/rest") as woodpecker:
        with pytest.raises(errors.DeadlineExceededError):
            await woodpecker.agency.api_keys.create(5, "crm", options=CallOptions(deadline=0.1))


async def test_who_is_cancelled_before_the_request_has_left_leaves_nothing_behind() -> None:
    """The server's machine does not respond: there is no connection yet, so nothing can have been sent."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.socket() as first, socket.socket() as second:
            for other in (first, second):  # the listener's queue is full: a third waits for a connection
                other.setblocking(False)
                other.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}/rest"
            async with WoodpeckerSession(KEY, base_url=url) as woodpecker:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await woodpecker.agency.api_keys.create(5, "crm", baseline=False)
                lock = await woodpecker.agency.api_keys._access.creation_lock(5)
                assert lock.in_flight_until == 0


# resolve ----------------------------------------------------------------------------------------------------


async def test_resolve_waits_for_a_key_that_is_still_being_made() -> None:
    async def listed(_: str) -> bytes:
        if server.gets == 2:
            return answer(b'{"title": "Bad request", "status": 400, "detail": "once"}', "400 Bad Request")
        return page([key for _, key in server.keys])

    async def posted() -> None:
        task = asyncio.create_task(server.make())
        server.working.add(task)
        task.add_done_callback(server.working.discard)

    async with serving(delay=0.7, listed=listed, posted=posted) as server, server.session() as woodpecker:
        keys = woodpecker.agency.api_keys
        with pytest.raises(KeyOutcomeUnknownError) as caught:
            await keys.create(5, "crm", settle=5)
        assert caught.value.settles_at is not None
        with pytest.raises(KeyOutcomeUnknownError) as still_open:
            await keys.resolve(caught.value, options=CallOptions(deadline=0.1))
        found = await keys.resolve(still_open.value)
        assert found is not None
        assert found.api_key.reveal() == server.keys[0][1]["api_key"]


async def test_create_once_has_the_default_settle() -> None:
    async def posted() -> None:
        return None

    async with serving(posted=posted) as server, server.session() as woodpecker:
        with pytest.raises(KeyOutcomeUnknownError) as caught:
            await woodpecker.agency.api_keys.create_once(5, "crm")
        now = woodpecker._engine.settings.clock.utcnow()
        assert caught.value.settles_at is not None
        assert 10 < (caught.value.settles_at - now).total_seconds() <= 20
        with pytest.raises(errors.ConfigError):
            await woodpecker.agency.api_keys.resolve(ValueError("x"))


# Hooks, which bulk runs use ---------------------------------------------------------------------------------


async def test_a_hook_can_stop_a_creation() -> None:
    class ClaimLostError(Exception):
        pass

    async def lost() -> None:
        raise ClaimLostError

    async with serving() as server, server.session() as woodpecker:
        keys = woodpecker.agency.api_keys
        with pytest.raises(ClaimLostError):
            await keys._ensure(5, "crm", hooks=PostHooks(before_queueing=lost))
        assert (server.posts, server.gets) == (0, 1)
        assert (await keys.ensure(5, "crm")).created
        assert not (await keys._ensure(5, "crm", hooks=PostHooks(before_queueing=lost))).created


# Labels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at_the_end", [" ", "\t", "\n", "\u00a0", "\u2003", "\u3000", "\u2028", "\ufeff", "\u200b", "\x00"]
)
async def test_a_label_with_whitespace_at_an_end_is_refused(at_the_end: str) -> None:
    async with WoodpeckerSession(KEY, base_url="http://127.0.0.1:9/rest") as woodpecker:
        keys = woodpecker.agency.api_keys
        for label in (f"crm{at_the_end}", f"{at_the_end}crm", at_the_end):
            for call in (keys.create, keys.ensure, keys.create_once):
                with pytest.raises(errors.ConfigError, match=r"whitespace|empty"):
                    await call(5, label)


async def test_labels_compare_as_nfc(box: Sandbox) -> None:
    company_id = box.company_ids[0]
    made = box.state.add_key(company_id, "Mu\u0308ller")
    async with box.session() as woodpecker:
        kept = await woodpecker.agency.api_keys.ensure(company_id, "M\u00fcller")
    assert (kept.created, kept.api_key.reveal()) == (False, made.secret)


async def test_a_lock_is_found_by_the_account_of_the_session() -> None:
    async with WoodpeckerSession(KEY, base_url="http://LOCALHOST:80/rest/") as woodpecker:
        lock = await woodpecker.agency.api_keys._access.creation_lock(5)
        assert lock is creation_lock(f"http://localhost:80/rest {Secret(KEY).fingerprint}", 5)
    with pytest.raises(errors.SessionClosedError):
        await woodpecker.agency.api_keys._access.creation_lock(5)
