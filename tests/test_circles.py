"""A quick test stays in its process, and what hypothesis tries in the quick circle it tries in the long one too."""

import asyncio
import multiprocessing
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.circles import is_quick, mark_rules

WAYS = {
    "Popen": lambda: subprocess.Popen([sys.executable, "-c", ""]),
    "run": lambda: subprocess.run([sys.executable, "-c", ""], check=False),
    "system": lambda: os.system("true"),
    "fork": lambda: os.fork(),  # noqa: PLW0108 - the one that is there when it is called
    "posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "asyncio's exec": lambda: asyncio.run(asyncio.create_subprocess_exec("true")),
    "asyncio's shell": lambda: asyncio.run(asyncio.create_subprocess_shell("true")),
    **{
        f"multiprocessing, {method}": lambda method=method: multiprocessing.get_context(method).Process().start()
        for method in multiprocessing.get_all_start_methods()
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_a_quick_test_cannot_start_a_process(way):
    with pytest.raises(pytest.fail.Exception, match="may not start a process: mark it"):
        WAYS[way]()


@pytest.mark.system
def test_a_system_test_can():
    assert subprocess.run([sys.executable, "-c", ""], check=False).returncode == 0


@given(st.integers())
def rule(number):
    pass


def case():
    pass


@pytest.mark.parametrize(("function", "quick"), [(rule, False), (case, True)])
def test_a_rule_is_in_the_long_circle_too(function, quick, request):
    item = pytest.Function.from_parent(request.node.parent, name=function.__name__, callobj=function)
    mark_rules([item])
    assert is_quick(item) is quick
