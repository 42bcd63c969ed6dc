"""Who may import whom, what is public, and what an editor infers."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import woodpecker_async

ROOT = Path(woodpecker_async.__file__).parent
LEAVES = {"_lazy", "_redact", "counting", "errors", "secret", "options", "redis_url", "engine.clock"}
PURE = {
    "engine.account",
    "engine.operation",
    "engine.envelopes",
    "engine.protocol",
    "engine.codec",
    "engine.readers",
    "engine.hidden",
    "engine.content_coding",
    "engine.window",
}
MEET_IN_CALL = {"engine.transport", "engine.retry", "engine.lanes", "engine.observe"}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") or "__init__"


@functools.cache
def imports(path: Path) -> frozenset[str]:
    """Modules that a file imports at run time; ours without the package's name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found.add(module)
            found |= {f"{module}.{alias.name}" for alias in node.names}
    ours = {name.removeprefix("woodpecker_async.") for name in found if name.startswith("woodpecker_async.")}
    foreign = {name.partition(".")[0] for name in found if not name.startswith("woodpecker_async")}
    return frozenset(ours & OURS | foreign)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
OURS = set(FILES)


def ours(name: str) -> frozenset[str]:
    return imports(FILES[name]) & OURS


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_leaves_know_nothing_but_leaves(name: str) -> None:
    assert ours(name) <= {"errors", "secret", "redis_url"}  # the options keep a URL as a Secret


@pytest.mark.parametrize("name", sorted(PURE | {name for name in OURS if name.startswith("models.")}))
def test_pure_modules_do_no_io(name: str) -> None:
    assert not imports(FILES[name]) & {"aiohttp", "tenacity", "asyncio", "logging", "ssl", "socket"}
    allowed = LEAVES | PURE | {name for name in OURS if name.startswith("models")}
    assert ours(name) <= allowed


@pytest.mark.parametrize("name", sorted(MEET_IN_CALL))
def test_the_parts_of_a_call_meet_only_in_call(name: str) -> None:
    assert not ours(name) & (MEET_IN_CALL | {"engine.call"})


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("aiohttp", {"engine.transport", "engine.connections", "session", "feldera"}),  # the latter two for a type
        ("tenacity", {"engine.retry"}),
        ("redis", {"engine.shared.redis_client", "workers.redis", "workers.saq"}),
        ("cattrs", {"engine.codec"}),
        ("msgspec", {"engine.readers"}),
        ("click", {"cli"}),
        ("keyring", {"cli"}),
        ("rich", {"cli"}),
        ("saq", {"workers.saq"}),
        ("opentelemetry", {"telemetry"}),
        ("pytest", {"testing.plugin"}),
    ],
)
def test_each_library_has_one_home(library: str, homes: set[str]) -> None:
    users = {name for name in OURS if library in imports(FILES[name]) and not name.startswith("sandbox")}
    assert {name if not name.startswith("cli") else "cli" for name in users} <= homes


def test_who_guards_the_connections_is_known_to_the_transport_only() -> None:
    assert {name for name in OURS if "engine.connections" in ours(name)} == {"engine.transport"}
    assert ours("engine.connections") == {"engine.content_coding"}
    assert ours("engine.proxies") == {"errors"}


def test_who_speaks_with_redis_and_who_does_without_meet_in_the_backend_only() -> None:
    assert ours("engine.shared.redis_client") <= {"secret"}
    assert ours("engine.shared.outage") <= {"_redact", "options"}


def test_resources_and_pagination_see_the_engine_through_a_protocol() -> None:
    for name in ("pagination", *[name for name in OURS if name.startswith("resources.")]):
        assert not ours(name) & (MEET_IN_CALL | {"engine.call", "engine.codec", "engine.protocol"})


def test_exactly_once_knows_only_what_it_is_handed() -> None:
    assert ours("exactly_once") <= {
        "creation_lock",
        "engine.clock",
        "errors",
        "labels",
        "models.agency",
        "secret",
        "time_limit",
    }
    assert ours("creation_lock") <= {"engine.clock", "errors"}


def test_waiting_knows_only_the_clock_and_what_it_is_handed() -> None:
    assert ours("polling") <= {"_redact", "checks", "engine.clock", "errors", "options"}


def test_deliveries_are_read_without_a_session() -> None:
    assert ours("webhooks") <= {"engine", "engine.codec", "errors", "models.webhook_events", "models.webhooks"}


def test_bulk_uses_what_a_user_could() -> None:
    for part in OURS:
        if part == "bulk" or part.startswith("bulk."):
            used = ours(part) - {"resources", "checks"}  # arguments are validated in one place
            assert not any(name.startswith(("engine", "resources")) for name in used), part


def test_the_sandbox_takes_nothing_from_the_sdk() -> None:
    for name in OURS:
        if name.startswith("sandbox."):
            assert all(used.startswith("sandbox") for used in ours(name)), name


