"""For every test: its own sandbox on request, and a check afterwards for leaks."""

import asyncio
import asyncio.constants
import gc
import os
import threading
import traceback
from collections.abc import AsyncIterator, Generator, Iterator

import pytest
from hypothesis import settings

from tests.circles import apart, is_quick, mark_by_fixtures, mark_rules
from woodpecker_async import WoodpeckerSession, creation_lock
from woodpecker_async.sandbox import Sandbox

# How long an example takes depends on the machine, and says nothing about the rule.
# On a developer's machine each run tries other examples; a CI run is repeatable.
EXAMPLES = {"quick": 40, "long": 200}
for _circle, _examples in EXAMPLES.items():
    settings.register_profile(f"{_circle} here", max_examples=_examples, deadline=None)
    settings.register_profile(f"{_circle} ci", max_examples=_examples, derandomize=True, deadline=None)


@pytest.hookimpl(tryfirst=True)  # before the first module of tests is imported
def pytest_configure(config: pytest.Config) -> None:
    """Try a few examples of each rule in the quick tests, and many with `-m long`."""
    circle = "long" if config.option.markexpr == "long" else "quick"
    settings.load_profile(f"{circle} {'ci' if os.environ.get('CI') else 'here'}")


# In debug mode asyncio records the stack of each future and callback: all of pytest's frames, with their source
# lines, which was 40 % of the time of the suite. Its checks need no stack, and a few frames say whose future it is.
_FRAMES = 3
asyncio.constants.DEBUG_STACK_DEPTH = _FRAMES
traceback.extract_stack.__defaults__ = (None, _FRAMES)  # the compiled part of asyncio has the function itself


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the implied markers."""
    mark_by_fixtures(items)
    if config.option.markexpr == "long":
        mark_rules(items)


def pytest_collection_finish() -> None:
    """Exempt all modules and tests from garbage collection, because many tests run it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep a quick test in its process, including the fixtures of every scope that are set up for it."""
    if not is_quick(item):
        return (yield)
    with apart():
        return (yield)


@pytest.fixture(scope="module", autouse=True)
def _forget_garbage() -> Iterator[None]:
    """Collect what the module's tests left; what is still in use (imports, caches) is not gone through again."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WOODPECKER_API_KEY", "WOODPECKER_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_creations_remembered() -> None:
    """What a process remembers about its creations must not depend on earlier tests."""
    creation_lock.forget()


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [
        thread
        for thread in threading.enumerate()
        if thread not in before and not thread.name.startswith("asyncio_")  # the loop's own executor
    ]
    assert not left, f"threads left behind: {left}"


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    """A sandbox with 12 companies with 3 keys each; afterwards none of the test's tasks may be left."""
    async with Sandbox(companies=12, keys_per_company=3, inactive=1) as sandbox:
        yield sandbox


@pytest.fixture
async def woodpecker(box: Sandbox) -> AsyncIterator[WoodpeckerSession]:
    async with box.session() as session:
        yield session


@pytest.fixture
async def no_tasks_left() -> AsyncIterator[None]:
    """For tests that cancel, break and fail on purpose."""
    before = asyncio.all_tasks()
    yield
    gc.collect()
    for _ in range(20):
        left = [task for task in asyncio.all_tasks() - before if "woodpecker" in repr(task)]
        if not left:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"tasks left behind: {left}")
