"""What a connection waits for, and how an old client is answered."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from lianhua.server import protocol
from lianhua.server.protocol import Protocol
from tests.support.client import Client, events
from tests.support.server_process import ServerProcess
from tests.support.servers.ports import free_port

SOON_S = 0.2
PATIENCE_S = 60.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers `/late` when the body is there, everything else at once."""
    if scope["path"] == "/late":
        while (await receive()).get("more_body"):
            pass
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    """The port of a server in this loop."""
    port = free_port()
    config = uvicorn.Config(app, port=port, http=Protocol, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    server.config.load()
    loop = asyncio.get_running_loop()
    state = server.server_state
    listening = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", port)
    try:
        yield port
    finally:
        for connection in list(state.connections):
            connection.transport.abort()
        listening.close()
        await listening.wait_closed()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield reader, writer
    finally:
        writer.close()


async def answered(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(2)


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "start", [b"G", b"GET / HTTP/1.1\r\nHost: local", GET[:-2], GET + GET[:-1]], ids=["1", "part", "2 less", "second"]
)
async def test_half_a_request_is_not_held(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", SOON_S)
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(start)
        if start.startswith(GET):
            await answered(reader)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert b"content-type: application/problem+json" in head
        assert json.loads(body)["code"] == "head_too_slow"


async def test_a_head_that_comes_byte_by_byte_has_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", SOON_S)
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            writer.write(b"X: y\r\n")
            await asyncio.sleep(0.02)
        assert (await ended).startswith(b"HTTP/1.1 408 ")


async def test_a_connection_that_says_nothing_is_closed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "KEEP_ALIVE_S", SOON_S)
    async with serving() as port:
        for start in (b"", b"\r\n"):
            async with connected(port) as (reader, writer):
                writer.write(start)
                assert await reader.read() == b""


async def test_a_free_connection_is_kept_longer_than_proxies_keep_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert protocol.KEEP_ALIVE_S > 120  # Caddy's
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", SOON_S)
    monkeypatch.setattr(protocol, "KEEP_ALIVE_S", 2.0)
    async with serving() as port, connected(port) as (reader, writer):
        for _ in range(3):
            writer.write(GET)
            assert (await answered(reader)).endswith(b"ok")
            await asyncio.sleep(1.5 * SOON_S)  # not in the middle of a head
        began = time.monotonic()
        assert await reader.read() == b""
        assert time.monotonic() - began > SOON_S


async def test_a_real_server_keeps_a_free_connection(http_server: ServerProcess) -> None:
    port = int(http_server.url.rpartition(":")[2])
    async with connected(port) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(100)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(6):  # uvicorn by itself: 5 s
                await reader.read()


async def test_the_rest_of_an_answered_body_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REST_SILENCE_S", SOON_S)
    request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(request + b"x" * 50)
        assert (await answered(reader)).endswith(b"ok")
        assert await reader.read() == b""
    monkeypatch.setattr(protocol, "REST_SILENCE_S", 1.0)
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(request + b"x" * 50)
        await answered(reader)
        writer.write(b"x" * 50)  # it is all there: the connection goes on
        await asyncio.sleep(1.2)
        writer.write(GET)
        assert (await answered(reader)).endswith(b"ok")


async def test_a_rest_that_trickles_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "REST_S", 2 * SOON_S)
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        await answered(reader)
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            writer.write(b"x")
            await asyncio.sleep(0.02)


async def test_a_body_in_work_has_no_timer_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """`api.guard` has it."""
    for name in ("HEAD_TIMEOUT_S", "KEEP_ALIVE_S", "REST_SILENCE_S"):
        monkeypatch.setattr(protocol, name, SOON_S)
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(b"POST /late HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n")
        await asyncio.sleep(2 * SOON_S)
        writer.write(b"xx")
        assert (await answered(reader)).endswith(b"ok")


# HTTP/1.0


async def old(server: ServerProcess, path: str, *headers: str, version: str = "1.0") -> tuple[str, bytes]:
    """Head, in lower case, and body of what is answered until the server closes."""
    lines = [f"GET {path} HTTP/{version}", "Host: localhost", *headers, "", ""]
    async with connected(int(server.url.rpartition(":")[2])) as (reader, writer):
        writer.write("\r\n".join(lines).encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return head.decode().lower(), body


@pytest.mark.parametrize("header", ["X: y", "Connection: keep-alive"])
async def test_an_old_client_is_never_sent_chunks(http_server: ServerProcess, alice: Client, header: str) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "hello")
    whole = await alice.ask("GET", events(conversation, turn))
    export = await alice.ask("GET", f"/api/conversations/{conversation}/export")
    who = f"user_id={alice.user}"
    for path, body in (
        (f"{events(conversation, turn)}?{who}", whole.body),
        (f"/api/conversations/{conversation}/export?{who}", None),
        (f"/chat/stream?session_id={conversation}&message=again&{who}", None),
        ("/roles", None),
        ("/nothing", None),
    ):
        head, came = await old(http_server, path, header)
        assert "transfer-encoding" not in head, path
        assert "connection: close" in head
        assert came
        if body is not None:
            assert came == body
    assert export.status == 200
    assert b"event: end" in (await old(http_server, f"{events(conversation, turn)}?{who}", header))[1]
    head, came = await old(http_server, "/roles", header)
    assert json.loads(came)


async def test_pieces_reach_an_old_client_as_they_come(http_server: ServerProcess, alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[long]")
    path = f"{events(conversation, turn)}?user_id={alice.user}"
    async with connected(int(http_server.url.rpartition(":")[2])) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"chunked" not in head.lower()
        assert (await reader.readuntil(b"\n\n")).startswith(b"retry: ")
        await reader.readuntil(b"\n\n")
        await alice.stop(conversation, turn)
        rest = await reader.read()
    assert all(line[:1] in b"ed\x00" or line.startswith((b"id: ", b":")) for line in rest.split(b"\n") if line)
    assert b"event: end" in rest


async def test_what_is_no_request_does_not_get_into_an_answer(http_server: ServerProcess, alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[long]")
    path = f"{events(conversation, turn)}?user_id={alice.user}"
    async with connected(int(http_server.url.rpartition(":")[2])) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.readuntil(b"\n\n")
        writer.write(b"\0\0\0\0\r\n\r\n")
        rest = await reader.read()
    assert b"HTTP/1.1" not in rest
    await alice.stop(conversation, turn)
