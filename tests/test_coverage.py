"""`docs/coverage.md` is correct. To update it: python -m tests.test_coverage > docs/coverage.md."""

import re
from pathlib import Path

import pytest

from tests.calls import ROWS, methods_of_the_session
from tests.endpoints import ENDPOINTS, FAMILIES, UNKNOWN_PATHS, Documented
from woodpecker_async import WoodpeckerSession
from woodpecker_async.sandbox.routing import ENDPOINTS as SERVED

PAGE = Path(__file__).parents[1] / "docs" / "coverage.md"


def nameless(path: str) -> str:
    """A template without the names of its placeholders."""
    return re.sub(r"\{[^}]*\}", "{}", path.removesuffix("/?"))


def sdk_names() -> dict[tuple[str, str], list[str]]:
    """By method and path, the SDK methods whose docstring names that endpoint."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, method in methods_of_the_session(WoodpeckerSession("1.key")).items():
        if name.startswith("company."):
            continue
        documents = " ".join(re.findall(r"^ *Documents?: .*", method.__doc__ or "", re.MULTILINE | re.DOTALL))
        for verb, path in re.findall(r"`([A-Z]+) (/v\d[^`]*)`", documents):
            found.setdefault((verb, nameless(path)), []).append(name)
    return found


def rows() -> list[tuple[str, Documented, list[str], bool]]:
    """Family, endpoint, SDK methods, and whether the sandbox has it."""
    names = sdk_names()
    served = {(endpoint.method, nameless(endpoint.path)) for endpoint in SERVED}
    return [
        (family, endpoint, names.get((endpoint.method, nameless(endpoint.path)), []),
         (endpoint.method, nameless(endpoint.path)) in served)
        for family, endpoints in FAMILIES.items()
        for endpoint in endpoints
    ]  # fmt: skip


def page() -> str:
    lines = [
        "# Coverage",
        "",
        "Every endpoint that the documents of the API name, and what the SDK calls it. What hangs on `account` also hangs on the view of a company.",
        "",
        "Tested means: for its request, its scope, its secrets, whether it is sent again after a lost answer, and against the sandbox.",
        "",
    ]
    family = ""
    for at, endpoint, names, served in rows():
        if at != family:
            family = at
            lines += ["", f"## {family}", ""] if lines[-1] else [f"## {family}", ""]
            lines += ["| Endpoint | SDK | Sandbox | Tested | What the documents leave open |", "|---|---|---|---|---|"]
        sdk = ", ".join(f"`{name}`" for name in names) or "none"
        lines.append(
            f"| `{endpoint.method} {endpoint.path}` | {sdk} | {'yes' if served else 'no'} "
            f"| {'yes' if any(name in ROWS for name in names) else 'no'} "
            f"| {endpoint.missing or endpoint.left_open} |"
        )
    lines += ["", "## Known by name only", "", f"No document gives the path of {UNKNOWN_PATHS}."]
    return "\n".join(lines) + "\n"


def test_the_page_is_made_of_the_code() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.test_coverage > docs/coverage.md"


@pytest.mark.parametrize(
    ("endpoint", "names", "served"),
    [pytest.param(*row[1:], id=f"{row[1].method} {row[1].path}") for row in rows()],
)
def test_every_documented_endpoint_has_a_method_or_a_reason(
    endpoint: Documented, names: list[str], served: bool
) -> None:
    assert bool(names) != bool(endpoint.missing)
    if names:
        assert served
        assert any(name in ROWS for name in names)


def test_nothing_is_there_that_is_not_documented() -> None:
    documented = {(endpoint.method, nameless(endpoint.path)) for endpoint in ENDPOINTS}
    assert sdk_names().keys() <= documented
    assert {(e.method, nameless(e.path)) for e in SERVED if not e.path.startswith("/v0/")} <= documented


if __name__ == "__main__":
    print(page(), end="")
