"""Sentinel keys go through every method and every failure, and are never seen.

They are searched for as crash reporters do: in the text and fields of exceptions, in the variables of every frame of
their tracebacks, and in everything reachable from there (see `tests.walker`).
"""

import asyncio
import contextlib
import gc
import inspect
import io
import itertools
import json
import logging
import os
import pickle
import random
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType, TracebackType

import aiohttp
import cattrs
import pytest
import tenacity
import yarl

import woodpecker_async
from tests.calls import method_of_the_session, methods_of, methods_of_the_session, row_of
from tests.fakes import Hasty
from tests.raw import answer, raw_server
from tests.reporters import REPORTERS, SENTRY
from tests.telescope import Telescope
from tests.walker import Interruption, frames, leaks
from woodpecker_async import CallOptions, RetryPolicy, Secret, Timeouts, WoodpeckerSession, bulk, creation_lock, errors
from woodpecker_async.engine.lanes import _LEFT_BEHIND
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.sandbox.linkedin import LinkedIn

SENT = "SENTINELsentinel"  # in the passwords that the rows of tests/calls send, and in what servers send back
QUICK = RetryPolicy(attempts=2, initial_backoff=0.01)
KEPT = CallOptions(keep_raw=True)


def failing_sink(issued) -> None:
    raise ValueError(f"no room for {issued.api_key.reveal()}")


async def outcomes(run: bulk.Run) -> list[object]:
    async with run:
        return [outcome async for outcome in run] + [run.report, run.report.to_json()]


def unknown(company_id: int) -> errors.KeyOutcomeUnknownError:
    return errors.KeyOutcomeUnknownError("a test", company_id=company_id, label="crm", kind="several_keys")


def calling(name: str) -> Callable[[WoodpeckerSession, int], Awaitable[object]]:
    """The call of a method, according to its row in `tests.calls`."""
    row, without_company = row_of(name)
    return lambda w, c: row.call(method_of_the_session(w, name, c), c, without_company=without_company)


# Methods with several requests, or with options that change how a response is read.
PROCEDURES: dict[str, Callable[[WoodpeckerSession, int], Awaitable[object]]] = {
    "agency.api_keys.list": lambda w, c: anext(w.agency.api_keys.list(c, options=KEPT).pages(prefetch=1)),
    "agency.api_keys.create": lambda w, c: w.agency.api_keys.create(c, "crm", settle=0),
    "agency.api_keys.ensure": lambda w, c: w.agency.api_keys.ensure(c, "crm", settle=0),
    "agency.api_keys.resolve": lambda w, c: w.agency.api_keys.resolve(unknown(c)),
    "company.api_keys.list": lambda w, c: w.company(c).api_keys.list(options=CallOptions(strict=True)).collect(),
    "company.api_keys.create": lambda w, c: w.company(c).api_keys.create("crm", settle=0),
    "company.api_keys.ensure": lambda w, c: w.company(c).api_keys.ensure("crm", settle=0),
    "company.api_keys.resolve": lambda w, c: w.company(c).api_keys.resolve(unknown(c)),
    "raw": lambda w, c: w.raw("GET", f"/v2/agency/companies/{c}/api_keys"),
    "request": lambda w, c: w.request("GET", f"/v2/agency/companies/{c}/api_keys"),
    "bulk.list_api_keys": lambda w, c: outcomes(bulk.list_api_keys(w)),
    "bulk.ensure_api_keys": lambda w, c: outcomes(
        bulk.ensure_api_keys(w, [c], label="crm", sink=failing_sink, settle=0, grace=0.1)
    ),
}
CALLS = {name: calling(name) for name in methods_of_the_session(WoodpeckerSession("1.key"))} | PROCEDURES
FELDERA: dict[str, Callable[[FelderaSession], Awaitable[object]]] = {
    "api_keys.create": lambda f: f.api_keys.create("ci"),
    "api_keys.list": lambda f: f.api_keys.list().collect(),
    "api_keys.get": lambda f: f.api_keys.get("ci"),
    "api_keys.delete": lambda f: f.api_keys.delete("ci"),
}
# Of each kind one, where all take the same way: a page, a write, a creation, a bare list, a mapping, passwords, a bulk run.
KINDS = (
    "agency.api_keys.list",
    "agency.api_keys.create_once",
    "agency.api_keys.ensure",
    "agency_v1.companies",
    "company.me",
    "company.mailboxes.connect",
    "bulk.list_api_keys",
)
PLAIN_BY_WISH = {"request", "account.request", "company.request"}  # they return JSON unchanged


