"""Bodies: limited in size, decoded if requested, and otherwise a clear error; the status always counts."""

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from tests.raw import answer, raw_server
from woodpecker_async import CallOptions, Limits, RetryPolicy, Timeouts, WoodpeckerSession, errors

QUICK = RetryPolicy(attempts=3, initial_backoff=0.01)
BODY = b'{"id": 1, "name": "Erlich"}'


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(BODY)),
        ("X-GZip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY[:5]) + gzip.compress(BODY[5:])),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY))),
    ],
    ids=["gzip", "x-gzip", "deflate", "raw deflate", "identity", "two members", "stacked"],
)
async def test_what_is_asked_for_is_decoded(coding: str, packed: bytes) -> None:
    async def handle(server, number: int, head: str) -> bytes:
        assert "\r\naccept-encoding: gzip, deflate\r\n" in head.lower()
        return answer(packed, Content_Encoding=coding)

    async with raw_server(handle) as server, WoodpeckerSession("1.key", base_url=server.url) as woodpecker:
        for _ in range(3):
            assert (await woodpecker.account.me()).fields == {"id": 1, "name": "Erlich"}
        assert server.connections == 1


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "compress", "\x80"])
@pytest.mark.parametrize(
    ("status", "read", "write", "sent"),
    [
        ("200 OK", errors.ResponseDecodeError, errors.ResponseDecodeError, 1),
        ("401 Unauthorized", errors.AuthenticationError, errors.AuthenticationError, 1),
        ("404 Not Found", errors.NotFoundError, errors.NotFoundError, 1),
        ("503 Service Unavailable", errors.ServerError, errors.OutcomeUnknownError, 3),
        ("302 Found", errors.UnexpectedRedirectError, errors.UnexpectedRedirectError, 1),
    ],
)
async def test_what_was_not_asked_for_is_said_and_its_status_counts(
    coding: str, status: str, read: type, write: type, sent: int
) -> None:
    async def handle(server, number: int, head: str) -> bytes:
        return answer(b"\x1b\x03\0\0", status, Content_Encoding=coding)

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, retry=QUICK) as woodpecker:
            with pytest.raises(read) as caught:
                await woodpecker.account.me()
            assert len(server.requests) == sent
            assert "not asked for" in str(caught.value) or "redirects" in str(caught.value)
            with pytest.raises(write):
                await woodpecker.agency.companies.create(["Aviato"])
            assert len(server.requests) == sent + 1


async def test_a_refusal_in_a_strange_coding_is_a_refusal() -> None:
    async def handle(server, number: int, head: str) -> bytes:
        if len(server.requests) < 3:
            return answer(b"\x1b\x03\0\0", "429 Too Many Requests", Content_Encoding="br")
        return answer(b'{"companies": []}')

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, retry=QUICK) as woodpecker:
            assert await woodpecker.agency.companies.create(["Aviato"]) == ()
        assert len(server.requests) == 3


@pytest.mark.parametrize("framing", ["length", "chunked", "until the end"])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_coded_body_cut_short_is_a_lost_connection(coding: str, framing: str) -> None:
    whole = gzip.compress(BODY) if coding == "gzip" else zlib.compress(BODY)
    cut = whole[:-3]

    async def handle(server, number: int, head: str):
        if framing == "length":
            return answer(cut, Content_Encoding=coding)
        start = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n".encode()
        if framing == "chunked":
            return start + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(cut), cut)

        async def until_the_end():
            yield start + b"\r\n" + cut
            server.writers[-1].close()

        return until_the_end()

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, retry=QUICK) as woodpecker:
            with pytest.raises(errors.ConnectionLostError, match="cut short"):
                await woodpecker.account.me()
            assert len(server.requests) == 3
            with pytest.raises(errors.OutcomeUnknownError) as caught:
                await woodpecker.agency.companies.create(["Aviato"])
            assert caught.value.kind == "connection_lost"


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)) + packer.flush()


