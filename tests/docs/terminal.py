"""A command in its own terminal, as shown in the pages."""

import contextlib
import fcntl
import os
import struct
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path


def in_terminal(command: Sequence[str | Path], *, path: str, cwd: Path | None = None) -> tuple[int, str]:
    """Run it in a terminal of 50 lines of 100 characters without colours; return its exit code and output."""
    terminal, other_end = os.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
    # What pip needs to know about this machine, and nothing about the tests.
    kept = {name: value for name, value in os.environ.items() if name == "HOME" or name.startswith("PIP_")}
    with subprocess.Popen(
        command,
        stdout=other_end,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**kept, "PATH": path, "TERM": "xterm", "NO_COLOR": "1", "LANG": "C.UTF-8"},
    ) as process:
        os.close(other_end)
        output = b""
        with contextlib.suppress(OSError):  # how a terminal signals the end
            while chunk := os.read(terminal, 65536):
                output += chunk
        os.close(terminal)
        assert process.stderr is not None
        output += process.stderr.read()
    return process.returncode, output.decode().replace("\r\n", "\n")
