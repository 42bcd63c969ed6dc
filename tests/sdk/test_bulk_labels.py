"""A label that the server changes is detected at the first new key, before a second one is created."""

import asyncio
import re
import unicodedata
from collections.abc import Callable

import pytest

from woodpecker_async import WoodpeckerSession, bulk, errors
from woodpecker_async.bulk import labels
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.workers import Context, MemoryLedger, Sweep, chunks, perform

KEYS = re.compile("/api_keys$")


def posts(box: Sandbox) -> int:
    return sum(record.method == "POST" for record in box.journal)


async def outcomes(run: bulk.Run) -> list[bulk.Outcome]:
    async with asyncio.timeout(20):
        async with run:
            return [outcome async for outcome in run]


LOSSY: list[tuple[Callable[[str], str | None], str]] = [
    (lambda sent: sent[:30], "x" * 40),
    (lambda sent: sent.replace("&", "&amp;"), "a&b"),
    (lambda _: None, "crm"),
    (lambda _: "", "crm"),
    (lambda sent: sent.encode("ascii", "replace").decode(), "crm é"),
    (lambda sent: f"[{sent}]", "crm"),
]


@pytest.mark.parametrize(("keep", "label"), LOSSY)
async def test_the_run_stops_with_one_key_made_and_stored(keep, label, no_tasks_left: None) -> None:
    stored = []
    async with Sandbox(companies=30, keys_per_company=1, service_time=0.002, label_filter=keep) as box:
        async with box.session() as woodpecker:
            for _ in range(2):  # no more are created in the same session
                run = bulk.ensure_api_keys(woodpecker, label=label, sink=stored.append)
                with pytest.raises(errors.LabelNotKeptError, match="cannot be found again by this label") as caught:
                    await outcomes(run)
                assert posts(box) == 1
                assert run.report.stopped_by == "LabelNotKeptError"
            [issued, *_] = stored
            assert {each.api_key for each in stored} == {issued.api_key}
            assert (caught.value.company_id, caught.value.label) == (issued.company_id, label)
            assert caught.value.api_key == issued.api_key
            assert issued.api_key.reveal() not in str(caught.value)


async def test_its_own_outcome_comes_first() -> None:
    async with Sandbox(companies=3, service_time=0, label_filter=lambda _: "other") as box, box.session() as woodpecker:
        seen = []
        with pytest.raises(errors.LabelNotKeptError):
            async with bulk.ensure_api_keys(woodpecker, label="crm", sink=lambda issued: None) as run:
                async for outcome in run:
                    seen.append((outcome.company_id, outcome.ok, outcome.created))
        assert seen == [(seen[0][0], True, True)]
        assert (run.report.ok, run.report.created) == (1, 1)


KEPT: list[tuple[Callable[[str], str | None], str]] = [
    (str.strip, "crm"),
    (lambda sent: " ".join(sent.split()), "my  crm"),
    (str.upper, "crm"),
]


@pytest.mark.parametrize(("keep", "label"), KEPT)
async def test_a_label_that_is_kept_costs_one_look(keep, label) -> None:
    async with Sandbox(companies=20, service_time=0, label_filter=keep) as box:
        for made in (20, 0):
            async with box.session() as woodpecker:
                before = len(box.journal)
                run = bulk.ensure_api_keys(woodpecker, label=label, sink=lambda issued: None)
                await outcomes(run)
                looks = 1 + 20 + made + (made > 0)
                assert (run.report.created, len(box.journal) - before) == (made, looks)


async def test_labels_are_one_in_every_unicode_form() -> None:
    composed, decomposed = "Müller", unicodedata.normalize("NFD", "Müller")
    assert composed != decomposed
    async with Sandbox(companies=3, service_time=0) as box, box.session() as woodpecker:
        first = bulk.ensure_api_keys(woodpecker, label=decomposed, sink=lambda issued: None)
        await outcomes(first)
        second = bulk.ensure_api_keys(woodpecker, label=composed, sink=lambda issued: None, resume=first.report)
        assert await outcomes(second) == []
        assert posts(box) == 3
    assert Sweep(task="ensure", label=decomposed, sink="vault").label == composed


