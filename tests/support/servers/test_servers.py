"""The servers for the tests are what they promise: real processes that die and come back, a network that is bad."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as NoAnswer

from tests.support.servers.program import Flavour
from tests.support.servers.proxy import Proxy
from tests.support.servers.redis_server import NotStarted, RedisServer
from tests.support.waiting import wait_until

WAIT_S = 60
HELD_BACK_S = 0.3
DURABLE = {"appendonly": "yes", "appendfsync": "always"}

both_flavours = pytest.mark.parametrize("flavour", ["valkey", "redis"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "server") as running:
        yield running


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(server.port) as listening:
        yield listening


def asked_once(port: int, timeout_s: float = WAIT_S) -> Redis:
    """A client that does not try again."""
    return Redis(port=port, retry=Retry(NoBackoff(), 0), socket_timeout=timeout_s)


def is_gone(pid: int) -> bool:
    """Whether the process has ended, be it that nobody has asked for its exit code yet."""
    try:
        os.kill(pid, 0)
        return sys.platform == "linux" and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


@both_flavours
async def test_a_killed_server_comes_back_on_its_port_with_what_it_had(tmp_path: Path, flavour: Flavour) -> None:
    with RedisServer(tmp_path / "a folder", flavour=flavour, config=DURABLE) as server:
        address, first = server.url, server.pid
        async with server.client() as client:
            assert ("valkey_version" in await client.info("server")) == (flavour == "valkey")
            await client.set("kept", "yes")
        assert server.kill() == -signal.SIGKILL
        assert is_gone(first)
        assert not server.is_running
        server.start()
        assert (server.url, server.is_running) == (address, True)
        assert server.pid != first
        async with server.client() as client:
            assert await client.get("kept") == b"yes"
    assert is_gone(server.pid)


async def test_a_server_asked_to_end_ends_in_order_even_when_frozen(server: RedisServer) -> None:
    server.freeze()
    assert server.stop() == 0
    assert is_gone(server.pid)


async def test_a_frozen_server_takes_connections_and_answers_once_thawed(server: RedisServer) -> None:
    server.freeze()
    async with asked_once(server.port, HELD_BACK_S) as client:
        with pytest.raises(NoAnswer):
            await client.ping()
    server.thaw()
    async with asked_once(server.port) as client:
        assert await client.ping()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, config={"maxmemory-policy": "whatever"})
    with pytest.raises(NotStarted, match="maxmemory-policy"):
        server.start()
    assert is_gone(server.pid)


def test_a_port_taken_meanwhile_is_left_to_whoever_has_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        server = RedisServer(tmp_path)
        chosen = server.port
        taken.bind(("127.0.0.1", chosen))
        taken.listen()
        with server:
            assert server.port != chosen


def test_a_server_does_not_outlive_a_test_run_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time; from tests.support.servers.redis_server import RedisServer\n"
        "server = RedisServer(pathlib.Path(sys.argv[1])); server.start(); print(server.pid, flush=True); time.sleep(60)"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    with run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert not is_gone(pid)
        run.kill()
    wait_until(lambda: is_gone(pid))


async def test_a_delay_holds_in_each_direction_and_reorders_nothing(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.delay_s = HELD_BACK_S
    before = time.monotonic()
    writer.write(b"PING late\r\n")
    await asyncio.sleep(HELD_BACK_S / 3)
    proxy.delay_s = 0
    writer.write(b"PING soon\r\n")
    assert await reader.readexactly(20) == b"$4\r\nlate\r\n$4\r\nsoon\r\n"
    assert time.monotonic() - before >= HELD_BACK_S
    proxy.delay_s = HELD_BACK_S
    before = time.monotonic()
    writer.write(b"PING both\r\n")
    assert await reader.readexactly(10) == b"$4\r\nboth\r\n"
    assert time.monotonic() - before >= 2 * HELD_BACK_S
    writer.close()
    assert proxy.bytes == 3 * (11 + 10)
    assert proxy.cuts == 0


async def test_a_cut_resets_what_is_open_and_nothing_else(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"PING\r\n")
    assert await reader.readline() == b"+PONG\r\n"
    assert proxy.cut() == 1
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    async with asked_once(proxy.port) as client:
        assert await client.ping()
    assert (proxy.connections, proxy.cuts) == (2, 1)


async def test_a_proxy_that_is_away_refuses_and_comes_back_on_its_port(proxy: Proxy) -> None:
    async with asked_once(proxy.port) as client:
        await client.ping()
        proxy.refuse()
        for _ in range(2):  # the open connection, then a new one
            with pytest.raises(Unreachable):
                await client.ping()
        await proxy.accept()
        assert await client.ping()
    assert (proxy.connections, proxy.cuts) == (2, 1)


async def test_a_stalled_proxy_keeps_connections_open_and_loses_nothing(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    proxy.stall()
    writer.write(b"PING\r\n")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readline(), HELD_BACK_S)
    proxy.go_on()
    assert await asyncio.wait_for(reader.readline(), WAIT_S) == b"+PONG\r\n"
    writer.close()
    assert proxy.cuts == 0


async def test_each_connection_is_cut_at_the_byte_drawn_for_it(server: RedisServer, proxy: Proxy) -> None:
    async with server.client() as client:
        await client.set("text", b"x" * 1_000_000)
    draws = iter([1, 777, 500_000, 2_000_000])
    proxy.cut_after_bytes(lambda: next(draws))
    for expected in (1, 777, 500_000):
        received, ended = await received_until_the_end(proxy.port)
        assert (received, ended) == (expected, "reset")
    received, ended = await received_until_the_end(proxy.port)
    assert (received > 1_000_000, ended) == (True, "closed")
    assert (proxy.connections, proxy.cuts) == (4, 3)


async def received_until_the_end(port: int) -> tuple[int, str]:
    """How many bytes came, and whether the connection was reset or closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET text\r\nQUIT\r\n")
    received = 0
    try:
        while data := await reader.read(65_536):
            received += len(data)
    except ConnectionResetError:
        return received, "reset"
    finally:
        writer.close()
    return received, "closed"


async def test_a_server_that_is_away_is_away_behind_the_proxy(server: RedisServer, proxy: Proxy) -> None:
    server.kill()
    async with asked_once(proxy.port) as client:
        with pytest.raises(Unreachable):
            await client.ping()
        server.start()
        assert await client.ping()
    assert proxy.cuts == 0