def test_every_method_is_covered() -> None:
    public = {"raw", "request", *(f"bulk.{name}" for name in bulk.__all__ if inspect.isfunction(getattr(bulk, name)))}
    assert set(CALLS) - methods_of_the_session(WoodpeckerSession("1.key")).keys() == public
    feldera = FelderaSession("http://127.0.0.1", token="t")
    assert {f"api_keys.{name}" for name in methods_of(feldera.api_keys)} == set(FELDERA)


def _sent(body: bytes) -> list[object]:
    """A body as a server may echo it: in one piece, and in parts. (Values below a secret's name are masked.)"""
    parts = json.loads(body)["mailboxes"] if b'"mailboxes"' in body else []
    return [body.decode(), [f"{name} {value}" for part in parts for name, value in part.items()]]


def echoing(status: int) -> Fault:
    """A server that echoes everything: the key in all forms, the keys of the company, and the request's content."""

    def echo(info, sent):
        key = next(value for name, value in info.headers.items() if name.lower() in ("x-api-key", "authorization"))
        other = "123456.SENTINELsentinel123456"
        said = f"{key} {other}\r\n\x1b[2J\u202e"
        body = {
            "title": said,
            "detail": said,
            "code": said,
            "details": {"x": [{"api_key": [other, key], "why": said}], key: 1, "sent": _sent(info.body)},
        }
        return sent.with_json(body).with_headers(X_Request_Id=key, X_Echo=key, Location=f"https://{key}/")

    def rewritten(info, sent):
        return woodpecker_async.sandbox.wire.evolve(echo(info, sent), status=status)

    return Fault.rewriting(rewritten, times=None)


FAULTS: dict[str, Callable[[], Fault] | None] = {
    "success": None,
    **{
        str(status): lambda status=status: Fault.status(status, times=None)
        for status in (400, 401, 403, 404, 409, 418, 500, 502, 503, 504)
    },
    "429": lambda: Fault.status(429, times=None, headers={"Retry-After": "3600"}),
    "html": lambda: Fault.html(502, times=None),
    "lost": lambda: Fault.close(times=None),
    "lost after commit": lambda: Fault.close(at="after_commit", times=None),
    "half": lambda: Fault.half_body(times=None),
    "timeout": lambda: Fault.wait(0.2, at="after_commit", times=None),
    "not JSON": lambda: Fault.truncated_json(times=None),
    "wrong type": lambda: Fault.rewriting(
        lambda _, sent: sent.with_json({"content": [{"api_key": ["x"], "label": 7}], "api_key": 3}), times=None
    ),
    "wrong beside": lambda: Fault.rewriting(_wrong_beside, times=None),
    "redirect": lambda: Fault.redirect("https://elsewhere.example/?k=1", times=None),
    "echo 400": lambda: echoing(400),
    "echo 302": lambda: echoing(302),
    "echo 500": lambda: echoing(500),
}


def _wrong_beside(_, sent):
    """The keys are valid, but the other fields are not."""
    data = sent.json()
    for item in data.get("content", ()) if isinstance(data, dict) else data:
        item["label" if "label" in item else "id"] = [item.get("api_key")]
    return sent.with_json({**data, "id": None, "name": None, "extra": 1} if isinstance(data, dict) else data)


def secrets_of(box: Sandbox) -> set[str]:
    companies = box.state.companies.values()
    keys = {key.secret for company in companies for key in company.keys}
    links = {link for company in companies for link in company.of_family(LinkedIn, box.state.seed).links}
    return (
        keys
        | links
        | {link.rpartition("=")[2] for link in links}
        | {box.hq_key, box.feldera_token}
        | {key.api_key for key in box.state.feldera_keys.values()}
    )


def prepare(box: Sandbox, name: str) -> None:
    """Create in the sandbox what a call needs."""
    with contextlib.suppress(KeyError):  # no row: it needs nothing
        row, _ = row_of(name)
        if row.prepare is not None:
            row.prepare(box.state.companies[box.company_ids[0]], box.state.seed)


def forget() -> None:
    """What calls have left in flight, at the server and at a company, delays the next one."""
    creation_lock.forget()
    _LEFT_BEHIND.clear()


