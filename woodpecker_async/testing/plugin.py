"""The pytest plugin: fixtures, and a check for keys that were logged or printed. PYTEST_DONT_REWRITE."""

import logging
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, Final, NamedTuple

import pytest

from woodpecker_async import WoodpeckerSession, creation_lock
from woodpecker_async.engine import clock as clocks
from woodpecker_async.sandbox import Fault, Sandbox
from woodpecker_async.testing import leaks
from woodpecker_async.testing.clock import Clock
from woodpecker_async.testing.sessions import session_for

_MARK: Final = "woodpecker"
_HERE: Final = "woodpecker_sandbox"


class _Running(NamedTuple):
    """A sandbox, and the faults it was created with."""

    box: Sandbox
    faults: tuple[Fault, ...]


# The sandboxes that are running now, and those that ended during this test.
_RUNNING: Final = pytest.StashKey[list[_Running]]()
_ENDED: Final = pytest.StashKey[list[_Running]]()
# What the test logged, and what it read from capsys and capfd.
_LOG: Final = pytest.StashKey[leaks.LogWatch]()
_READ: Final = pytest.StashKey[list[tuple[str, str]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.stash[_RUNNING] = []
    config.stash[_ENDED] = []
    config.addinivalue_line(
        "markers",
        f"{_MARK}(faults=[...], check_secrets=True, **arguments): the arguments of the sandbox of a test or module, "
        "and the faults to inject",
    )


# Fixtures ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def woodpecker_options() -> Mapping[str, Any]:
    """The arguments for all sandboxes of the kit; override it in your `conftest.py`."""
    return {}


def _clock() -> Clock:
    """The clock of this scope's sandbox and its sessions."""
    return Clock()


def _sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox on its own thread, usable from any event loop and from code without asyncio."""
    clock = _of_scope(request, "woodpecker_clock")
    arguments = {**request.getfixturevalue("woodpecker_options"), **_marks(request.node)}
    faults = tuple(Fault.named(fault) if isinstance(fault, str) else fault for fault in arguments.pop("faults", ()))
    arguments.pop("check_secrets", None)
    with Sandbox(**{"clock": clock, **arguments}) as box:
        box.faults.add(*faults)
        running = _Running(box, faults)
        request.config.stash[_RUNNING].append(running)
        try:
            yield box
        finally:
            request.config.stash[_RUNNING].remove(running)
            request.config.stash[_ENDED].append(running)
            creation_lock.forget()  # the next sandbox may have the same port, and creates the same keys


def _session(request: pytest.FixtureRequest) -> Iterator[WoodpeckerSession]:
    """A session with this scope's sandbox and clock, usable on every event loop."""
    with session_for(_of_scope(request, "woodpecker_sandbox")) as session:
        yield session


def _environment(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Makes sessions that the program creates itself use this scope's sandbox and clock."""
    box: Sandbox = _of_scope(request, "woodpecker_sandbox")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "WOODPECKER_BASE_URL", box.base_url)
        patch.setitem(os.environ, "WOODPECKER_API_KEY", box.hq_key)
        patch.setattr(clocks, "default", _of_scope(request, "woodpecker_clock"))
        yield box


def _of_scope(request: pytest.FixtureRequest, name: str) -> Any:
    return request.getfixturevalue(name if request.scope == "function" else f"{request.scope}_{name}")


def _fixture(scope: Any, name: str, function: Callable[..., Any]) -> Any:
    return pytest.fixture(scope=scope, name=name)(function)


woodpecker_clock = _fixture("function", "woodpecker_clock", _clock)
woodpecker_sandbox = _fixture("function", "woodpecker_sandbox", _sandbox)
woodpecker_session = _fixture("function", "woodpecker_session", _session)
woodpecker_environment = _fixture("function", "woodpecker_environment", _environment)
module_woodpecker_clock = _fixture("module", "module_woodpecker_clock", _clock)
module_woodpecker_sandbox = _fixture("module", "module_woodpecker_sandbox", _sandbox)
module_woodpecker_session = _fixture("module", "module_woodpecker_session", _session)
module_woodpecker_environment = _fixture("module", "module_woodpecker_environment", _environment)
session_woodpecker_clock = _fixture("session", "session_woodpecker_clock", _clock)
session_woodpecker_sandbox = _fixture("session", "session_woodpecker_sandbox", _sandbox)
session_woodpecker_session = _fixture("session", "session_woodpecker_session", _session)
session_woodpecker_environment = _fixture("session", "session_woodpecker_environment", _environment)


# Marks ------------------------------------------------------------------------------------------------------


def _marks(node: Any) -> dict[str, Any]:
    """The arguments from the marks of a test or module; the closest mark wins."""
    arguments: dict[str, Any] = {}
    for mark in node.iter_markers(_MARK):
        arguments = {**mark.kwargs, **arguments}
    return arguments


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail if a mark would have no effect."""
    for mark in item.iter_markers(_MARK):
        if mark.args:
            pytest.fail(f"pytest.mark.{_MARK} takes keyword arguments only, like companies=3", pytrace=False)
    for mark in item.own_markers:
        if mark.name == _MARK and mark.kwargs.keys() - {"check_secrets"} and _HERE not in _fixtures_of(item):
            pytest.fail(
                f"pytest.mark.{_MARK} on a test configures its own {_HERE}, and this test has none: use that fixture, "
                "or mark the module with pytestmark",
                pytrace=False,
            )


def _fixtures_of(item: pytest.Item) -> frozenset[str]:
    names = set(getattr(item, "fixturenames", ()))
    if names & {"woodpecker_session", "woodpecker_environment"}:
        names.add(_HERE)
    return frozenset(names)


# Around each test -------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Show each test only its own requests, remove its faults afterwards, and keep what it logs for the check."""
    running, ended = item.config.stash[_RUNNING], item.config.stash[_ENDED]
    ended.clear()
    for box, _ in running:
        box.journal.clear()
    item.stash[_LOG] = log = leaks.LogWatch()
    item.stash[_READ] = []
    logging.getLogger().addHandler(log)
    try:
        return (yield)
    finally:
        logging.getLogger().removeHandler(log)
        for box, faults in running:
            box.faults.clear(keep=faults)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Watch what the test reads from capsys and capfd."""
    for name, value in pyfuncitem.funcargs.items():
        if isinstance(value, pytest.CaptureFixture):
            leaks.watch_readouterr(value, name, lambda where, text: pyfuncitem.stash[_READ].append((where, text)))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail the test if a sandbox's key was logged or printed."""
    report = yield
    boxes = [box for box, _ in (*item.config.stash[_RUNNING], *item.config.stash[_ENDED])]
    logged, item.stash[_LOG].seen = item.stash[_LOG].seen, []
    read, item.stash[_READ] = item.stash[_READ], []
    if not boxes or not _marks(item).get("check_secrets", True):
        return report
    printed = [(name.removeprefix("Captured "), text) for name, text in report.sections if _is_output(name, call.when)]
    found = leaks.find(leaks.secrets_of(boxes), [*printed, *read, *logged])
    if found:
        told = "API keys of the sandbox were logged or printed in clear:\n" + "\n".join(f"  {line}" for line in found)
        if report.passed:
            report.outcome = "failed"
            report.longrepr = told
        else:
            report.sections.append(("API keys in clear", told))
    return report


def _is_output(section: str, when: str) -> bool:
    return section in (f"Captured stdout {when}", f"Captured stderr {when}")
