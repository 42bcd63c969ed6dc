"""Empty environments of the Pythons on this machine, and what is installed into them."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# The extras for development. All others are for users.
TOOLS = frozenset({"test", "system", "lint", "docs", "bench"})
FOR_USERS = sorted(set(PROJECT["optional-dependencies"]) - TOOLS)


def python_of(version: str) -> Path | None:
    """An interpreter of that version that can create environments, or None."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return Path(sys.executable)
    candidates = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), shutil.which(f"python{version}")]
    for candidate in filter(None, candidates):
        tried = subprocess.run([candidate, "-c", "import ensurepip, venv"], capture_output=True, check=False)
        if tried.returncode == 0:
            return Path(candidate)
    return None


@frozen
class Environment:
    """A virtual environment, used from a directory where nothing of this repository can be imported."""

    path: Path
    work: Path

    @classmethod
    def empty(cls, python: Path, under: Path) -> "Environment":
        """Create one with only pip in it."""
        made = cls(under / ".venv", under / "work")
        made.work.mkdir(parents=True)
        made.run(python, "-m", "venv", made.path)
        return made

    def program(self, name: str) -> Path:
        """The path of a program in the environment."""
        return self.path / "bin" / name

    def install(self, *requirements: str | Path) -> None:
        """Install with the environment's own pip."""
        self.run(self.program("pip"), "install", "-q", "--no-compile", *requirements)

    def run(
        self, *command: str | Path, code: int = 0, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that must end with that exit code; `env` is added to its environment."""
        ran = subprocess.run(
            command,
            cwd=self.work,
            env=clean_environment() | (env or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert ran.returncode == code, f"{command}: exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran


def clean_environment() -> dict[str, str]:
    """The user's environment, without what would make this repository or its environment importable."""
    ours = ("WOODPECKER_", "PYTHON", "VIRTUAL_ENV", "COV_", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