class Seen:
    """Everything observed of calls: failures as raised, and everything else as text."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.texts: list[str] = []
        self.pickles: list[bytes] = []
        self.failures = 0
        self.found: list[str] = []

    async def of(self, call: Awaitable[object], *, plain: bool = False) -> None:
        try:
            result = await call
        except errors.WoodpeckerError as error:
            self.failure(error)
        else:
            if not plain:
                self.texts += [repr(result), str(result), f"{result}"]
                self.pickles.append(pickle.dumps(result))
                for part in result if isinstance(result, list) else ():
                    if isinstance(getattr(part, "error", None), BaseException):
                        self.failure(part.error)

    def failure(self, error: BaseException) -> None:
        self.failures += 1
        self.texts += [repr(error), str(error), *traceback.format_exception(error)]
        self.pickles.append(pickle.dumps(error))
        self.found += leaks(error, self.secrets())

    def secrets(self) -> set[str]:
        return secrets_of(self.box) | {SENT}

    def check(self) -> None:
        assert not self.found
        everything = "\n".join(self.texts)
        for secret in self.secrets():
            assert secret not in everything
            assert not any(secret.encode() in pickled for pickled in self.pickles)


# These meet the model of each answer. The others meet what all methods share, so in the short form each method meets
# one in so many of them; procedures, and one method of each kind, meet all.
FOR_ALL = {"success", "wrong type", "wrong beside", "echo 400"}
ONE_IN = 8


def calls_for(fault: str, *, long: bool) -> list[str]:
    turn = list(FAULTS).index(fault)
    return [
        name
        for number, name in enumerate(CALLS)
        if long or fault in FOR_ALL or name in PROCEDURES or name in KINDS or (number + turn) % ONE_IN == 0
    ]


def test_each_method_meets_faults_of_each_sort_and_each_fault_methods_of_each_family() -> None:
    met = {fault: set(calls_for(fault, long=False)) for fault in FAULTS}
    for name in CALLS:
        assert sum(name in names for names in met.values()) >= len(FAULTS) // ONE_IN
    assert all(set(calls_for(fault, long=True)) == set(CALLS) for fault in FAULTS)
    assert all(met[fault] >= PROCEDURES.keys() | set(KINDS) for fault in FAULTS)


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.long)])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_key_is_ever_shown(
    fault: str, long: bool, caplog: pytest.LogCaptureFixture, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("woodpecker_async.engine.backlog._PAUSES", (0.0,))  # not what is tested here
    events: list[object] = []
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        async with Sandbox(companies=2, inactive=1, service_time=0) as box:
            seen = Seen(box)
            script = FAULTS[fault]
            settings = {
                "retry": QUICK,
                "timeouts": Timeouts(attempt=0.05 if fault == "timeout" else 5),
                "hooks": [events.append],
                "clock": Hasty(),
            }
            telescope = Telescope()
            async with (
                telescope.on(box.session(**settings)) as woodpecker,
                telescope.on(box.feldera_session(**settings)) as feldera,
            ):
                if script is not None:
                    box.faults.add(script())
                for name in calls_for(fault, long=long):
                    forget()
                    prepare(box, name)
                    await seen.of(CALLS[name](woodpecker, box.company_ids[0]), plain=name in PLAIN_BY_WISH)
                for call in FELDERA.values():
                    await seen.of(call(feldera))
            seen.texts += [caplog.text, repr([vars(record) for record in caplog.records])]
            seen.texts += [str(warning.message) for warning in caught_warnings]
            seen.texts += [telescope.text(), repr(events), *capsys.readouterr()]
            telescope.close()
            seen.check()
    assert seen.failures or fault == "success"


# What interrupts a call ------------------------------------------------------------------------------------------


async def by_timeout(call: Awaitable[object]) -> None:
    async with asyncio.timeout(0.05):
        await call


async def by_wait_for(call: Awaitable[object]) -> None:
    await asyncio.wait_for(call, 0.05)


async def by_cancelling(call: Awaitable[object]) -> None:
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0.05)
    task.cancel("enough")
    await task


async def by_a_sibling(call: Awaitable[object]) -> None:
    async def fails() -> None:
        await asyncio.sleep(0.05)
        raise RuntimeError("another task of the group")

    async def calls() -> None:
        await call

    async with asyncio.TaskGroup() as group:
        group.create_task(calls())
        group.create_task(fails())


async def while_handling(call: Awaitable[object]) -> None:
    try:
        raise RuntimeError("what the caller is handling")
    except RuntimeError:
        await by_timeout(call)


CUTTERS = (by_timeout, by_wait_for, by_cancelling, by_a_sibling, while_handling)


SHORT = sorted({*KINDS, *PROCEDURES})


@pytest.mark.parametrize(
    ("cut", "names"),
    [
        *((cut, KINDS) for cut in CUTTERS[1:]),
        (by_timeout, SHORT),
        pytest.param(by_timeout, CALLS, marks=pytest.mark.long),
    ],
)
async def test_what_is_cut_off_shows_nothing(cut, names, no_tasks_left) -> None:
    with Sandbox(companies=1, service_time=2) as box:  # on its own loop: this one is in asyncio's frames
        async with box.session() as woodpecker, box.feldera_session() as feldera:
            calls = [lambda name=name: CALLS[name](woodpecker, box.company_ids[0]) for name in names]
            calls += [lambda call=call: call(feldera) for call in FELDERA.values()]
            for call in calls:
                forget()
                with pytest.raises(BaseException) as caught:
                    await cut(call())
                assert not leaks(caught.value, secrets_of(box) | {SENT})


def test_a_coroutine_that_is_thrown_away_shows_nothing() -> None:
    with Sandbox(companies=1, service_time=5) as box:
        loop = asyncio.new_event_loop()
        session = box.session()

        async def begin() -> asyncio.Task:
            task = asyncio.ensure_future(session.agency.api_keys.list(box.company_ids[0]).collect())
            await asyncio.sleep(0.05)
            return task

        seen: list[BaseException] = []
        task = loop.run_until_complete(begin())

        def throw_away() -> None:
            try:
                task.get_coro().throw(GeneratorExit)
            except BaseException as error:
                seen.append(error)

        loop.call_soon(throw_away)
        task.cancel()
        with contextlib.suppress(BaseException):
            loop.run_until_complete(task)
        loop.run_until_complete(session.aclose())
        loop.run_until_complete(asyncio.sleep(0.01))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        assert [type(error) for error in seen] == [GeneratorExit]
        assert not leaks(seen[0], secrets_of(box))


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["agency.api_keys.list", "agency.api_keys.create_once", "account.me"])
def test_a_signal_handler_that_raises_shows_nothing(kind: type[BaseException], name: str) -> None:
    """From the loop's own frames, with the call still pending."""

    def stop(*_: object) -> None:
        raise kind

    with Sandbox(companies=1, service_time=5) as box:
        session = box.session()
        loop = asyncio.new_event_loop()
        before = signal.signal(signal.SIGALRM, stop)
        try:
            task = loop.create_task(_awaited(CALLS[name](session, box.company_ids[0])))
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(kind) as caught:
                loop.run_until_complete(task)
            assert not leaks(caught.value, secrets_of(box))
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                loop.run_until_complete(task)
            assert not leaks(cancelled.value, secrets_of(box))
            loop.run_until_complete(session.aclose())
            loop.run_until_complete(loop.shutdown_asyncgens())  # with which what listens ends, as in `asyncio.run`
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            loop.close()


