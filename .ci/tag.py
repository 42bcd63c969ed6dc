"""Tag HEAD as the version that woodpecker_async/__init__.py names, if everything holds: `python .ci/tag.py`.

Refused are: changes that are not committed; a version that is tagged here or at `origin`; a changelog that has no
entry for the version, or none with a date, or that still has lines under "Unreleased". Then `.ci/run` has to pass.
The tag is annotated with the entry of the changelog. Nothing is pushed.
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
    """Why there is no tag."""


def git(*arguments: str) -> str:
    """What git prints."""
    ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RefusedError(f"git {arguments[0]} failed: {ran.stderr.strip()}")
    return ran.stdout.strip()


def committed() -> str:
    """The commit that the working tree is, without a difference."""
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
    """Refuse a tag that is there, also where others would see it."""
    if git("tag", "--list", tag):
        raise RefusedError(f"{tag} is there already; a release is never changed, so raise __version__")
    if "origin" in git("remote").splitlines() and git("ls-remote", "--tags", "origin", f"refs/tags/{tag}"):
        raise RefusedError(f"{tag} is there already at origin; a release is never changed, so raise __version__")


def changes(version: str) -> str:
    """The changelog's entry for the version: the newest, with a date."""
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
        raise RefusedError(f"the entry of {version} in CHANGELOG.md must have the day of the release, not {written!r}")
    if not body:
        raise RefusedError(f"the entry of {version} in CHANGELOG.md says nothing")
    return body


def main() -> None:
    """Look, check, look again, tag."""
    commit = committed()
    number = version()
    tag = f"v{number}"
    refuse_tagged(tag)
    body = changes(number)
    checked = subprocess.run(["bash", ".ci/run"], cwd=ROOT, check=False)
    if checked.returncode:
        raise RefusedError(f".ci/run failed with exit code {checked.returncode}")
    if committed() != commit:  # what was checked is not what is there now
        raise RefusedError("HEAD moved while .ci/run was at work; run this again")
    message = f"woodpecker-async {number}\n\n{body}\n"
    git("tag", "--annotate", "--cleanup=whitespace", "--message", message, tag, commit)
    print(f"Tagged {commit[:12]} as {tag}. Publish it: git push origin {tag}")


if __name__ == "__main__":
    try:
        main()
    except RefusedError as refused:
        sys.exit(f"Error: {refused}")
