"""Spans and metrics, through OpenTelemetry's own in-memory exporters."""

import asyncio
import gc
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from tests.fakes import VirtualClock
from tests.telescope import Telescope
from tests.waiting import until_async
from woodpecker_async import CallOptions, Limits, RetryPolicy, Timeouts, WoodpeckerSession, bulk, errors, telemetry
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.sandbox import Fault, Sandbox

KEYS = "/v2/agency/companies/{company_id}/api_keys"


@pytest.fixture
def seen() -> Iterator[Telescope]:
    telescope = Telescope()
    yield telescope
    telescope.close()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_call_is_a_span_and_each_attempt_a_child(box: Sandbox, seen: Telescope) -> None:
    box.faults.add(Fault.status(503), Fault.status(429), Fault.close())
    company = box.company_ids[0]
    async with seen.on(box.session(clock=VirtualClock())) as woodpecker:
        await woodpecker.agency.api_keys.list(company)
    call, *attempts = seen.spans
    assert (call.name, call.kind, call.parent, call.status.status_code) == (
        "agency.api_keys.list",
        SpanKind.INTERNAL,
        None,
        StatusCode.UNSET,
    )
    assert attributes(call) == {
        "http.request.method": "GET",
        "url.template": KEYS,
        "woodpecker.company_id": company,
        "woodpecker.lane.wait_time": 0.0,
        "woodpecker.retries": 3,
    }
    assert attempts == seen.children(call)
    assert {(span.name, span.kind) for span in attempts} == {(f"GET {KEYS}", SpanKind.CLIENT)}
    told = [attributes(span) for span in attempts]
    assert [(at.get("http.response.status_code"), at.get("error.type")) for at in told] == [
        (503, "503"),
        (429, "429"),
        (None, "lost"),
        (200, None),
    ]
    assert [at.get("http.request.resend_count") for at in told] == [None, 1, 2, 3]
    assert [span.status.status_code for span in attempts] == [StatusCode.ERROR] * 3 + [StatusCode.UNSET]
    assert told[1]["woodpecker.retry.wait_time"] == 0.25
    assert told[3] | {"server.address": "127.0.0.1"} == told[3]
    assert f":{told[3]['server.port']}/" in box.base_url
    assert told[3]["url.full"] == f"{box.base_url}{KEYS.format(company_id=company)}"


async def test_what_fails_has_the_class_of_its_error(box: Sandbox, seen: Telescope) -> None:
    async with seen.on(box.session()) as woodpecker:
        with pytest.raises(errors.CompanyNotFoundError):
            await woodpecker.company(10**9).me()
    call, attempt = seen.spans
    assert call.name == "company.me"
    assert (call.status.status_code, attributes(call)["error.type"]) == (
        StatusCode.ERROR,
        "woodpecker_async.errors.CompanyNotFoundError",
    )
    assert attributes(attempt)["error.type"] == "404"
    assert attributes(call)["woodpecker.company_id"] == attributes(attempt)["woodpecker.company_id"] == 10**9


async def test_a_creation_is_one_span_over_its_calls(box: Sandbox, seen: Telescope) -> None:
    company = box.company_ids[0]
    async with seen.on(box.session()) as woodpecker:
        await woodpecker.agency.api_keys.create(company, "crm")
        await woodpecker.company(company).api_keys.ensure("crm")
    create, ensure = [span for span in seen.spans if span.parent is None]
    assert (create.name, ensure.name) == ("agency.api_keys.create", "agency.api_keys.ensure")
    assert [span.name for span in seen.children(create)] == ["agency.api_keys.list", "agency.api_keys.create_once"]
    assert [span.name for span in seen.children(ensure)] == ["agency.api_keys.list"]
    assert attributes(create)["woodpecker.company_id"] == company


async def test_raw_requests_do_not_name_spans_or_metrics_by_their_path(box: Sandbox, seen: Telescope) -> None:
    async with seen.on(box.session()) as woodpecker:
        await woodpecker.request("GET", "/v2/mailboxes", company_id=box.company_ids[0])
    call, attempt = seen.spans
    assert (call.name, attempt.name) == ("request", "GET")
    assert attributes(attempt)["url.full"] == f"{box.base_url}/v2/mailboxes"
    assert "url.template" not in attributes(attempt)
    (point,) = seen.points("woodpecker.lane.wait_time")
    assert set(point.attributes) == {"http.request.method", "server.address", "server.port"}


async def test_feldera(box: Sandbox, seen: Telescope) -> None:
    async with seen.on(FelderaSession(box.feldera_url, token=box.feldera_token)) as feldera:
        await feldera.api_keys.create(name="ci")
    assert [span.name for span in seen.spans] == ["feldera.api_keys.create", "POST /v0/api_keys"]


