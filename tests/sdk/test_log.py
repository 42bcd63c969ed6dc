"""What the log says at each level: a retry and a refusal at INFO, every attempt at DEBUG."""

import asyncio
import logging
import math

import pytest

from tests.fakes import VirtualClock
from woodpecker_async import RetryPolicy, errors
from woodpecker_async.sandbox import Fault, Sandbox


@pytest.fixture(autouse=True)
async def _slow_machine() -> None:
    asyncio.get_running_loop().slow_callback_duration = math.inf  # asyncio would tell of it


def told(caplog: pytest.LogCaptureFixture, level: int) -> list[tuple[str, int | None, str | None]]:
    records = [record for record in caplog.records if record.name == "woodpecker_async" and record.levelno == level]
    return [(record.getMessage().split()[0], record.woodpecker_status, record.woodpecker_failure) for record in records]


async def test_retries_and_refusals_are_told_at_info(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    box.faults.add(Fault.status(503, times=2), Fault.status(429), Fault.close())
    with caplog.at_level(logging.INFO, logger="woodpecker_async"):
        async with box.session(clock=VirtualClock()) as woodpecker:
            await woodpecker.agency.companies.list()
    assert told(caplog, logging.INFO) == [
        ("retry", 503, "server"),
        ("retry", 503, "server"),
        ("refused", 429, "refused"),
        ("retry", 429, "refused"),
        ("retry", None, "lost"),
    ]
    assert len(caplog.records) == 5


async def test_a_refusal_that_is_the_end_is_told_as_well(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    box.faults.add(Fault.status(429, times=None))
    with caplog.at_level(logging.INFO, logger="woodpecker_async"):
        async with box.session(retry=RetryPolicy(attempts=1)) as woodpecker:
            with pytest.raises(errors.RateLimitedError):
                await woodpecker.account.me()
    assert told(caplog, logging.INFO) == [("refused", 429, "refused")]


async def test_a_call_without_trouble_is_told_at_debug_only(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="woodpecker_async"):
        async with box.session() as woodpecker:
            await woodpecker.account.me()
    assert not caplog.records
    with caplog.at_level(logging.DEBUG, logger="woodpecker_async"):
        async with box.session() as woodpecker:
            await woodpecker.agency.api_keys.list(box.company_ids[0])
    assert told(caplog, logging.DEBUG) == [("start", None, None), ("end", 200, None)]
    assert "page=" not in caplog.text
    record = caplog.records[-1]
    assert record.woodpecker_path == "/v2/agency/companies/{company_id}/api_keys"
    assert (record.woodpecker_company_id, record.woodpecker_attempt) == (box.company_ids[0], 1)
    assert record.woodpecker_milliseconds > 0


async def test_warnings_have_fields_too(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    def announce_more(_, answer):
        body = answer.json()
        body["pagination_data"]["total_elements"] += 1
        return answer.with_json(body)

    box.faults.add(Fault.rewriting(announce_more, times=None))
    async with box.session() as woodpecker:
        await woodpecker.agency.companies.list().collect()
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert (record.woodpecker_seen, record.woodpecker_announced) == (12, 13)