async def _awaited(call: Awaitable[object]) -> object:
    return await call


_SDK = Path(woodpecker_async.__file__).parent
# The library and the Python code below it, where a test can interrupt it.
_PLACES = tuple(
    map(
        str,
        [
            *(
                _SDK / part
                for part in ("engine", "resources", "models", "pagination", "exactly_once", "time_limit", "session")
            ),
            *(Path(module.__file__).parent for module in (aiohttp, cattrs, tenacity, yarl)),
        ],
    )
)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from 3.12 on a trace function is not told of each opcode")
@pytest.mark.filterwarnings("ignore")  # a connection taken away from aiohttp warns that it was not closed
@pytest.mark.parametrize("fault", ["none", "500", "wrong beside"])
@pytest.mark.parametrize("name", ["agency.api_keys.list", "agency.api_keys.create_once"])
@pytest.mark.parametrize("every", [31, pytest.param(1, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_interrupted_anywhere(name: str, fault: str, every: int, caplog: pytest.LogCaptureFixture) -> None:
    """Ctrl-C at each place where it can interrupt a call, here and below; in the short form at some of them."""
    caplog.set_level(logging.CRITICAL + 1)
    with Sandbox(companies=1, keys_per_company=3, service_time=0) as box:
        if fault != "none":
            box.faults.add(FAULTS[fault]())
        seen = 0
        for moment in itertools.count(1 + random.randrange(every), every):
            error, found, happened = _interrupted(box, name, moment)
            if not happened:
                break
            if isinstance(error, KeyboardInterrupt) and any(_is_ours(frame) for frame, _ in frames(error)):
                # Elsewhere the loop itself has run aiohttp, when bytes arrived or to send a body: no frame of ours
                # is above that, so none of ours can cut it off.
                seen += 1
                assert not found, moment
        assert seen > 5
    gc.collect()  # warnings about it must come here, and not in another test


def _is_ours(frame: FrameType) -> bool:
    # The guard of the connections is called by aiohttp when bytes arrive, below those frames.
    file = frame.f_code.co_filename
    return file.startswith(str(_SDK)) and not file.endswith("connections.py")


def _interrupted(box: Sandbox, name: str, moment: int) -> tuple[BaseException | None, list[str], bool]:
    forget()
    loop = asyncio.new_event_loop()
    session = box.session(retry=QUICK)
    interruption = Interruption(moment, _PLACES)

    async def call(trace: Callable | None) -> None:
        sys.settrace(trace)
        await CALLS[name](session, box.company_ids[0])

    error, tracing = None, sys.gettrace()
    try:
        with contextlib.suppress(errors.WoodpeckerError):
            loop.run_until_complete(call(None))  # connected, and all imported
        try:
            loop.run_until_complete(call(interruption))
        except BaseException as caught:
            error = caught
        finally:
            sys.settrace(tracing)
        found = leaks(error, secrets_of(box)) if error is not None else []
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with contextlib.suppress(BaseException):
            loop.run_until_complete(session.aclose())
        with contextlib.suppress(BaseException):
            loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
    return error, found, interruption.happened


# What crash reporters show -------------------------------------------------------------------------------


@pytest.mark.parametrize("reporter", REPORTERS)
async def test_a_reporter_finds_no_key(reporter: str) -> None:
    report = REPORTERS[reporter]
    async with Sandbox(companies=1, service_time=0.1) as box, box.session(retry=QUICK) as woodpecker:

        async def failing(cut, name: str, fault: Fault | None = None) -> str:
            box.faults.clear()
            if fault is not None:
                box.faults.add(fault)
            with pytest.raises(BaseException) as caught:
                await cut(CALLS[name](woodpecker, box.company_ids[0]))
            return report(caught.value)

        told = [
            await failing(by_timeout, "agency.api_keys.list"),
            await failing(by_wait_for, "agency.api_keys.create_once"),
            await failing(_awaited, "agency.api_keys.list", FAULTS["wrong beside"]()),
            await failing(_awaited, "agency_v1.companies", FAULTS["not JSON"]()),
            await failing(_awaited, "agency.api_keys.list", echoing(400)),
        ]
        assert all(len(text) > 500 for text in told)
        for secret in secrets_of(box):
            assert not any(secret in text for text in told)


@pytest.mark.system
def test_sentry_with_all_its_defaults_finds_no_key() -> None:
    with Sandbox(companies=1, service_time=0) as box:
        box.faults.add(Fault.wait(1), Fault.rewriting(_wrong_beside))
        env = {**os.environ, "WOODPECKER_API_KEY": box.hq_key}
        command = [sys.executable, "-c", SENTRY, box.base_url, str(box.company_ids[0])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env)
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)) >= 4
        for secret in secrets_of(box):
            assert secret not in done.stdout + done.stderr


# The caller's code ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["agency.api_keys.list", "agency.api_keys.create_once", "account.me"])
@pytest.mark.parametrize("moment", ["start", "end", "retry"])
async def test_a_hook_that_ends_the_program_shows_nothing(moment: str, name: str) -> None:
    def hook(event) -> None:
        if event.kind == moment:
            raise SystemExit(3)

    async with Sandbox(companies=1, service_time=0) as box, box.session(retry=QUICK, hooks=[hook]) as woodpecker:
        if moment == "retry":
            box.faults.add(Fault.status(500, times=None))
        never = (moment, name) == ("retry", "agency.api_keys.create_once")  # a write is not retried
        with pytest.raises(errors.OutcomeUnknownError if never else SystemExit) as caught:
            await CALLS[name](woodpecker, box.company_ids[0])
        assert not leaks(caught.value, secrets_of(box))


async def test_what_a_hook_can_reach_holds_no_body(box: Sandbox) -> None:
    found: list[str] = []

    def hook(event) -> None:
        try:
            raise RuntimeError
        except RuntimeError as error:
            frame = inspect.currentframe().f_back
            while frame is not None and "woodpecker_async" in frame.f_code.co_filename:
                error = error.with_traceback(_traceback_of(frame, error.__traceback__))
                frame = frame.f_back
            found.extend(leaks(error, secrets_of(box)))

    async with box.session(hooks=[hook]) as woodpecker:
        await woodpecker.agency.api_keys.list(box.company_ids[0]).collect()
    assert not found


def _traceback_of(frame, below):
    return TracebackType(below, frame, frame.f_lasti, frame.f_lineno)


class Vault:
    """A key function that is an object and contains the key."""

    def __init__(self, key: str, error: BaseException | None = None) -> None:
        self.key = key
        self.error = error

    def __call__(self) -> str:
        if self.error is not None:
            raise self.error
        return self.key

    def __repr__(self) -> str:
        return f"Vault({self.key!r})"


class SlowVault(Vault):
    async def __call__(self) -> str:
        await asyncio.sleep(0)
        return super().__call__()


@pytest.mark.parametrize("vault", [Vault, SlowVault])
async def test_an_object_that_knows_the_key_is_out_of_sight(vault: type[Vault]) -> None:
    async with Sandbox(companies=1, service_time=0.3) as box:
        async with WoodpeckerSession(vault(box.hq_key), base_url=box.base_url) as woodpecker:
            with pytest.raises(TimeoutError) as caught:
                await by_timeout(woodpecker.account.me())
            assert not leaks(caught.value, secrets_of(box))
        failing = vault(box.hq_key, LookupError("the vault is closed"))
        async with WoodpeckerSession(failing, base_url=box.base_url) as woodpecker:
            with pytest.raises(LookupError) as failed:
                await woodpecker.account.me()
            assert not leaks(failed.value, secrets_of(box))
            assert "closed" in str(failed.value)


@pytest.mark.parametrize("key", ["1.sentinel-key\n", "1.sentinel key", b"1.sentinel-key", ["1.sentinel-key"]])
def test_a_key_that_is_refused_is_not_shown(key) -> None:
    for make in (
        lambda: WoodpeckerSession(key),
        lambda: FelderaSession("http://127.0.0.1", token=key),
        lambda: Secret(key).reveal() if not isinstance(key, str) else WoodpeckerSession(Secret(key)),
    ):
        with pytest.raises(errors.ConfigError) as caught:
            make()
        assert not leaks(caught.value, ["sentinel"])


@pytest.mark.parametrize("key", ["1.sentinel-key\n", b"1.sentinel-key", lambda: "1.sentinel-key"])
async def test_a_rotated_key_that_is_refused_is_not_shown(key, box: Sandbox) -> None:
    async def later() -> object:
        return key

    for source in (lambda: key, later):
        async with WoodpeckerSession(source, base_url=box.base_url) as woodpecker:
            with pytest.raises(errors.ConfigError, match="the API key") as caught:
                await woodpecker.account.me()
        assert not leaks(caught.value, ["sentinel"])


def test_a_proxys_password_is_not_shown() -> None:
    with pytest.raises(errors.ConfigError) as caught:
        WoodpeckerSession("1.key", proxy="socks5://user:sentinel@host:1")
    assert "sentinel" not in str(caught.value)


async def test_a_crash_in_the_callers_code_prints_no_key(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError) as caught:
        async for key in woodpecker.agency.api_keys.list(box.company_ids[0]):
            raise RuntimeError(f"could not store {key}")
    traceback.print_exception(caught.value, file=stream)
    assert not leaks(caught.value, secrets_of(box))
    assert all(secret not in stream.getvalue() for secret in secrets_of(box))
    assert sys.exc_info() == (None, None, None)


async def test_a_task_that_fails_unseen_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """What asyncio reports about an exception that was never retrieved."""
    told: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with Sandbox(companies=1, service_time=0) as box, box.session(retry=QUICK) as woodpecker:
        box.faults.add(FAULTS["wrong beside"]())
        task = asyncio.ensure_future(woodpecker.agency.api_keys.list(box.company_ids[0]).collect())
        await asyncio.wait([task])
        del task
        gc.collect()
        (context,) = told
        assert not leaks(context["exception"], secrets_of(box))


async def test_a_connection_that_breaks_while_it_is_read_shows_nothing() -> None:
    async def handle(server, number, head):
        return answer(b'{"content": [{"api_key": "1.sentinel-key", "label": 7}], "x":' + b" " * 100_000)

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.sentinel-hq", base_url=server.url, retry=QUICK) as woodpecker:
            with pytest.raises(errors.ResponseDecodeError) as caught:
                await woodpecker.agency.api_keys.list(1)
    assert not leaks(caught.value, ["sentinel"])