async def test_nothing_is_the_current_span_between_pages_and_outcomes(box: Sandbox, seen: Telescope) -> None:
    tracer = seen.tracers.get_tracer("users")
    async with seen.on(box.session()) as woodpecker:
        with tracer.start_as_current_span("theirs") as theirs:
            async for _ in woodpecker.agency.companies.list().pages(prefetch=2):
                assert trace.get_current_span() is theirs
            async with bulk.list_api_keys(woodpecker) as run:
                async for _ in run:
                    assert trace.get_current_span() is theirs
            assert trace.get_current_span() is theirs
    (root,) = seen.named("theirs")
    calls = [span for span in seen.spans if span.kind == SpanKind.INTERNAL and span is not root]
    assert len(calls) > len(box.company_ids)
    assert {span.parent.span_id for span in calls} == {root.context.span_id}


async def test_in_bulk_no_call_is_the_parent_of_another(box: Sandbox, seen: Telescope) -> None:
    box.faults.add(Fault.status(503, times=3, skip=2), Fault.status(429, times=3, skip=7))
    async with seen.on(box.session(retry=RetryPolicy(initial_backoff=0.01))) as woodpecker:
        async with bulk.list_api_keys(woodpecker) as run:
            outcomes = [outcome async for outcome in run]
    assert len(outcomes) == len(box.company_ids)
    calls = [span for span in seen.spans if span.kind == SpanKind.INTERNAL]
    assert all(span.parent is None for span in calls)
    for call in calls:
        attempts = seen.children(call)
        assert len(attempts) == attributes(call)["woodpecker.retries"] + 1
        assert {span.kind for span in attempts} == {SpanKind.CLIENT}
        company = attributes(call).get("woodpecker.company_id")
        assert {attributes(span).get("woodpecker.company_id") for span in attempts} == {company}
    assert len(calls) + sum(map(len, map(seen.children, calls))) == len(seen.spans)
    assert seen.total("woodpecker.requests.refused") == 3
    assert seen.total("woodpecker.requests.retried") == 6
    assert {point.attributes["error.type"] for point in seen.points("woodpecker.requests.retried")} == {"503", "429"}
    assert seen.total("http.client.active_requests") == 0
    waits = seen.points("woodpecker.lane.wait_time")
    assert sum(point.count for point in waits) == sum(span.kind == SpanKind.CLIENT for span in seen.spans)


async def test_the_wait_in_the_lane_is_told(box: Sandbox, seen: Telescope) -> None:
    box.faults.add(Fault.wait(0.2))
    async with seen.on(box.session(limits=Limits(max_in_flight=1))) as woodpecker:
        await asyncio.gather(woodpecker.account.me(), woodpecker.account.me())
    first, second = sorted(seen.named("account.me"), key=lambda span: attributes(span)["woodpecker.lane.wait_time"])
    assert attributes(first)["woodpecker.lane.wait_time"] == 0
    assert attributes(second)["woodpecker.lane.wait_time"] >= 0.1
    (attempt,) = seen.children(second)
    assert attributes(attempt)["woodpecker.lane.wait_time"] == attributes(second)["woodpecker.lane.wait_time"]
    assert attempt.start_time - second.start_time >= 0.1e9
    (point,) = seen.points("woodpecker.lane.wait_time")
    assert (point.count, point.sum >= 0.1) == (2, True)


async def test_what_never_gets_its_turn_has_no_attempt(box: Sandbox, seen: Telescope) -> None:
    box.faults.add(Fault.wait(0.5))
    session = box.session(limits=Limits(max_in_flight=1), timeouts=Timeouts(lane=0.05))
    async with seen.on(session) as woodpecker:
        first = asyncio.create_task(woodpecker.account.me())
        await until_async(lambda: seen.total("http.client.active_requests") == 1)
        with pytest.raises(errors.LaneTimeoutError):
            await woodpecker.account.me()
        await first
    refused = next(span for span in seen.named("account.me") if span.status.status_code is StatusCode.ERROR)
    assert attributes(refused)["error.type"] == "woodpecker_async.errors.LaneTimeoutError"
    assert not seen.children(refused)
    assert attributes(refused)["woodpecker.lane.wait_time"] >= 0.04


