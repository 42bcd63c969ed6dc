"""The release: its contents, and that it works where nothing else is installed."""

import email
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import woodpecker_async
from tests.release.conftest import Built
from tests.release.environments import FOR_USERS, PROJECT, ROOT, Environment, python_of

pytestmark = pytest.mark.system

VERSION = woodpecker_async.__version__
SUPPORTED = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]

# Files in this repository that are not tracked, and files that only git and forges read.
NOT_SOURCE = frozenset({"__pycache__", "_build"})
ONLY_IN_THE_REPOSITORY = frozenset({".git", ".github", ".pre-commit-config.yaml"})

MAIN_JOB = ("keys", "list", "--all", "--sandbox")
MAIN_JOB_BY_HAND = """
import asyncio
import woodpecker_async
from woodpecker_async import bulk
from woodpecker_async.sandbox import Sandbox

async def main():
    async with Sandbox(companies=12, keys_per_company=3) as box, box.session() as woodpecker:
        async with bulk.list_api_keys(woodpecker) as run:
            outcomes = [outcome async for outcome in run]
    assert all(outcome.ok for outcome in outcomes)
    print(woodpecker_async.__version__, len(outcomes), sum(len(outcome.keys) for outcome in outcomes))

asyncio.run(main())
"""
IMPORT_ALL = """
import importlib, json, pkgutil
import woodpecker_async
missing = {}
for module in pkgutil.walk_packages(woodpecker_async.__path__, "woodpecker_async."):
    if not module.name.endswith(".__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            missing[module.name] = error.name
print(json.dumps(missing))
"""


def sources(directory: Path) -> set[str]:
    """The files below a directory of the repository, as paths from its root."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in directory.rglob("*")
        if path.is_file() and NOT_SOURCE.isdisjoint(path.parts)
    }


def in_wheel(built: Built) -> set[str]:
    with zipfile.ZipFile(built.wheel) as archive:
        return set(archive.namelist())


def in_sdist(built: Built) -> set[str]:
    with tarfile.open(built.sdist) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


def test_the_wheel_has_the_package_and_nothing_else(built: Built):
    about = f"woodpecker_async-{VERSION}.dist-info"
    package = {name for name in in_wheel(built) if not name.startswith(f"{about}/")}
    assert package == sources(ROOT / "woodpecker_async")
    # Files that no import would miss.
    assert package >= {f"woodpecker_async/{name}" for name in ("py.typed", "cli/page.css", "cli/page.js")}
    assert f"{about}/licenses/LICENSE" in in_wheel(built)


def test_the_sdist_has_all_that_the_checks_need(built: Built):
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").replace("/", "").split()
    tops = [
        top
        for top in ROOT.iterdir()
        if top.name not in ONLY_IN_THE_REPOSITORY and not any(top.match(pattern) for pattern in ignored)
    ]
    there = {name for top in tops for name in (sources(top) if top.is_dir() else {top.name})}
    assert in_sdist(built) == there | {"PKG-INFO"}
    named = {"SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "noxfile.py", ".ci/lowest.py"}
    assert in_sdist(built) >= named


def test_the_metadata_is_whole(built: Built):
    checked = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with zipfile.ZipFile(built.wheel) as archive:
        told = email.message_from_bytes(archive.read(f"woodpecker_async-{VERSION}.dist-info/METADATA"))
    assert (told["Name"], told["Version"]) == ("woodpecker-async", VERSION)
    assert (told["Requires-Python"], told["License-Expression"]) == (">=3.11", "MIT")
    assert set(told.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    assert "Typing :: Typed" in told.get_all("Classifier", [])


def test_the_wheel_is_the_same_from_the_tree_and_from_the_sdist(built: Built, tmp_path: Path):
    made = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (wheel,) = tmp_path.iterdir()
    assert (wheel.name, wheel.read_bytes()) == (built.wheel.name, built.wheel.read_bytes())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", SUPPORTED)
def test_they_work_in_an_empty_environment(version: str, built: Built, tmp_path: Path):
    python = python_of(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    here = Environment.empty(python, tmp_path)
    command = here.program("woodpecker-async")

    here.install(built.wheel)
    ran = here.run(here.program("python"), "-W", "error", "-c", MAIN_JOB_BY_HAND)
    assert ran.stdout.split() == [VERSION, "12", "36"]
    _only_libraries_of_extras_are_missing(here, but_not=())

    # Without the extra the command says what to do, and doing that works.
    refused = here.run(command, *MAIN_JOB, code=1)
    assert refused.stdout == ""
    said = re.fullmatch(r"Error: .*: pip install '(.+)'\n", refused.stderr)
    assert said, refused.stderr
    assert said[1] == "woodpecker-async[cli]"
    here.install(said[1])
    _main_job(here)
    assert here.run(command, "--version").stdout == f"woodpecker-async {VERSION}\n"

    if python != Path(sys.executable):
        return
    # Once is enough for the rest: the files are the same, and missing ones do not depend on the version.
    here.install(f"{built.wheel}[{','.join(FOR_USERS)}]")
    _only_libraries_of_extras_are_missing(here, but_not=FOR_USERS)
    here.run(here.program("pip"), "uninstall", "-q", "-y", PROJECT["name"])
    here.install(f"{built.sdist}[cli]")
    _main_job(here)


def _main_job(here: Environment) -> None:
    ran = here.run(here.program("woodpecker-async"), *MAIN_JOB, env={"PYTHONWARNINGS": "error"})
    assert re.search(r"^25 companies, 75 keys, 0 failed, 26 requests, ", ran.stderr, re.MULTILINE), ran.stderr
    assert len(re.findall(r"\.\*{4}\w{4}$", ran.stdout, re.MULTILINE)) == 75  # masked, one per line


def _only_libraries_of_extras_are_missing(here: Environment, *, but_not: object) -> None:
    """Every module can be imported, unless it needs an extra that is not installed."""
    extras = PROJECT["optional-dependencies"]
    left_out = [line for name, lines in extras.items() if name not in but_not for line in lines]
    libraries = {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in left_out}
    missing = json.loads(here.run(here.program("python"), "-W", "error", "-c", IMPORT_ALL).stdout)
    assert {
        module: lacks for module, lacks in missing.items() if not any(it.startswith(lacks) for it in libraries)
    } == {}
