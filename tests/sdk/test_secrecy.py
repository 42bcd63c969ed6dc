"""A sentinel key goes through every endpoint and every failure, and is never seen."""

import asyncio
import io
import logging
import pickle
import sys
import traceback
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import woodpecker_async
from woodpecker_async import CallOptions, RetryPolicy, Secret, Timeouts, WoodpeckerSession, bulk, errors
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.sandbox import Fault, Sandbox

HOME = str(Path(woodpecker_async.__file__).parent)
QUICK = RetryPolicy(attempts=2, first_wait=0.01)

CALLS: dict[str, Callable[[WoodpeckerSession, int], Awaitable[object]]] = {
    "companies.list": lambda w, c: w.agency.companies.list().collect(),
    "companies.create": lambda w, c: w.agency.companies.create(["Aviato"]),
    "api_keys.list": lambda w, c: w.agency.api_keys.list(c, options=CallOptions(keep_raw=True)).collect(),
    "api_keys.page": lambda w, c: anext(w.agency.api_keys.list(c, options=CallOptions(keep_raw=True)).pages()),
    "api_keys.create": lambda w, c: w.agency.api_keys.create(c, "crm", settle=0),
    "api_keys.ensure": lambda w, c: w.agency.api_keys.ensure(c, "crm", settle=0),
    "api_keys.create_once": lambda w, c: w.agency.api_keys.create_once(c, "crm"),
    "email_accounts": lambda w, c: w.agency.email_accounts.list(c).collect(),
    "v1.companies": lambda w, c: w.agency_v1.companies().collect(),
    "v1.create_api_key": lambda w, c: w.agency_v1.create_api_key(c, "crm"),
    "v1.create_company": lambda w, c: w.agency_v1.create_company("Aviato"),
    "me": lambda w, c: w.account.me(),
    "company.me": lambda w, c: w.company(c).me(),
    "mailboxes": lambda w, c: w.company(c).mailboxes.list().collect(),
}

FAULTS: dict[str, Fault | None] = {
    "success": None,
    "400": Fault.status(400, times=None),
    "401": Fault.status(401, times=None),
    "403": Fault.status(403, times=None),
    "404": Fault.status(404, times=None),
    "409": Fault.status(409, times=None),
    "429": Fault.status(429, times=None, headers={"Retry-After": "3600"}),
    "500": Fault.status(500, times=None),
    "html": Fault.html(502, times=None),
    "lost": Fault.close(times=None),
    "half": Fault.half_body(times=None),
    "timeout": Fault.wait(0.3, at="after_commit", times=None),
    "decode": Fault.truncated_json(times=None),
    "wrong type": Fault.rewriting(
        lambda _, answer: answer.with_json({"content": [{"api_key": ["x"], "label": 7}], "api_key": 3}), times=None
    ),
    "redirect": Fault.redirect("https://elsewhere.example/?k=1", times=None),
}


def shown(error: BaseException) -> str:
    """All that a crash reporter would collect of an error: text, attributes, SDK frames with their locals."""
    parts = [repr(error), str(error), repr(vars(error)), repr(error.args)]
    parts += traceback.format_exception(error)
    captured = traceback.TracebackException.from_exception(error, capture_locals=True)
    for told in _with_causes(captured):
        parts += [
            f"{frame.name} {name}={value}"
            for frame in told.stack
            if frame.filename.startswith(HOME) and "sandbox" not in frame.filename
            for name, value in (frame.locals or {}).items()
        ]
    return "\n".join(parts)


def _with_causes(told: traceback.TracebackException | None):
    while told is not None:
        yield told
        told = told.__cause__ or told.__context__


def secrets_of(box: Sandbox) -> set[str]:
    keys = {key.secret for company in box.state.companies.values() for key in company.keys}
    return keys | {box.hq_key, box.feldera_token} | {key.api_key for key in box.state.feldera_keys.values()}


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_key_is_ever_shown(fault: str, caplog: pytest.LogCaptureFixture, capsys) -> None:
    collected: list[str] = []
    pickles: list[bytes] = []
    events: list[object] = []
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        async with Sandbox(companies=3, inactive=1, service_time=0) as box:
            timeouts = Timeouts(attempt=0.15 if fault == "timeout" else 5)
            async with box.session(retry=QUICK, timeouts=timeouts, hooks=[events.append]) as woodpecker:
                for call in CALLS.values():
                    box.faults.clear()
                    if (scripted := FAULTS[fault]) is not None:
                        box.faults.add(scripted)
                    try:
                        result = await call(woodpecker, box.company_ids[0])
                    except errors.WoodpeckerError as error:
                        collected.append(shown(error))
                        pickles.append(pickle.dumps(error))
                    else:
                        collected += [repr(result), str(result), f"{result}"]
                        pickles.append(pickle.dumps(result))
                run = bulk.list_api_keys(woodpecker)
                try:
                    async with run:
                        collected += [repr(outcome) async for outcome in run]
                except errors.WoodpeckerError as error:
                    collected.append(shown(error))
                collected += [run.report.to_json(), repr(run.report)]
            async with box.feldera_session(retry=QUICK, timeouts=timeouts) as feldera:
                for call in (feldera.api_keys.create("ci"), feldera.api_keys.list().collect()):
                    try:
                        collected.append(repr(await call))
                    except errors.WoodpeckerError as error:
                        collected.append(shown(error))
            collected += [caplog.text, repr([vars(record) for record in caplog.records])]
            collected += [str(warning.message) for warning in caught_warnings]
            collected += [repr(events), *capsys.readouterr()]
            everything = "\n".join(collected)
            for secret in secrets_of(box):
                assert secret not in everything
                assert not any(secret.encode() in pickled for pickled in pickles)


async def test_cancelling_shows_nothing() -> None:
    async with Sandbox(companies=1, service_time=0.3) as box, box.session() as woodpecker:
        for call in CALLS.values():
            task = asyncio.ensure_future(call(woodpecker, box.company_ids[0]))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert all(secret not in shown(caught.value) for secret in secrets_of(box))


@pytest.mark.parametrize("key", ["1.sentinel-key\n", "1.sentinel key", b"1.sentinel-key", ["1.sentinel-key"]])
def test_a_key_that_is_refused_is_not_shown(key) -> None:
    for make in (
        lambda: WoodpeckerSession(key),
        lambda: FelderaSession("http://127.0.0.1", token=key),
        lambda: Secret(key).reveal() if not isinstance(key, str) else WoodpeckerSession(Secret(key)),
    ):
        with pytest.raises(errors.ConfigError) as caught:
            make()
        assert "sentinel" not in shown(caught.value)


async def test_a_rotated_key_that_is_refused_is_not_shown(box: Sandbox) -> None:
    async with WoodpeckerSession(lambda: "1.sentinel-key\n", base_url=box.base_url) as woodpecker:
        with pytest.raises(errors.ConfigError) as caught:
            await woodpecker.account.me()
    assert "sentinel" not in shown(caught.value)


def test_a_proxys_password_is_not_shown() -> None:
    with pytest.raises(errors.ConfigError) as caught:
        WoodpeckerSession("1.key", proxy="socks5://user:sentinel@host:1")
    assert "sentinel" not in str(caught.value)


async def test_a_crash_in_the_callers_code_prints_no_key(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    stream = io.StringIO()
    try:
        async for key in woodpecker.agency.api_keys.list(box.company_ids[0]):
            raise RuntimeError(f"could not store {key}")
    except RuntimeError:
        traceback.print_exc(file=stream)
    assert all(secret not in stream.getvalue() for secret in secrets_of(box))
    assert sys.exc_info() == (None, None, None)
