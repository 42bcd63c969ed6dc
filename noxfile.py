"""The checks in environments of their own: `nox` runs them all, `nox -s lint` one, `nox -l` lists them."""

import tomllib
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.2.9"
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent


@nox.session(python=["3.11", "3.12", "3.13"])
def tests(session: nox.Session) -> None:
    """Run the tests on one version of Python; arguments after -- go to pytest."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that pyproject.toml allows."""
    session.install(".[test]")
    session.install(*_lowest())
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    session.install(".[cli,fast,redis,workers,test,bench,lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install(".[docs,redis,workers]")  # autodoc imports what it describes
    session.run("sphinx-build", "-W", "--keep-going", "-q", "docs", "docs/_build")


@nox.session
def build(session: nox.Session) -> None:
    """Build the sdist, the wheel from it, check both, and run what the wheel installs."""
    session.install("build", "twine")
    dist = Path(session.create_tmp()) / "dist"
    for old in dist.glob("*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    (wheel,) = dist.glob("*.whl")
    session.install("--force-reinstall", f"{wheel}[cli]")
    session.run("woodpecker-async", "keys", "list", "--all", "--sandbox", silent=True)


def _lowest() -> list[str]:
    """The direct dependencies, those of the extras included, each at its lower bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    pinned = []
    for line in [
        *project["dependencies"],
        *(line for name in ("fast", "cli", "redis", "workers") for line in extras[name]),
    ]:
        requirement = Requirement(line)
        (bound,) = [spec.version for spec in requirement.specifier if spec.operator == ">="]
        named = f"{requirement.name}[{','.join(requirement.extras)}]" if requirement.extras else requirement.name
        pinned.append(f"{named}=={bound}")
    return pinned
