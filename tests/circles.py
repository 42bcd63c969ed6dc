"""The three circles of tests: a test's markers determine what it may do.

A test without a marker is quick and stays in its process: besides the code it tests there is only the sandbox, or a
raw asyncio server. `system` tests start processes (commands, Redis, web servers, builds, other languages). `long`
ones are the long form of a proof; what hypothesis tries is quick, and `-m long` tries more of it. `apart` keeps the
first from straying.
"""

import asyncio
import multiprocessing.process
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from hypothesis import is_hypothesis_test

MARKERS = ("system", "long")
# A test that uses one of these starts a process, and needs no marker of its own.
FIXTURES = frozenset({"real", "real_alone", "really_opened", "redis", "redis_server", "start_worker"})
STARTS = (
    (subprocess.Popen, "__init__"),
    (asyncio, "create_subprocess_exec"),
    (asyncio, "create_subprocess_shell"),
    (multiprocessing.process.BaseProcess, "start"),
    (os, "fork"),
    (os, "forkpty"),
    (os, "posix_spawn"),
    (os, "posix_spawnp"),
    (os, "system"),
)


def _refuse(*_: Any, **__: Any) -> NoReturn:
    # pytest's exception is not an Exception, so the code under test does not handle it as a failure.
    pytest.fail("a quick test may not start a process: mark it with pytest.mark.system (or long)")


@contextmanager
def apart() -> Iterator[None]:
    """Make every way of starting a process fail the test."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STARTS:
            patch.setattr(owner, name, _refuse, raising=False)  # not every system has all of them
        yield


def mark_by_fixtures(items: list[pytest.Item]) -> None:
    """Mark as `system` what uses a fixture that starts a process."""
    for item in items:
        if is_quick(item) and not FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("system")


def mark_rules(items: list[pytest.Item]) -> None:
    """Mark hypothesis tests as `long`, where they try more examples."""
    for item in items:
        if is_quick(item) and is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("long")


def is_quick(item: pytest.Item) -> bool:
    """Whether a test carries none of the markers."""
    return not any(item.get_closest_marker(name) for name in MARKERS)
