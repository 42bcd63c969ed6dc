"""Tag HEAD as the version in woodpecker_async/__init__.py, if all checks pass: `python .ci/tag.py`.

It refuses uncommitted changes, a version that is already tagged here or at `origin`, and a changelog without a dated
entry for the version or with lines under "Unreleased". Then `.ci/run` must pass. The tag is annotated with the
changelog's entry. Nothing is pushed.
"""

import re
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_VERSION = re.compile(r'^__version__ = "(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)"$', re.MULTILINE)
_HEADING = re.compile(r"^## \[(?P<name>[^\]\n]+)\](?: - (?P<date>.*))?$", re.MULTILINE)


class RefusedError(Exception):
    """The reason why HEAD was not tagged."""


def git(*arguments: str) -> str:
    """Run git and return its output."""
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RefusedError(f"git {arguments[0]} failed: {ran.stderr.strip()}")
    return ran.stdout.strip()


def committed() -> str:
    """The current commit, after checking that the working tree is clean."""
    if changes := git("status", "--porcelain"):
        raise RefusedError(f"the working tree has changes; commit or remove them:\n{changes}")
    return git("rev-parse", "HEAD")


def version() -> str:
    """The version of the package."""
    found = _VERSION.search((ROOT / "woodpecker_async" / "__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise RefusedError('woodpecker_async/__init__.py has no line `__version__ = "X.Y.Z"`')
    return found[1]


def refuse_tagged(tag: str) -> None:
    """Refuse a tag that already exists, here or at `origin`."""
    if git("tag", "--list", tag):
        raise RefusedError(f"{tag} already exists; releases are never changed, so raise __version__")
    if "origin" in git("remote").splitlines() and git("ls-remote", "--tags", "origin", f"refs/tags/{tag}"):
        raise RefusedError(f"{tag} already exists at origin; releases are never changed, so raise __version__")


def changes(version: str) -> str:
    """The changelog's entry for the version, which must be the newest and have a date."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = list(_HEADING.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    entries = [
        (heading["name"], heading["date"], text[heading.end() : end].strip())
        for heading, end in zip(headings, ends, strict=True)
    ]
    if any(body for name, _, body in entries if name == "Unreleased"):
        raise RefusedError(f"CHANGELOG.md has lines under Unreleased; move them to [{version}]")
    released = [entry for entry in entries if entry[0] != "Unreleased"]
    if not released or released[0][0] != version:
        raise RefusedError(f"the newest entry of CHANGELOG.md must be `## [{version}] - YYYY-MM-DD`")
    _, written, body = released[0]
    try:
        day = date.fromisoformat(written) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", written or "") else None
    except ValueError:
        day = None
    if day is None or day > datetime.now().astimezone().date():
        raise RefusedError(f"the entry {version} in CHANGELOG.md must have the date of the release, not {written!r}")
    if not body:
        raise RefusedError(f"the entry for {version} in CHANGELOG.md is empty")
    return body


def main() -> None:
    """Check the state, run all checks, check the state again, and tag."""
    commit = committed()
    number = version()
    tag = f"v{number}"
    refuse_tagged(tag)
    body = changes(number)
    checked = subprocess.run(["bash", ".ci/run"], cwd=ROOT, check=False)
    if checked.returncode:
        raise RefusedError(f".ci/run failed with exit code {checked.returncode}")
    if committed() != commit:  # then the checks were of another commit
        raise RefusedError("HEAD moved while .ci/run was running; run this again")
    message = f"woodpecker-async {number}\n\n{body}\n"
    git("tag", "--annotate", "--cleanup=whitespace", "--message", message, tag, commit)
    print(f"Tagged {commit[:12]} as {tag}. Publish it: git push origin {tag}")


if __name__ == "__main__":
    try:
        main()
    except RefusedError as refused:
        sys.exit(f"Error: {refused}")
