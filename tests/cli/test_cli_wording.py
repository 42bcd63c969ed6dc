"""The SDK's errors for programmers, as the command line words them."""

import ast
import re
from pathlib import Path

import pytest

import woodpecker_async
from tests.cli.conftest import PYTHON
from woodpecker_async.cli.wording import spoken

ROOT = Path(woodpecker_async.__file__).parent

# Modules whose messages can reach users of the command line, and messages that cannot.
REACH = (
    "bulk/run.py", "engine/content_coding.py", "engine/credentials.py", "engine/proxies.py", "engine/protocol.py",
    "engine/shared/host.py", "engine/shared/outage.py", "engine/shared/redis.py", "engine/transport.py", "exactly_once.py",
    "pagination.py", "checks.py", "options.py", "labels.py",
)  # fmt: skip
CANNOT = re.compile(
    r"Limits\.(max_in_flight|lanes|shared_outage) |lanes=|a run (is|can be) used|`async (with|for)|http_session"
    "|must be a str|CallOptions|RetryPolicy"
)


def messages():
    for name in REACH:
        tree = ast.parse((ROOT / name).read_text())
        for raised in ast.walk(tree):
            if not isinstance(raised, ast.Raise | ast.Return):
                continue
            pieces = {part for node in ast.walk(raised) if isinstance(node, ast.JoinedStr) for part in node.values}
            for node in ast.walk(raised):
                if node in pieces:
                    continue
                if isinstance(node, ast.JoinedStr):
                    text = "".join(part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    text = node.value
                else:
                    continue
                if " " in text and not CANNOT.search(text):
                    yield text


MESSAGES = sorted(set(messages()))


def test_there_are_messages_to_look_at():
    assert len(MESSAGES) > 50
    assert any(PYTHON.search(text) for text in MESSAGES)


@pytest.mark.parametrize("text", [text for text in MESSAGES if PYTHON.search(text)])
def test_no_word_of_python_is_left(text):
    assert not PYTHON.search(spoken(text)), spoken(text)
