"""One server for most tests of the contract; each test is two people whom nobody else has met."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.http.client import Client
from tests.server_process import ServerProcess

SCRIPT = Path(__file__).with_name("script.toml")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def http_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of `http_server`."""
    return tmp_path_factory.mktemp("http")


@pytest.fixture(scope="session")
def http_server(http_data_dir: Path) -> Iterator[ServerProcess]:
    """A server with the scripted model that lives as long as the run."""
    server = ServerProcess(http_data_dir, LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_LOG_LEVEL="debug")
    yield server
    server.stop()
    server.kill()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections without a limit and without a memory for cookies."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
    ) as session:
        yield session


@pytest.fixture
def alice(session: aiohttp.ClientSession, http_server: ServerProcess) -> Client:
    return Client(session, http_server.url, f"alice-{next(_numbers)}")


@pytest.fixture
def bob(session: aiohttp.ClientSession, http_server: ServerProcess) -> Client:
    return Client(session, http_server.url, f"bob-{next(_numbers)}")
