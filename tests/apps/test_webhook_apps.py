"""The webhook examples on their real servers, with deliveries from the sandbox."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.apps.serving import App, serving, wait_until_it_answers
from tests.apps.test_web_apps import needs_fastapi
from tests.waiting import until
from woodpecker_async.sandbox import Sandbox

pytestmark = pytest.mark.system


@pytest.fixture(params=["webhooks_fastapi.py", "webhooks_aiohttp.py"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[App]:
    if "fastapi" in request.param:
        needs_fastapi()
    with serving(request.param, tmp_path / "log.txt", workers=None, env={"WEBHOOK_TOKEN": "t0ken"}) as running:
        wait_until_it_answers(running)
        yield running
        assert running.stop() in (0, -signal.SIGTERM)
        told = running.log.read_text()
        assert "Traceback" not in told
        assert "Warning" not in told
        assert "t0ken" not in told


async def test_deliveries_are_taken_in_at_once_and_worked_on(app: App) -> None:
    def lines(text: str) -> int:
        return app.log.read_text().count(text)

    url = f"{app.url}/woodpecker/t0ken"
    async with Sandbox(companies=1) as box, box.session() as woodpecker:
        await woodpecker.account.webhooks.subscribe(url, "prospect_replied")
        await woodpecker.account.webhooks.subscribe(url, "task_done")
        items: list[Any] = [box.sample_event("prospect_replied", number) for number in range(250)]
        items[17:17] = ["something odd", {"method": "prospect_cloned"}, {"method": "prospect_replied", "prospect": 7}]
        for _ in range(2):  # the second time they are repeats
            done = await box.deliver("prospect_replied", items)
            assert [delivery.statuses for delivery in done] == [(204,)] * 3
        await box.deliver("task_done")
    until(lambda: lines("task_done at") == 1)
    assert lines("reply from") == 250
    assert lines("unknown event") == 3


async def test_what_is_no_delivery_is_refused(app: App) -> None:
    async with aiohttp.ClientSession() as http:
        for path, body, status in (
            ("/woodpecker/t0ken", b"{}", 400),
            ("/woodpecker/t0ken", b"no JSON", 400),
            ("/woodpecker/other", b"[]", 404),
            ("/woodpecker/t0ken", b"[]", 204),
        ):
            async with http.post(app.url + path, data=body) as answer:
                assert answer.status == status
