"""The client of a model's server on real sockets."""

import asyncio
import contextlib
import gzip
import multiprocessing
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lianhua.errors import ModelBadResponse, ModelTimeout, ModelUnavailable
from lianhua.models.http import pool
from lianhua.models.http.connection import BODILESS_BYTES, LARGE_BYTES, Broken, Connection, NotHttp
from lianhua.models.http.endpoint import parse_endpoint
from lianhua.models.http.pool import Connections
from lianhua.models.openai.model import Limits, OpenAIModel
from lianhua.models.port import Finish, TextDelta
from tests.support.models.asking import HELLO, HELLO_DELTAS, INFO, PLAIN, PROMPT, Ask, said, taken
from tests.support.models.certificate import make_certificate
from tests.support.models.reached import ReachedUpstream
from tests.support.stillness import Stopwatch
from tests.support.upstream import (
    DONE,
    FIN,
    HANG,
    RST,
    Answer,
    Upstream,
    answer,
    chunk,
    events,
    raw,
    text,
    until_closed,
)
from tests.support.waiting import HANGS_S


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


@asynccontextmanager
async def connected(*answers: Answer) -> AsyncIterator[tuple[Connection, Upstream]]:
    """A connection that has asked, and the server that answers."""
    async with Upstream(*answers) as upstream:
        endpoint = parse_endpoint(upstream.base_url)
        connections = Connections(endpoint, keep=True)
        try:
            connection = await connections.take(soon())
            await connection.ask(endpoint.begin("GET", "", {}) + b"\r\n", soon())
            yield connection, upstream
        finally:
            connections.close()


async def whole(connection: Connection) -> bytes:
    body = b""
    while piece := await connection.read(soon()):
        body += piece
    return body


# Answers