def test_nobody_imports_the_edges() -> None:
    edges = ("cli", "workers", "testing", "telemetry")
    for name in OURS:
        if not name.startswith(edges) and name != "__main__":  # `python -m woodpecker_async`
            assert not any(used.startswith(edges) for used in ours(name)), name


def test_jobs_know_no_queue() -> None:
    for part in ("workers", "workers.payload", "workers.jobs", "workers.ledger"):
        assert not any(name.startswith("engine") for name in ours(part)), part
        assert not imports(FILES[part]) & {"workers.saq", "saq", "redis", "taskiq", "celery"}, part


def test_public_names_are_sorted_and_there() -> None:
    assert woodpecker_async.__all__ == sorted(woodpecker_async.__all__)
    for name in woodpecker_async.__all__:
        assert getattr(woodpecker_async, name) is not None
    assert set(woodpecker_async.__all__) <= set(dir(woodpecker_async))
    with pytest.raises(AttributeError):
        woodpecker_async.nothing  # noqa: B018


@pytest.mark.system
def test_importing_the_package_imports_no_http() -> None:
    code = "import sys, woodpecker_async; print({'aiohttp', 'cattrs', 'tenacity', 'attrs'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


FAMILIES_USED = """
import sys
from woodpecker_async import WoodpeckerSession

def loaded():
    return {name for name in sys.modules if name.startswith(("woodpecker_async.models.", "woodpecker_async.resources."))}

woodpecker = WoodpeckerSession("1.key")
company = woodpecker.company(1)
before = loaded()
print(*sorted(before))
woodpecker.agency.companies
print(*sorted(loaded() - before))
before = loaded()
company.manual_tasks
print(*sorted(loaded() - before))
"""


@pytest.mark.system
def test_a_family_is_loaded_when_it_is_used() -> None:
    done = subprocess.run([sys.executable, "-c", FAMILIES_USED], capture_output=True, text=True, check=True, timeout=60)
    at_first, companies, tasks = (
        {name.removeprefix("woodpecker_async.") for name in line.split()} for line in done.stdout.splitlines()
    )
    assert at_first == {
        *("models._loose", "models.account", "models.enums", "models.paging"),
        *("resources.access", "resources.agency", "resources.base"),
    }
    assert companies == {"models.agency", "resources.companies"}
    assert tasks == {"models.manual_tasks", "models.prospects", "resources.manual_tasks"}


TYPING = """
from collections.abc import Sequence
from woodpecker_async import Page, Secret, WoodpeckerSession, bulk
from woodpecker_async.feldera import FelderaSession
from woodpecker_async.models import ApiKey, Company, IssuedKey, Mailbox, Me

async def use(woodpecker: WoodpeckerSession, feldera: FelderaSession) -> None:
    pager = woodpecker.agency.companies.list(active=True)
    reveal_type(await pager)
    reveal_type(await pager.collect())
    async for company in pager:
        reveal_type(company)
    async for page in pager.pages(prefetch=1):
        reveal_type(page)
        reveal_type(page[0])
    async with bulk.list_api_keys(woodpecker) as run:
        async for outcome in run:
            reveal_type(outcome.keys)
            reveal_type(outcome.error)
    made = await woodpecker.agency.api_keys.create(company_id=1, label="crm")
    reveal_type(made.api_key.reveal())
    async with woodpecker.company(1) as client:
        reveal_type(await client.me())
        async for mailbox in client.mailboxes.list():
            reveal_type(mailbox)
    reveal_type(await feldera.api_keys.list())
"""

REVEALED = [
    "woodpecker_async.pagination.Page[woodpecker_async.models.agency.Company]",
    "list[woodpecker_async.models.agency.Company]",
    "woodpecker_async.models.agency.Company",
    "woodpecker_async.pagination.Page[woodpecker_async.models.agency.Company]",
    "woodpecker_async.models.agency.Company",
    "tuple[woodpecker_async.models.agency.ApiKey, ...]",
    "woodpecker_async.errors.WoodpeckerError | None",
    "str",
    "woodpecker_async.models.account.Me",
    "woodpecker_async.models.mailboxes.Mailbox",
    "woodpecker_async.pagination.Page[woodpecker_async.models.feldera.FelderaKey]",
]


@pytest.mark.system
def test_what_an_editor_infers(tmp_path: Path) -> None:
    """With mypy --strict, on a user's file."""
    source = tmp_path / "user.py"
    source.write_text(TYPING)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    revealed = [line.split('"')[1] for line in done.stdout.splitlines() if "Revealed type is" in line]
    assert [kind.removeprefix("builtins.") for kind in revealed] == REVEALED


# A longer module gives the reason in its docstring.
LONGEST = 350
LONG = {
    "bulk.run",
    "checks",
    "engine.call",
    "engine.lanes",
    "engine.protocol",
    "engine.shared.redis",
    "errors",
    "exactly_once",
    "pagination",
    "sandbox.faults",
    "workers.saq",
}


def test_long_modules_are_few_and_named() -> None:
    assert {name for name, path in FILES.items() if len(path.read_text().splitlines()) > LONGEST} <= LONG
