"""Processes for these tests, which communicate by lines; each ends with its test."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Child:
    """`python -m MODULE OPTIONS`, with warnings as errors."""

    def __init__(self, module: str, options: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", module, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def say(self, line: str) -> None:
        """Send it a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def read(self) -> Any:
        """The next line it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"it ended: {self._process.communicate(timeout=10)[1]}")
        return json.loads(line)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.communicate(timeout=10)

    def end(self) -> str:
        """End it, and return what it wrote to stderr."""
        if self._process.poll() is None or self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ValueError):
                self.say("end")
            try:
                return self._process.communicate(timeout=10)[1]
            except ValueError:  # it has been killed
                return ""
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
                raise
        return ""
