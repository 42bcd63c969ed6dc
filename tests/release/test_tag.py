"""The script that tags a release, in a temporary repository whose `.ci/run` is a line of shell."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.release.environments import ROOT

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("git") is None, reason="no git here"),
]

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n### Lists\n\n- Before, now, do.\n\n## [1.1.0] - 2025-12-24\n\n- Older.\n"


class Repository:
    def __init__(self, path: Path) -> None:
        self.path = path
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self.env = kept | {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            **{f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        (path / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "tag.py", path / ".ci")
        (path / "woodpecker_async").mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("add", ".ci")
        self.write("woodpecker_async/__init__.py", '__version__ = "1.2.0"\n')
        self.write("CHANGELOG.md", CHANGELOG)
        self.write(".ci/run", "echo checked >>../checks\n")

    def git(self, *arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=self.path, env=self.env, check=True, capture_output=True, text=True).stdout

    def write(self, name: str, text: str) -> None:
        """Write a file and commit it."""
        (self.path / name).write_text(text, encoding="utf-8")
        self.git("add", name)
        self.git("commit", "-q", "--allow-empty", "-m", name)

    def tag(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, self.path / ".ci" / "tag.py"]
        return subprocess.run(command, env=self.env, check=False, capture_output=True, text=True, timeout=60)

    def refuses(self, why: str, *, checked: bool = False) -> None:
        before = self.git("tag")
        ran = self.tag()
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.startswith("Error: ")
        assert "Traceback" not in ran.stderr
        assert why in ran.stderr
        assert self.git("tag") == before
        assert (self.path.parent / "checks").exists() == checked  # no half-hour run for what cannot be tagged


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_it_makes_an_annotated_tag_of_what_was_checked(repository: Repository):
    ran = repository.tag()
    assert ran.returncode == 0, ran.stderr
    assert "git push origin v1.2.0" in ran.stdout
    assert (repository.path.parent / "checks").read_text() == "checked\n"
    assert repository.git("cat-file", "-t", "v1.2.0") == "tag\n"
    assert repository.git("rev-parse", "v1.2.0^{commit}") == repository.git("rev-parse", "HEAD")
    message = repository.git("tag", "--list", "--format=%(contents)", "v1.2.0")
    assert message.strip() == "woodpecker-async 1.2.0\n\n### Lists\n\n- Before, now, do."


@pytest.mark.parametrize("name", ["CHANGELOG.md", "new.py"])
def test_it_refuses_what_is_not_committed(repository: Repository, name: str):
    with (repository.path / name).open("a") as file:
        file.write("\nmore\n")
    repository.refuses(name)


def test_it_refuses_a_version_that_is_tagged(repository: Repository):
    repository.git("tag", "v1.2.0", "HEAD~1")
    repository.refuses("v1.2.0 already exists; ")


def test_it_refuses_a_version_that_only_others_have_tagged(repository: Repository, tmp_path: Path):
    repository.git("init", "-q", "--bare", str(tmp_path / "origin"))
    repository.git("remote", "add", "origin", str(tmp_path / "origin"))
    repository.git("push", "-q", "origin", "HEAD:refs/tags/v1.2.0")
    repository.refuses("v1.2.0 already exists at origin")


def test_it_refuses_where_it_cannot_ask_origin(repository: Repository, tmp_path: Path):
    repository.git("remote", "add", "origin", str(tmp_path / "gone"))
    repository.refuses("git ls-remote failed")


TOMORROW = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[1.2.0]", "[1.3.0]", "must be `## [1.2.0] - YYYY-MM-DD`"),
        ("## [1.2.0] - 2026-01-31", "", "lines under Unreleased"),
        ("## [1.2.0] - 2026-01-31\n\n### Lists\n\n- Before, now, do.\n", "", "must be `## [1.2.0] - YYYY-MM-DD`"),
        ("## [1.2.0] - 2026-01-31", "## [1.2.1] - 2026-02-01\n\n- x\n\n## [1.2.0] - 2026-01-31", "newest entry"),
        (" - 2026-01-31", "", "the date of the release, not None"),
        ("2026-01-31", "unreleased", "the date of the release, not 'unreleased'"),
        ("2026-01-31", "2026-02-30", "the date of the release, not '2026-02-30'"),
        ("2026-01-31", "20260131", "the date of the release, not '20260131'"),
        ("2026-01-31", TOMORROW, "the date of the release"),
        ("### Lists\n\n- Before, now, do.\n", "", "is empty"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n- Not yet.\n", "lines under Unreleased"),
    ],
)
def test_it_refuses_a_changelog_that_does_not_tell_of_the_version(repository: Repository, old: str, new: str, why: str):
    assert old in CHANGELOG
    repository.write("CHANGELOG.md", CHANGELOG.replace(old, new, 1))
    repository.refuses(why)


@pytest.mark.parametrize("line", ["", '__version__ = "1.2"', "__version__ = version()"])
def test_it_refuses_a_version_that_is_none(repository: Repository, line: str):
    repository.write("woodpecker_async/__init__.py", line + "\n")
    repository.refuses("has no line")


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ("exit 3", ".ci/run failed with exit code 3"),
        ("git commit -q --allow-empty -m more", "HEAD moved"),
        ("echo more >>CHANGELOG.md", "the working tree has changes"),
    ],
)
def test_it_tags_nothing_but_what_was_checked(repository: Repository, check: str, why: str):
    repository.write(".ci/run", f"echo checked >>../checks\n{check}\n")
    repository.refuses(why, checked=True)
