"""What the pages say about the code, compared with the code."""

import ast
import re
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, identify
from woodpecker_async import CallOptions, RetryPolicy, Timeouts, WoodpeckerError, WoodpeckerSession, errors
from woodpecker_async.cli.help import ENVIRONMENT, EXIT_CODES
from woodpecker_async.sandbox import Fault, Sandbox

_DOCS = ROOT / "docs"


def _rows(page: str, heading: str = "") -> list[list[str]]:
    """The rows of the tables of a page, from a heading on, cell by cell; without the heads of the tables."""
    text = (_DOCS / page).read_text(encoding="utf-8")
    text = text[text.index(heading) :]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip().replace(r"\|", "|") for cell in row] for row in rows]
    rules = {number for number, row in enumerate(cells) if set(row[0]) == {"-"}}
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]


def test_the_variables_of_the_command_line_are_on_their_page():
    assert _rows("environment.md", "## Read by the command line") == [[f"`{k}`", v] for k, v in ENVIRONMENT.items()]


def test_every_variable_that_the_code_reads_is_on_a_page():
    read = {name for text in _strings() for name in re.findall(r"WOODPECKER_[A-Z_]+[A-Z]", text)}
    read -= {"WOODPECKER_ASYNC_COMPLETE", "WOODPECKER_CLIENT_KEY"}  # click's own; an example in a docstring
    told = (_DOCS / "environment.md").read_text(encoding="utf-8")
    assert [name for name in sorted(read) if f"`{name}`" not in told] == []


def test_the_exit_codes_are_on_their_page():
    assert _rows("exit-codes.md") == [[code, meaning] for code, meaning in EXIT_CODES.items()]


@cache
def _strings() -> tuple[str, ...]:
    """Every string of the package; for an f-string, its literal parts."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "woodpecker_async").rglob("*.py"))
    return tuple(
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and type(node.value) is str
    )


# What others print: pip, Python, and the server's own words.
_OF_OTHERS = (
    "error: externally-managed-environment",
    "asyncio.run() cannot be called from a running event loop",
    "Object of type Secret is not JSON serializable",
)


@pytest.mark.parametrize("row", _rows("troubleshooting.md"), ids=lambda row: row[0])
def test_the_messages_of_the_page_about_trouble_are_those_of_the_code(row: list[str]):
    for message in re.findall(r"`([^`]+)`", row[0]):
        if message in _OF_OTHERS or re.match(r"\d{3}\b|/agency|x-company-id", message):
            continue
        parts = message.split("...")
        assert max(map(len, parts)) >= 8, f"{message} could be anything"
        for part in parts:
            assert hasattr(errors, part) or any(part.strip() in text for text in _strings()), part


def test_every_error_has_a_row_that_says_what_to_do():
    told = set(re.findall(r"`(\w+)`", "".join(row[0] for row in _rows("errors.md", "## What to do"))))
    every = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, WoodpeckerError)
    }
    assert every - told <= {"WoodpeckerError", "CallError", "ApiError", "NotSentError", "ConnectionLostError", "AttemptTimeoutError"}  # fmt: skip


# ---- errors and retries, each row on the sandbox

_BACKOFF = {"initial_backoff": 0.001, "max_backoff": 0.001}
_QUICK = RetryPolicy(attempts=2, deadline=20, **_BACKOFF)
_NOT_JSON = Fault.not_json(path=re.compile("/companies$"), times=None)

# The fault for each row; what cannot be injected has its own test in tests/sdk.
_ORDERED: dict[str, Fault] = {
    "429: the queue is full, nothing was processed": Fault.status(429),
    "429 with a `Retry-After` beyond `retry_after_cap`": Fault.status(429, times=None, headers={"Retry-After": "999"}),
    "The connection broke after sending": Fault.close(times=None),
    "No response within `Timeouts.attempt`": Fault.wait(1.5, times=None),
    "Success, with a body that cannot be read": _NOT_JSON,
    "A redirect": Fault.redirect("http://127.0.0.1:9/", times=None),
    **{str(status): Fault.status(status, times=None) for status in (400, 401, 403, 404, 409)},
}
_TRANSIENT = "500, 502, 503, 504"
_CASES = [
    *_ORDERED.items(),
    *((_TRANSIENT, Fault.status(int(status), times=None)) for status in _TRANSIENT.split(", ")),
]


def _told(case: str) -> list[str]:
    (row,) = [row for row in _rows("errors-and-retries.md") if row[0] == case]
    return row


async def _try(session: WoodpeckerSession, box: Sandbox, call: Callable[[], Awaitable[object]]) -> tuple[str, str]:
    """Whether it was retried, and the name of the error's class."""
    before = box.stats.requests
    error = ""
    try:
        await call()
    except WoodpeckerError as caught:
        error = type(caught).__name__
    return "retried" if box.stats.requests - before > 1 else "not retried", error


@pytest.mark.parametrize(("case", "fault"), _CASES, ids=[f"{case} {number}" for number, (case, _) in enumerate(_CASES)])
async def test_the_table_of_errors_and_retries_is_true(case: str, fault: Fault):
    _, read, write, read_error, write_error = _told(case)
    options = CallOptions(attempt_timeout=0.3 if "Timeouts.attempt" in case else 10)
    for is_write, retries, expected in ((False, read, read_error), (True, write, write_error)):
        async with Sandbox(companies=2) as box, box.session(retry=_QUICK, timeouts=Timeouts(connect=5)) as session:
            box.faults.add(fault)

            async def call(session: WoodpeckerSession = session, is_write: bool = is_write) -> object:
                if is_write:
                    return await session.agency.companies.create(["Aviato"], options=options)
                return await session.agency.companies.list(options=options)

            retried, error = await _try(session, box, call)
            assert retried == retries, (is_write, error)
            kind = getattr(errors, error, None)
            if case.startswith("429: "):  # refused only once, because a 429 does not count as an attempt
                assert error == ""
            else:
                assert kind is not None
                assert issubclass(kind, getattr(errors, expected.strip("`"))), (error, expected)


# ---- docstrings


def test_no_property_is_described_in_a_way_that_the_reference_reads_as_a_type():
    """napoleon takes what stands before a colon in the first line for the type."""
    found = []
    for path in (ROOT / "woodpecker_async").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any("property" in ast.unparse(d) for d in node.decorator_list):
                first = (ast.get_docstring(node) or "").partition("\n")[0]
                found += [f"{path.name}: {first}"] * (": " in first)
    assert found == []


# ---- installing


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=identify)
def test_install_lines_are_of_one_form(page: Path):
    """From a clone: `pip install .`, `pip install '.[extra]'`; what is not ours stands behind it."""
    for line in re.findall(r"pip install (?:-\S+ )*([^\n`#]+)", page.read_text(encoding="utf-8")):
        ours, *_ = line.split()
        assert ours in (".", "pre-commit") or re.fullmatch(r"'\.\[\w+(,\w+)*\]'", ours), line
    assert not re.search(r"woodpecker-async\[", page.read_text(encoding="utf-8"))