async def test_a_cancelled_call_ends_its_spans(box: Sandbox, seen: Telescope, no_tasks_left: None) -> None:
    box.faults.add(Fault.wait(30, times=None))
    async with seen.on(box.session(limits=Limits(max_in_flight=2))) as woodpecker:
        tasks = [asyncio.create_task(woodpecker.account.me()) for _ in range(4)]
        await until_async(lambda: seen.total("http.client.active_requests") == 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert seen.total("http.client.active_requests") == 0
    assert len(seen.named("account.me")) == 4
    assert len(seen.named("GET /v1/me")) == 2
    for span in seen.spans:
        assert span.status.status_code is StatusCode.ERROR
        assert attributes(span)["error.type"] == "asyncio.exceptions.CancelledError"


async def test_a_cancelled_backoff_ends_its_span(box: Sandbox, seen: Telescope) -> None:
    box.faults.add(Fault.status(503, times=None))
    async with seen.on(box.session(retry=RetryPolicy(initial_backoff=60, max_backoff=60))) as woodpecker:
        task = asyncio.create_task(woodpecker.account.me())
        await until_async(lambda: seen.named("GET /v1/me"))
        task.cancel()
        await asyncio.wait([task])
    (call,) = seen.named("account.me")
    assert attributes(call)["error.type"] == "asyncio.exceptions.CancelledError"


async def test_what_a_closed_session_interrupts_ends_its_spans(box: Sandbox, seen: Telescope) -> None:
    box.faults.add(Fault.wait(30))
    woodpecker = seen.on(box.session())
    task = asyncio.create_task(woodpecker.account.me())
    await until_async(lambda: seen.total("http.client.active_requests") == 1)
    await woodpecker.aclose()
    with pytest.raises(errors.SessionClosedError):
        await task
    call, attempt = seen.spans
    assert attributes(call)["error.type"] == "woodpecker_async.errors.SessionClosedError"
    assert attributes(attempt)["error.type"] == "asyncio.exceptions.CancelledError"


async def test_a_coroutine_that_is_thrown_away_leaves_no_span_behind(
    box: Sandbox, seen: Telescope, caplog: pytest.LogCaptureFixture
) -> None:
    box.faults.add(Fault.wait(30, times=None))
    async with seen.on(box.session(limits=Limits(max_in_flight=1))) as woodpecker:
        # The others wait in the lane: asyncio and aiohttp complain if they are discarded with a socket.
        first = asyncio.create_task(woodpecker.account.me())
        await until_async(lambda: box.journal)
        for elsewhere in (False, True):
            before = trace.get_current_span()
            call = woodpecker.account.me()
            await asyncio.sleep(0)
            call.send(None)  # as a task does
            if elsewhere:
                import contextvars

                contextvars.Context().run(call.close)
                context.attach(trace.set_span_in_context(before))
            else:
                call.close()
            assert trace.get_current_span() is before
            gc.collect()
        first.cancel()
        await asyncio.wait([first])
    assert len(seen.named("account.me")) == 3
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_the_aiohttp_instrumentation_makes_children_of_our_attempts(box: Sandbox, seen: Telescope) -> None:
    AioHttpClientInstrumentor().instrument(
        tracer_provider=seen.tracers, url_filter=lambda url: str(url.with_query(None))
    )
    try:
        box.faults.add(Fault.status(503))
        async with seen.on(box.session(retry=RetryPolicy(initial_backoff=0.01))) as woodpecker:
            await asyncio.gather(*(woodpecker.agency.api_keys.list(company) for company in box.company_ids[:3]))
    finally:
        AioHttpClientInstrumentor().uninstrument()
    attempts = seen.named(f"GET {KEYS}")
    assert len(attempts) == 4
    assert all("traceparent" in record.headers for record in box.journal)
    for attempt in attempts:
        (theirs,) = seen.children(attempt)
        assert theirs.instrumentation_scope.name.endswith("aiohttp_client")
        assert attributes(theirs)["http.url"] == attributes(attempt)["url.full"]  # as the documentation advises
        assert attributes(theirs)["http.status_code"] == attributes(attempt)["http.response.status_code"]


async def test_the_server_is_told_nothing_of_a_trace(box: Sandbox, seen: Telescope) -> None:
    async with seen.on(box.session()) as woodpecker:
        await woodpecker.account.me()
    (record,) = box.journal
    assert not record.headers.keys() & {"traceparent", "tracestate", "baggage"}


async def test_the_log_and_the_hooks_of_a_call_are_in_its_trace(box: Sandbox, seen: Telescope) -> None:
    within: list[int] = []
    session = box.session(hooks=[lambda _: within.append(trace.get_current_span().get_span_context().span_id)])
    async with seen.on(session) as woodpecker:
        await woodpecker.account.me()
    (call,) = seen.named("account.me")
    assert within == [call.context.span_id] * 2


async def test_instrumented_twice_is_instrumented_once(box: Sandbox, seen: Telescope) -> None:
    earlier = Telescope()
    async with seen.on(earlier.on(box.session())) as woodpecker:
        await woodpecker.account.me()
    assert len(seen.spans) == 2
    assert not earlier.spans
    earlier.close()


async def test_without_a_provider_it_does_nothing(box: Sandbox) -> None:
    async with telemetry.instrument(box.session()) as woodpecker:
        assert await woodpecker.agency.companies.list()


async def test_a_call_that_had_begun_goes_on(box: Sandbox, seen: Telescope) -> None:
    box.faults.add(Fault.status(503))
    async with box.session(retry=RetryPolicy(initial_backoff=0.01)) as woodpecker:
        task = asyncio.create_task(woodpecker.account.me())
        await asyncio.sleep(0)
        seen.on(woodpecker)
        await task
    assert not seen.spans


def test_only_a_session_can_be_instrumented() -> None:
    with pytest.raises(errors.ConfigError, match="session must be a WoodpeckerSession or a FelderaSession, not str"):
        telemetry.instrument("session")  # type: ignore[type-var]


async def test_no_secret_and_no_query_gets_out(box: Sandbox, seen: Telescope) -> None:
    company = box.company_ids[0]
    box.faults.add(
        Fault.status(503),
        Fault.rewriting(lambda _, answer: answer.with_json({"title": box.hq_key, "detail": box.hq_key})),
    )
    key = "123456.abcdefg123456hijk987"
    async with seen.on(box.session(clock=VirtualClock())) as woodpecker:
        with pytest.raises(errors.WoodpeckerError):
            await woodpecker.agency.api_keys.list(company).collect()
        async with bulk.list_api_keys(woodpecker, [company]) as run:
            assert [outcome.ok async for outcome in run] == [True]
        await woodpecker.agency.api_keys.create(company, "crm")
        with pytest.raises(errors.WoodpeckerError):
            await woodpecker.request("GET", f"/v2/{key}", company_id=None, params={"token": key})
        with pytest.raises(errors.WoodpeckerError):
            await woodpecker.account.me(options=CallOptions(headers={"x-more": "sentinel"}, attempt_timeout=1e-9))
    told = seen.text()
    assert str(company) in told
    secrets = [box.hq_key, key, "sentinel", "token", "?", "page="]
    secrets += [made.secret for made in box.state.companies[company].keys]
    assert len(secrets) > 8
    for secret in secrets:
        assert secret not in told


class _Counting(SpanProcessor):
    """Counts what was started and what was ended."""

    begun = ended = 0

    def on_start(self, span: Span, parent_context: object = None) -> None:
        self.begun += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_every_span_ends_below_its_own_call(
    box: Sandbox, seen: Telescope, seed: int, no_tasks_left: None
) -> None:
    chance = random.Random(seed)
    count = _Counting()
    seen.tracers.add_span_processor(count)
    some = {"times": None, "probability": 0.15}
    box.faults.add(Fault.status(503, **some), Fault.status(429, **some), Fault.close(**some), Fault.wait(0.05, **some))
    users = seen.tracers.get_tracer("users")

    async def one(woodpecker: WoodpeckerSession, number: int) -> None:
        company = chance.choice(box.company_ids)
        with users.start_as_current_span(f"user {number}") as mine:
            try:
                match number % 3:
                    case 0:
                        await woodpecker.agency.api_keys.list(company).collect()
                    case 1:
                        await woodpecker.company(company).me()
                    case 2:
                        await woodpecker.agency.api_keys.create(company, f"label {number}", settle=0)
            finally:
                assert trace.get_current_span() is mine

    retry = RetryPolicy(attempts=3, initial_backoff=0.01)
    async with seen.on(box.session(retry=retry, limits=Limits(max_in_flight=3))) as woodpecker:
        tasks = [asyncio.create_task(one(woodpecker, number)) for number in range(30)]
        while pending := [task for task in tasks if not task.done()]:
            await asyncio.sleep(chance.random() * 0.02)
            chance.choice(pending).cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            assert done is None or isinstance(done, errors.WoodpeckerError | asyncio.CancelledError), done
    assert count.begun == count.ended == len(seen.spans) > 30
    assert seen.total("http.client.active_requests") == 0
    by_id = {span.context.span_id: span for span in seen.spans}
    for span in seen.spans:
        parent = by_id.get(span.parent.span_id) if span.parent else None
        if span.name.startswith("user "):
            assert parent is None
            continue
        assert parent is not None
        assert parent.start_time <= span.start_time <= span.end_time <= parent.end_time
        assert (span.kind == SpanKind.CLIENT) <= (parent.kind == SpanKind.INTERNAL and "/" not in parent.name)
        if not parent.name.startswith("user "):
            assert attributes(parent)["woodpecker.company_id"] == attributes(span)["woodpecker.company_id"]
