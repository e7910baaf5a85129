"""Real parts for the tests: a Valkey server, a server process."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from lianhua.store.embedded import EmbeddedServer
from tests.server_process import ServerProcess

StartServer = Callable[..., ServerProcess]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServer]:
    """One embedded server for the whole run; tests get it empty through `client`."""
    server = EmbeddedServer(tmp_path_factory.mktemp("valkey"))
    await server.start()
    yield server
    await server.close()


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