async def test_a_list_that_lags_is_looked_at_again() -> None:
    """The first key appears in the third list; no other is created before."""
    async with Sandbox(companies=8, service_time=0) as box, box.session() as woodpecker:
        looks, most = 0, 0

        def lag(info, answer):
            nonlocal looks, most
            data = answer.json()
            if any(key["label"] == "crm" for key in data["content"]):
                looks += 1
                most = max(most, posts(box)) if looks <= 2 else most
                if looks <= 2:
                    data["content"] = [key for key in data["content"] if key["label"] != "crm"]
                    data["pagination_data"]["total_elements"] = len(data["content"])
            return answer.with_json(data)

        box.faults.add(Fault.rewriting(lag, method="GET", path=KEYS, times=None))
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=lambda issued: None)
        assert all(outcome.ok for outcome in await outcomes(run))
        assert (run.report.created, most) == (8, 1)


async def test_a_key_that_never_shows_up_stops_the_run() -> None:
    async with Sandbox(companies=8, service_time=0) as box, box.session() as woodpecker:

        def hide(_, answer):
            data = answer.json()
            data["content"] = [key for key in data["content"] if key["label"] != "crm"]
            data["pagination_data"]["total_elements"] = len(data["content"])
            return answer.with_json(data)

        box.faults.add(Fault.rewriting(hide, method="GET", path=KEYS, times=None))
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=lambda issued: None, settle=0.3)
        with pytest.raises(errors.LabelNotKeptError, match=r"did not appear in the server.s list within 0.3 s"):
            await outcomes(run)
        assert posts(box) == 1


async def test_a_look_that_fails_is_made_up_for_before_the_next_key() -> None:
    async with Sandbox(companies=6, service_time=0, label_filter=lambda _: "other") as box:
        async with box.session() as woodpecker:
            first = Fault.status(404, method="GET", path=KEYS, skip=1, times=1)
            box.faults.add(first)
            run = bulk.ensure_api_keys(
                woodpecker, box.company_ids, label="crm", sink=lambda issued: None, concurrency=1
            )
            with pytest.raises(errors.LabelNotKeptError):
                await outcomes(run)
            assert box.faults.hits(first) == 1
            assert posts(box) == 1
            assert run.report.ok == 1


async def test_a_first_creation_that_hangs_does_not_hold_up_the_others_for_good(monkeypatch) -> None:
    monkeypatch.setattr(labels, "_PATIENCE", 0.2)
    async with Sandbox(companies=12, service_time=0) as box, box.session() as woodpecker:
        box.faults.add(Fault.wait(1.5, at="after_commit", method="POST", times=1))
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=lambda issued: None, settle=0.1)
        async with asyncio.timeout(20), run:
            first = await anext(run)
            assert first.seconds < 1.5
            rest = [outcome async for outcome in run]
        assert len(rest) == 11
        assert all(outcome.ok for outcome in rest)
        assert posts(box) == 12


async def test_what_before_send_raises_is_the_outcome_and_nothing_is_sent() -> None:
    async with Sandbox(companies=9, service_time=0) as box, box.session() as woodpecker:
        bad = box.company_ids[4]
        asked = []

        def before_send(company: int) -> None:
            asked.append(company)
            if company == bad:
                raise errors.ClaimLostError("too late")

        box.faults.add(Fault.status(429, at="arrival", method="POST", company=box.company_ids[1]))
        run = bulk.ensure_api_keys(woodpecker, label="crm", sink=lambda issued: None, before_send=before_send)
        found = {outcome.company_id: outcome.error for outcome in await outcomes(run)}
        assert {company for company, error in found.items() if error} == {bad}
        assert isinstance(found[bad], errors.ClaimLostError)
        assert not [record for record in box.journal if record.method == "POST" and record.company_id == bad]
        # Before each attempt, including retries.
        assert sorted(asked) == sorted([*box.company_ids, box.company_ids[1]])
        # Nobody waits for what was not sent, and no permit of the lane is lost.
        async with asyncio.timeout(5):
            await woodpecker.agency.api_keys.ensure(bad, "crm")


async def test_jobs_of_one_worker_make_one_key_in_all(tmp_path) -> None:
    async with Sandbox(companies=20, service_time=0.002, label_filter=lambda _: "other") as box:
        async with WoodpeckerSession(box.hq_key, base_url=box.base_url) as woodpecker:
            context = Context(session=woodpecker, sinks={"vault": tmp_path / "keys"}, ledger=MemoryLedger())
            planned = await perform(Sweep(task="ensure", label="crm", sink="vault", chunk_size=5).plan(), context)
            jobs = [perform(payload, context) for payload in chunks(planned)]
            done = await asyncio.gather(*jobs, return_exceptions=True)
            assert {type(each) for each in done} == {errors.LabelNotKeptError}
            assert posts(box) == 1