PLAIN_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODIES = {
    "of a known length": (raw(PLAIN_HEAD + b"ab", HANG), b"ab", True),
    "in chunks": (raw(CHUNKED + b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", HANG), b"ab", True),
    "with extensions": (raw(CHUNKED + b'1;x=y\r\na\r\n1;q="z;"\r\nb\r\n0;end\r\n\r\n', HANG), b"ab", True),
    "with trailers": (raw(CHUNKED + b"2\r\nab\r\n0\r\nX-Sum: 1\r\nContent-Encoding: gzip\r\n\r\n", HANG), b"ab", True),
    "in bare line feeds": (raw(PLAIN_HEAD.replace(b"\r\n", b"\n") + b"ab", HANG), b"ab", True),
    "until the end": (until_closed(b"a", b"b"), b"ab", False),
    "of HTTP/1.0": (raw(b"HTTP/1.0 200 OK\r\n\r\nab", FIN), b"ab", False),
    "of HTTP/1.0 with a length": (raw(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", HANG), b"ab", False),
    "of HTTP/1.0 that is kept": (
        raw(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nab", HANG),
        b"ab",
        True,
    ),
    "before a close": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", HANG), b"ab", False),
    "after other answers": (
        raw(b"HTTP/1.1 100 On\r\n\r\nHTTP/1.1 103 Early\r\nContent-Length: 9\r\n\r\n" + PLAIN_HEAD + b"ab", HANG),
        b"ab",
        True,
    ),
    "that is none": (raw(b"HTTP/1.1 204 No Content\r\n\r\n", HANG), b"", True),
    "before a second answer": (raw((PLAIN_HEAD + b"ab") * 2, HANG), b"ab", False),
    "before what is no answer": (raw(PLAIN_HEAD + b"abcdef", HANG), b"ab", False),
    "whose length is said twice": (raw(PLAIN_HEAD[:-2] + b"Content-Length: 2\r\n\r\nab", HANG), b"ab", False),
    "whose length is said twice in one": (raw(PLAIN_HEAD.replace(b": 2", b": 2, 2") + b"ab", HANG), b"ab", False),
    "with a length before chunks": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", HANG),
        b"ab",
        False,
    ),
    "with a length behind chunks": (
        raw(CHUNKED[:-2] + b"content-length: 2\r\nX: y\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n", HANG), b"ab", False
    ),
    "with two lengths beside chunks": (
        raw(CHUNKED[:-2] + b"Content-Length: 1\nContent-Length: 2\n\n2\r\nab\r\n0\r\n\r\n", HANG), b"ab", False
    ),
    "in chunks that are said twice": (
        raw(CHUNKED[:-2] + b"Transfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", HANG), b"ab", True
    ),
    "as it is, with a length": (raw(PLAIN_HEAD[:-2] + b"Transfer-Encoding: identity\r\n\r\nab", HANG), b"ab", False),
    "said twice after another answer": (
        raw(b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + PLAIN_HEAD[:-2] + b"Content-Length: 2\r\n\r\nab", HANG),
        b"ab",
        False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "body", "reusable"), BODIES.values(), ids=BODIES)
async def test_a_body_is_read_to_its_end_and_no_further(script: Answer, body: bytes, reusable: bool) -> None:
    async with connected(script) as (connection, _):
        assert connection.status in (200, 204)
        assert await whole(connection) == body
        assert await connection.read(soon()) == b""
        assert connection.reusable == reusable


@pytest.mark.parametrize(("script", "body", "reusable"), BODIES.values(), ids=BODIES)
async def test_an_answer_may_be_cut_at_every_byte(script: Answer, body: bytes, reusable: bool) -> None:
    pieces = [bytes([byte]) for step in script.steps if isinstance(step, bytes) for byte in script.head + step]
    end = [step for step in script.steps if not isinstance(step, bytes)]
    async with connected(raw(*pieces, *end) if not script.head else script) as (connection, _):
        assert await whole(connection) == body


@pytest.mark.parametrize(
    "head",
    [
        PLAIN_HEAD[:-2] + b"Content-Length: 3\r\n\r\nab",
        PLAIN_HEAD.replace(b": 2", b": 2, 3") + b"ab",
        PLAIN_HEAD.replace(b": 2", b": -2, -2") + b"ab",
        PLAIN_HEAD[:-2] + b"Transfer-Encoding: gzip\r\n\r\nab",
        PLAIN_HEAD[:-2] + b"Content-Length: 2\r\n" + b"X: " + b"x" * BODILESS_BYTES,
    ],
    ids=["two lengths", "two in one", "below zero", "a coding and a length", "endless"],
)
async def test_a_length_in_dispute_is_not_guessed(head: bytes) -> None:
    with pytest.raises((NotHttp, Broken)):
        async with connected(raw(head, HANG)):
            pass


@pytest.mark.parametrize(
    "script",
    [
        raw(PLAIN_HEAD + b"a", FIN),
        raw(PLAIN_HEAD + b"a", RST),
        raw(CHUNKED + b"1\r\na\r\n", FIN),
        raw(CHUNKED + b"9\r\na", FIN),
        raw(CHUNKED + b"1\r\na\r\nzz\r\n", HANG),
    ],
    ids=["shorter than said", "reset", "between chunks", "in a chunk", "broken chunks"],
)
async def test_a_body_without_its_end_is_broken(script: Answer) -> None:
    async with connected(script) as (connection, _):
        with pytest.raises(Broken):
            while await connection.read(soon()):
                pass
        assert not connection.reusable
        with pytest.raises(Broken):
            await connection.ask(b"GET / HTTP/1.1\r\n\r\n", soon())


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (raw(FIN), Broken),
        (raw(RST), Broken),
        (raw(b"HTTP/1.1 200 OK\r\nX-", FIN), Broken),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n", FIN), Broken),
        (raw(b"<html>\r\n\r\n", HANG), NotHttp),
        (raw(b"\x00\x01\x02\x03", HANG), NotHttp),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", HANG), NotHttp),
        (raw(b"HTTP/1.1 101 Other\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", HANG), NotHttp),
        (raw(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 2 * BODILESS_BYTES, HANG), NotHttp),
        (raw(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * BODILESS_BYTES, HANG), NotHttp),
        (raw(b"HTTP/1.1 100 Continue\r\n\r\n" * BODILESS_BYTES, HANG), NotHttp),
    ],
    ids=["end", "reset", "half", "only before it", "HTML", "bytes", "two lengths", "an upgrade", "a long header",
         "many headers", "answers before it"],
)  # fmt: skip
async def test_what_is_no_answer(script: Answer, error: type[Exception]) -> None:
    with pytest.raises(error):
        async with connected(script):
            pass


@pytest.mark.parametrize("flood", [b";" + b"x" * 4 * BODILESS_BYTES, b"0\r\nX: " + b"x" * 4 * BODILESS_BYTES])
async def test_what_belongs_to_no_body_is_bounded_behind_the_headers_too(flood: bytes) -> None:
    async with connected(raw(CHUNKED + b"1\r\na\r\n", b"1" * (flood[:1] == b";") + flood, HANG)) as (connection, _):
        with pytest.raises(Broken):
            await whole(connection)


async def test_headers_that_come_slowly_end_with_the_time_for_them(model_at: Callable[..., OpenAIModel]) -> None:
    class Beat(asyncio.Event):
        async def wait(self) -> Any:
            await asyncio.sleep(0.01)  # a pace cannot be told by a condition

    slow = raw(b"HTTP/1.1 200 OK\r\nX: ", *(step for _ in range(500) for step in (b"x", Beat())))
    async with Upstream(slow) as upstream:
        with pytest.raises(ModelTimeout):
            await said(model_at(upstream.base_url, Limits(connect_s=2, first_byte_s=0.15)))
        async with asyncio.timeout(HANGS_S):
            await upstream.requests[0].gone.wait()


# Compressed, although nobody asked


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


STREAM = text("a") * 500 + chunk(finish="stop") + DONE


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", bare_deflate)],
)
@pytest.mark.parametrize("step", [1, 1000])
async def test_a_compressed_answer_is_read(ask: Ask, encoding: str, pack: Callable[[bytes], bytes], step: int) -> None:
    packed = pack(STREAM)
    pieces = [packed[at : at + step] for at in range(0, len(packed), step)]
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nConnection: close\r\n\r\n".encode()
    assert await ask(raw(head, *pieces, FIN)) == [TextDelta("a" * 500), Finish("stop")]


@pytest.mark.parametrize(
    "packed", [gzip.compress(text("a"), mtime=0)[:-12], gzip.compress(text("a"), mtime=0)[:12] + b"no gzip"]
)
async def test_a_compressed_answer_that_breaks_is_a_cut(ask: Ask, packed: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
    with pytest.raises(ModelUnavailable):
        await ask(raw(head, packed, FIN))


# Demand


async def test_what_nobody_asks_for_stays_with_the_sender() -> None:
    sent = 0

    class Counted(asyncio.Event):
        async def wait(self) -> Any:
            nonlocal sent
            sent += 1

    block = b"x" * 64 * 1024
    async with connected(events(*(step for _ in range(1024) for step in (block, Counted())))) as (connection, _):
        before = -1
        while before != sent:  # until the sockets are full on both sides
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 1024, "all 64 MiB were taken"
        first = await connection.read(soon())
        assert len(first) <= LARGE_BYTES + 256 * 1024
        assert len(first) + len(await whole(connection)) == 1024 * len(block)


async def test_small_arrivals_gather_until_they_are_asked_for() -> None:
    gates = [asyncio.Event() for _ in range(5)]
    pieces = [step for gate in gates for step in (gate, b"x")]
    async with connected(events(b"a", *pieces)) as (connection, upstream):
        assert await connection.read(soon()) == b"a"
        for gate in gates:
            gate.set()
            await asyncio.sleep(0.02)  # each arrives by itself
        got, reads = b"", 0
        while len(got) < 5:
            got += await connection.read(soon())
            reads += 1
        assert reads <= 3, "one that has arrived, one that made it pause, and all the others"
        assert await connection.read(soon()) == b""
        assert connection.reusable
        assert upstream.connections == 1


async def test_a_reader_that_gave_up_leaves_nothing_behind() -> None:
    gate = asyncio.Event()
    async with connected(events(gate, b"late")) as (connection, _):
        reader = asyncio.create_task(connection.read(soon()))
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader])
        with pytest.raises(TimeoutError):
            await connection.read(asyncio.get_running_loop().time() + 0.05)
        gate.set()
        assert await whole(connection) == b"late"


