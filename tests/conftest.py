"""Real parts for the tests: a Valkey server, a server process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from lianhua.store.embedded import EmbeddedServer
from tests.server_process import ServerProcess

StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One embedded server for the whole run; tests get it empty through `client`."""
    server = EmbeddedServer(tmp_path_factory.mktemp("valkey"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.close())


@pytest.fixture
async def client(valkey: EmbeddedServer) -> AsyncIterator[Redis]:
    """A connection to the embedded server, whose data set is empty."""
    async with Redis(unix_socket_path=str(valkey.socket)) as redis:
        await redis.flushall()
        yield redis


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts server processes on this test's data directory; all are gone when the test ends."""
    started: list[ServerProcess] = []

    def start(**environment: str) -> ServerProcess:
        server = ServerProcess(tmp_path, **environment)
        started.append(server)
        return server

    yield start
    for server in started:
        server.kill()
