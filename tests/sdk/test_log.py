"""The log at each level: a retry and a refusal at INFO, every attempt at DEBUG."""

import asyncio
import logging
import math

import pytest

from tests.fakes import VirtualClock
from tests.raw import answer, raw_server
from woodpecker_async import RetryPolicy, WoodpeckerSession, errors
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.sandbox import Fault, Sandbox


@pytest.fixture(autouse=True)
async def _slow_machine() -> None:
    asyncio.get_running_loop().slow_callback_duration = math.inf  # asyncio would warn about it


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


async def test_a_lost_answer_to_a_deletion_that_was_made_good_is_a_warning(
    box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with FelderaSession(box.feldera_url, token=box.feldera_token, clock=VirtualClock()) as feldera:
        await feldera.api_keys.create(name="ci")
        box.faults.add(Fault.close(at="after_commit", method="DELETE"))
        await feldera.api_keys.delete("ci")
        assert told(caplog, logging.WARNING) == [("the", 404, None)]
        caplog.clear()
        await feldera.api_keys.create(name="ci")
        box.faults.add(Fault.close(method="DELETE"))  # lost before anything was done: an ordinary retry
        await feldera.api_keys.delete("ci")
        assert not told(caplog, logging.WARNING)


async def test_a_lost_answer_to_a_creation_that_was_made_good_is_a_warning(
    box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    box.faults.add(Fault.close(at="after_commit", method="POST"))
    async with box.session(clock=VirtualClock()) as woodpecker:
        made = await woodpecker.agency.api_keys.create(box.company_ids[0], "crm")
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert (record.woodpecker_company_id, record.woodpecker_failure) == (box.company_ids[0], "connection_lost")
    assert record.woodpecker_fingerprint == made.api_key.fingerprint
    assert made.api_key.reveal() not in caplog.text


async def test_what_the_server_writes_stays_on_its_line(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(*_: object) -> bytes:
        return answer(
            b'{"title": "a\\nWARNING forged", "detail": "\\u001b[2J"}', "503 a", X_Request_Id="r\x1b[2J\u202e1"
        )

    async with (
        raw_server(handle) as server,
        WoodpeckerSession(
            "1.key", base_url=server.url, clock=VirtualClock(), retry=RetryPolicy(attempts=2)
        ) as woodpecker,
    ):
        with caplog.at_level(logging.DEBUG, logger="woodpecker_async"), pytest.raises(errors.ServerError) as caught:
            await woodpecker.account.me()
    lines = [record.getMessage() for record in caplog.records if record.name == "woodpecker_async"]
    assert len(lines) == 5
    assert any("request_id=r" in line for line in lines)
    assert all(line.isprintable() for line in [*lines, str(caught.value)])


async def test_a_call_without_trouble_is_told_at_debug_only(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="woodpecker_async"):
        async with box.session() as woodpecker:
            await woodpecker.account.me()
    assert not [record for record in caplog.records if record.name == "woodpecker_async"]
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