async def test_a_deadline_may_come_nearer_and_move_away() -> None:
    clock = asyncio.get_running_loop().time
    gate = asyncio.Event()
    async with connected(events(b"a", gate, b"b", HANG)) as (connection, _):
        assert await connection.read(clock() + 60) == b"a"
        for wait_s in (0.05, 0.1, 0.02):
            began = clock()
            with pytest.raises(TimeoutError):
                await connection.read(began + wait_s)
            assert wait_s - 0.005 <= clock() - began < wait_s + 1
        asyncio.get_running_loop().call_later(0.1, gate.set)
        assert await connection.read(clock() + 60) == b"b"


# Connections that are kept


async def test_a_connection_is_kept_for_the_next_reply(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(HELLO) as upstream:
        model = model_at(upstream.base_url)
        for _ in range(3):
            assert await said(model) == HELLO_DELTAS
        assert upstream.connections == 1
        once = model_at(upstream.base_url, keep_connections=False)
        for _ in range(2):
            assert await said(once) == HELLO_DELTAS
        assert upstream.connections == 3
        assert upstream.requests[-1].headers["connection"] == "close"


async def test_a_reply_that_was_left_is_not_kept(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(events(text("a"), HANG), HELLO) as upstream:
        model = model_at(upstream.base_url)
        async with aclosing(model.stream(PROMPT, PLAIN)) as stream:
            assert await taken(stream) == [TextDelta("a")]
        assert await said(model) == HELLO_DELTAS
        assert upstream.connections == 2


async def test_a_refusal_keeps_its_connection(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(answer(429, {"error": "slowly"}), HELLO) as upstream:
        assert (await said(model_at(upstream.base_url)))[1:] == HELLO_DELTAS
        assert upstream.connections == 1


async def test_a_free_connection_is_closed_after_a_while(
    model_at: Callable[..., OpenAIModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "KEEP_S", 0.05)
    async with ReachedUpstream(HELLO) as upstream:
        model = model_at(upstream.base_url)
        assert await said(model) == HELLO_DELTAS
        await upstream.all_closed()
        assert await said(model) == HELLO_DELTAS
        assert upstream.connections == 2


@pytest.mark.parametrize("end", [FIN, RST])
async def test_a_connection_that_dies_while_it_is_free_is_not_used(
    model_at: Callable[..., OpenAIModel], end: Any
) -> None:
    body = text("a") + DONE
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    gate = asyncio.Event()
    async with ReachedUpstream(raw(whole, gate, end), HELLO) as upstream:
        model = model_at(upstream.base_url)
        assert await said(model) == [TextDelta("a"), Finish("stop")]
        gate.set()
        await upstream.all_closed()
        await asyncio.sleep(0.05)  # the news has arrived, which nobody can look at
        assert await said(model) == HELLO_DELTAS
        assert upstream.connections == 2


async def test_what_comes_unasked_ends_a_free_connection(model_at: Callable[..., OpenAIModel]) -> None:
    body = text("a") + DONE
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    gate = asyncio.Event()
    async with Upstream(raw(whole, gate, PLAIN_HEAD + b"ab", HANG), HELLO) as upstream:
        model = model_at(upstream.base_url)
        assert await said(model) == [TextDelta("a"), Finish("stop")]
        gate.set()
        async with asyncio.timeout(HANGS_S):
            await upstream.requests[0].gone.wait()
        assert await said(model) == HELLO_DELTAS


# Addresses


async def test_tls_needs_a_certificate_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    async with ReachedUpstream(HELLO, tls=context) as upstream:
        pool.tls_context.cache_clear()
        stranger = OpenAIModel(INFO, upstream.base_url, None, Limits(retry_s=0.01))
        with pytest.raises(ModelUnavailable, match="its certificate is not believed: self-signed certificate"):
            await said(stranger)
        assert not upstream.requests
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        pool.tls_context.cache_clear()
        friend = OpenAIModel(INFO, upstream.base_url, None, Limits(retry_s=0.01))
        try:
            for _ in range(2):
                assert await said(friend) == HELLO_DELTAS
        finally:
            pool.tls_context.cache_clear()
            await friend.close()
            await stranger.close()
        assert upstream.connections == 1


async def test_an_address_that_refuses_makes_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream(HELLO) as upstream:
        monkeypatch.setattr(Connections, "_look_up", lambda self: _addresses("127.0.0.2", "127.0.0.1"))
        model = OpenAIModel(INFO, upstream.base_url, None, Limits(retry_s=0.01))
        assert await said(model) == HELLO_DELTAS
        await model.close()


async def test_an_address_that_is_silent_gets_a_rival(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Upstream(HELLO) as upstream:
        with socket.socket() as deaf:  # a full accept queue: the kernel completes no further handshake
            deaf.bind(("127.0.0.2", upstream.port))
            deaf.listen(0)
            waiting = [socket.socket() for _ in range(4)]
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(deaf.getsockname())
            monkeypatch.setattr(Connections, "_look_up", lambda self: _addresses("127.0.0.2", "127.0.0.1"))
            model = OpenAIModel(INFO, upstream.base_url, None, Limits(connect_s=3, retry_s=0.01))
            assert await said(model) == HELLO_DELTAS
            await model.close()
            for client in waiting:
                client.close()


async def _addresses(*addresses: str) -> tuple[str, ...]:
    return addresses


async def test_an_ipv6_address_is_taken_as_it_is_written() -> None:
    async with ReachedUpstream(HELLO, host="::1") as upstream:
        model = OpenAIModel(INFO, upstream.base_url, None)
        assert await said(model) == HELLO_DELTAS
        await model.close()
        assert upstream.requests[0].headers["host"] == f"[::1]:{upstream.port}"


@pytest.mark.parametrize(("key", "sent"), [(None, "Basic YTpiIGM="), ("k", "Bearer k")])
async def test_a_login_in_the_address_is_for_where_there_is_no_key(key: str | None, sent: str) -> None:
    async with Upstream(HELLO) as upstream:
        model = OpenAIModel(INFO, upstream.base_url.replace("//", "//a:b%20c@"), key)
        assert await said(model) == HELLO_DELTAS
        await model.close()
        assert upstream.requests[0].headers["authorization"] == sent


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/v1", "127.0.0.1:80", "http://", "http://a:b/v1", "http://[::1/v1"])
async def test_what_is_no_address_is_unavailable_at_once(url: str) -> None:
    with pytest.raises(ModelUnavailable):
        await said(OpenAIModel(INFO, url, None))


async def test_a_key_cannot_bring_a_header_of_its_own() -> None:
    async with Upstream(HELLO) as upstream:
        with pytest.raises(ModelBadResponse):
            await said(OpenAIModel(INFO, upstream.base_url, "k\r\nX: y"))
        assert not upstream.requests


@pytest.mark.parametrize("nothing", [b": keep-alive\n\n", b"\n", b'data: {"choices":[{"index":0,"delta":{}}]}\n\n'])
async def test_a_flood_of_nothing_meets_its_deadline_and_stops_nobody_else(
    model_at: Callable[..., OpenAIModel], nothing: bytes
) -> None:
    def flood(port: "multiprocessing.Queue[int]") -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port.put(server.getsockname()[1])
            client, _ = server.accept()
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            until = time.monotonic() + 60
            with contextlib.suppress(OSError):
                while time.monotonic() < until:
                    client.sendall(nothing * (1024 * 1024 // len(nothing)))

    port: multiprocessing.Queue[int] = multiprocessing.get_context("fork").Queue()
    sender = multiprocessing.get_context("fork").Process(target=flood, args=(port,))
    sender.start()
    try:
        address = f"http://127.0.0.1:{await asyncio.to_thread(port.get)}/v1"
        watch = Stopwatch()
        with pytest.raises(ModelTimeout):
            await said(model_at(address, Limits(first_byte_s=0.3)))
        assert watch.within(3), "the flood lasts a minute"
    finally:
        sender.terminate()
        await asyncio.to_thread(sender.join)
