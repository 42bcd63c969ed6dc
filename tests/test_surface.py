"""What users see: every public name with its signature, and every public method with its rows.

For an intended change: `python -m tests.test_surface > tests/surface.txt`, and a line in the changelog.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.calls import COMPANY, LIKE, ROWS, method_of_the_session, methods_of_the_session, row_of
from tests.fakes import Hasty
from woodpecker_async import WoodpeckerSession
from woodpecker_async.sandbox import Sandbox
from woodpecker_async.sandbox.routing import ENDPOINTS

PINNED = Path(__file__).with_name("surface.txt")
DOCS = Path(__file__).parents[1] / "docs"
MODULES = (
    "woodpecker_async",
    "woodpecker_async.errors",
    "woodpecker_async.models",
    "woodpecker_async.bulk",
    "woodpecker_async.feldera",
    "woodpecker_async.sandbox",
    "woodpecker_async.telemetry",
    "woodpecker_async.testing",
    "woodpecker_async.webhooks",
    "woodpecker_async.workers",
)


def public_names(module: Any) -> list[str]:
    names = getattr(module, "__all__", None)
    if names is not None:
        return sorted(names)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def signature(value: Any) -> str:
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return ""
    return re.sub(r" at 0x[0-9a-f]+", "", text).replace("woodpecker_async.", "")


def members(name: str, value: Any) -> Iterator[str]:
    """Lines for a name, and for the public members of a class."""
    if not inspect.isclass(value):
        yield f"{name}{signature(value)}" if callable(value) else name
        return
    yield f"{name}{signature(value) if attrs.has(value) or '__init__' in vars(value) else ''}"
    for member, inner in sorted(vars(value).items()):
        if member.startswith("_") or type(inner).__name__ == "member_descriptor":
            continue
        plain = inner.__func__ if isinstance(inner, classmethod | staticmethod) else inner
        yield f"{name}.{member}{signature(plain) if callable(plain) else ''}"


def surface() -> str:
    lines = []
    for name in MODULES:
        module = importlib.import_module(name)
        for public in public_names(module):
            value = getattr(module, public)
            if not inspect.ismodule(value):
                lines += members(f"{name}.{public}", value)
    methods = methods_of_the_session(WoodpeckerSession("1.key"))
    lines += [f"session.{name}{signature(method)}" for name, method in sorted(methods.items())]
    return "\n".join(dict.fromkeys(lines)) + "\n"


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="other versions of Python write annotations differently")
def test_the_public_surface_is_as_pinned() -> None:
    assert surface().splitlines() == PINNED.read_text().splitlines(), "meant? see the docstring of this file"


METHODS = sorted(methods_of_the_session(WoodpeckerSession("1.key")))


def test_every_method_has_a_row_and_every_row_a_method() -> None:
    rows = set()
    for name in METHODS:
        try:
            row, _ = row_of(name)
        except KeyError:
            pytest.fail(f"{name} has no row in tests/calls")
        rows.add(id(row))
    assert [name for name, row in ROWS.items() if id(row) not in rows] == []
    assert LIKE.keys() <= set(METHODS)


@pytest.mark.parametrize("name", METHODS)
async def test_every_method_has_a_route_in_the_sandbox_and_keeps_its_scope(name: str) -> None:
    """`x-company-id` is on the account-level calls of a company's view, and nowhere else."""
    row, without_company = row_of(name)
    if name in LIKE:
        pytest.skip(f"sends what {LIKE[name]} sends")
    async with Sandbox(companies=2) as box, box.session(clock=Hasty()) as woodpecker:
        company = box.company_ids[0]
        method = method_of_the_session(woodpecker, name, company)
        if row.prepare is not None:
            for account in (box.state.hq, box.state.companies[company]):
                row.prepare(account, box.state.seed)
        await row.call(method, company, without_company=without_company)
        assert box.journal
        for record in box.journal:
            assert record.status < 400, record
            on_its_view = name.startswith("company.") and "/agency/" not in record.path
            assert record.company_header == (str(company) if on_its_view else None)
        path = row.path.partition("?")[0].replace(f"/{COMPANY}/", f"/{company}/")
        assert any(endpoint.method == row.method and endpoint.pattern.fullmatch(path) for endpoint in ENDPOINTS)


def test_every_class_of_methods_is_in_the_reference() -> None:
    reference = (DOCS / "api.md").read_text()
    for name, method in methods_of_the_session(WoodpeckerSession("1.key")).items():
        owner = type(method.__self__)
        module, whole = owner.__module__, f".. autoclass:: {owner.__module__}.{owner.__qualname__}\n   :members:"
        entry = f".. automodule:: {module}\n   :members:" if ".resources." in module else whole
        assert entry in reference, f"{name}: docs/api.md lacks {entry!r}"


if __name__ == "__main__":
    print(surface(), end="")
