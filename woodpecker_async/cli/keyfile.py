"""The JSON Lines file to which `keys ensure` appends each key as it is created."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from woodpecker_async.cli import files

if TYPE_CHECKING:
    from woodpecker_async.models import IssuedKey


class Keys:
    """A file that keys are appended to, each on disk before the next is created; see `bulk.sinks.KeyFile`."""

    def __init__(self, path: Path, *, force: bool) -> None:
        """Check that the file can be used.

        Args:
            path: the file.
            force: replace an existing file, once there is a first key to write.

        Raises:
            ConfigError: it cannot be used.
            UsageError: it cannot be used.
        """
        from woodpecker_async.bulk.sinks import KeyFile  # noqa: PLC0415 - not for --help

        self._file = KeyFile(path)
        self._path = path
        self._replaces = force and path.exists()
        self._lock = asyncio.Lock()
        self._made = not path.exists()
        if self._replaces:
            with files.output_to(path, replaces=True, adds=False):
                return
        self._file.open()

    async def take(self, issued: "IssuedKey") -> None:
        """Write a key to disk."""
        async with self._lock:
            await asyncio.to_thread(self._write, issued)

    def _write(self, issued: "IssuedKey") -> None:
        if self._replaces:
            with files.output_to(self._path, replaces=True, adds=False) as file:
                file.write(b"")
            self._file.open()
            self._replaces = False
        self._file.write(issued)
        self._made = False

    def close(self) -> None:
        """Remove the file if it was created here and is still empty."""
        if self._made and self._path.exists() and not self._path.stat().st_size:
            self._path.unlink()