async def test_a_bomb_takes_neither_memory_nor_the_loop() -> None:
    packed = bomb(80_000_000)
    assert len(packed) < 100_000

    async def handle(server, number: int, head: str) -> bytes:
        return answer(packed, Content_Encoding="gzip")

    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    limits = Limits(max_body=20_000_000)
    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, retry=QUICK, limits=limits) as woodpecker:
            watching = asyncio.create_task(watch())
            tracemalloc.start()
            try:
                with pytest.raises(errors.ResponseDecodeError, match=r"Limits\.max_body \(20000000 bytes\)"):
                    await woodpecker.account.me()
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
                watching.cancel()
            assert len(server.requests) == 1  # it would be just as large the next time
    assert peak < 50_000_000
    assert turns > 40  # it is decompressed in some eighty steps, between which others run


@pytest.mark.parametrize("announced", [True, False], ids=["with its length", "without"])
@pytest.mark.parametrize(("status", "error"), [("200 OK", errors.ResponseDecodeError), ("404 X", errors.NotFoundError)])
async def test_a_body_without_end_is_not_read_to_its_end(announced: bool, status: str, error: type) -> None:
    sent = 0

    async def handle(server, number: int, head: str):
        async def endless():
            nonlocal sent
            framing = b"Content-Length: 100000000\r\n\r\n" if announced else b"\r\n"
            yield b"HTTP/1.1 " + status.encode() + b"\r\n" + framing
            while sent < 100_000_000:
                sent += 100_000
                yield b" " * 100_000

        return endless()

    async with raw_server(handle) as server:
        settings = {"limits": Limits(max_body=1_000_000), "retry": QUICK, "timeouts": Timeouts(attempt=60)}
        async with WoodpeckerSession("1.key", base_url=server.url, **settings) as woodpecker:
            with pytest.raises(error, match="max_body"):
                await woodpecker.account.me()
    assert sent < 50_000_000  # what the buffers of both ends hold, at most


async def test_a_body_just_within_the_limit_is_read() -> None:
    async def handle(server, number: int, head: str) -> bytes:
        return answer(BODY, Content_Encoding="identity")

    async with raw_server(handle) as server:
        for size, fits in ((len(BODY), True), (len(BODY) - 1, False)):
            limits = Limits(max_body=size)
            async with WoodpeckerSession("1.key", base_url=server.url, limits=limits) as woodpecker:
                if fits:
                    await woodpecker.account.me()
                else:
                    with pytest.raises(errors.ResponseDecodeError):
                        await woodpecker.account.me()


async def test_a_creation_whose_answer_is_too_large_looks_for_the_key() -> None:
    """The server says that the key was created; only the rest of its response is unreadable."""
    keys = b""

    async def handle(server, number: int, head: str) -> bytes:
        nonlocal keys
        if head.startswith("POST"):
            keys = b'{"api_key": "5.new", "label": "crm"}'
            return answer(b'{"api_key": "5.new", "label": "crm"' + b" " * 5000 + b"}")
        total = 1 if keys else 0
        page = b'{"total_elements": %d, "total_pages": 1, "current_page_number": 1, "page_size": 50}' % total
        return answer(b'{"content": [' + keys + b'], "pagination_data": ' + page + b"}")

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, limits=Limits(max_body=2000)) as woodpecker:
            made = await woodpecker.agency.api_keys.create(5, "crm")
            assert made.api_key.reveal() == "5.new"
            with pytest.raises(errors.KeyOutcomeUnknownError, match=r"larger than Limits\.max_body") as unknown:
                await woodpecker.agency.api_keys.create_once(5, "crm")
            assert unknown.value.kind == "unreadable_answer"
        assert sum(head.startswith("POST") for head in server.requests) == 2


@pytest.mark.parametrize("size", [9_000, 60_000])
async def test_heads_may_be_large(size: int) -> None:
    async def handle(server, number: int, head: str) -> bytes:
        return answer(BODY, Content_Security_Policy="a" * size, **{f"X_{n}": "y" for n in range(150)})

    async with raw_server(handle) as server, WoodpeckerSession("1.key", base_url=server.url) as woodpecker:
        await woodpecker.account.me(options=CallOptions(deadline=20))


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "64 MiB"])
def test_the_limit_is_an_integer(value: object) -> None:
    with pytest.raises(errors.ConfigError, match="max_body"):
        Limits(max_body=value)  # type: ignore[arg-type]
