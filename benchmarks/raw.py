"""The minimum of HTTP that does the job: a lower bound for every client."""

import asyncio
import re
from typing import Self
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One connection; one request at a time; responses must have a `Content-Length`."""

    def __init__(self, base_url: str, key: str) -> None:
        parts = urlsplit(base_url)
        self._base = parts.path
        self._rest = f" HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\nx-api-key: {key}\r\n\r\n"
        self._received = b""
        self._whole = 0
        self._answer: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, base_url: str, key: str) -> Self:
        """Open a connection."""
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        assert parts.port is not None
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(base_url, key), parts.hostname, parts.port)
        return connection

    async def get(self, path: str) -> bytes:
        """Send a GET and return the whole response, head and body."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(f"GET {self._base}{path}{self._rest}".encode())
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._whole and (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            assert length is not None
            self._whole = end + 4 + int(length[1])
        if self._whole and len(self._received) >= self._whole:
            received, self._received, self._whole = self._received, b"", 0
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(received)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError())
