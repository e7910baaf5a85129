"""Real parts for the tests: stores of every kind, server processes, users of them."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import settings
from redis.asyncio import Redis, RedisCluster

from lianhua.config.store_url import parse_address
from lianhua.store.client.topology import Nodes
from lianhua.store.embedded.server import EmbeddedServer
from lianhua.store.open import open_nodes
from tests.support import stillness
from tests.support.client import Client
from tests.support.server_process import ServerProcess
from tests.support.servers.cluster import Cluster
from tests.support.servers.redis_server import RedisServer
from tests.support.servers.sentinel import SentinelSet
from tests.support.side_by_side import Begun, side_by_side

StartServer = Callable[..., ServerProcess]

# What most of the servers of tests play; they echo everything else.
SCRIPT = Path(__file__).parent / "support" / "script.toml"
_numbers = itertools.count(1)

# How long one example takes says how busy the machine is; what it costs is measured in benchmarks/.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


# Folders whose tests share what takes long to start.
SHARING_FOLDERS = ("browser", "engines")
# What takes longest, so that it comes first and two workers end together.
LONGEST_FIRST = ("browser", "test_store_faults", "engines", "scenarios", "test_upstream_faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where tests run side by side, those of a file share their servers, all of the page share browsers, and scenarios
    are played together.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group_of(item)))
    order = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: order.get(_group_of(item), len(order)))


def _group_of(item: pytest.Item) -> str:
    if hasattr(_module_of(item), "SCENARIOS"):
        return "scenarios"
    folder = item.path.parent.name
    if folder in SHARING_FOLDERS:
        return folder
    return item.path.stem if item.path.stem in LONGEST_FIRST else str(item.path)


def _module_of(item: pytest.Item) -> object:
    return item.module if isinstance(item, pytest.Function) else None


@pytest.fixture(scope="session")
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """The scenarios of all modules that were collected, in the order of their tests."""
    modules = dict.fromkeys(map(_module_of, request.session.items))
    scenarios = [scenario for module in modules for scenario in getattr(module, "SCENARIOS", ())]
    yield from side_by_side(scenarios, tmp_path_factory.mktemp)


@pytest.fixture(scope="session", autouse=True)
def _looked_on() -> None:
    stillness.look_on()


@pytest_asyncio.fixture(
    scope="session", loop_scope="session", params=["embedded", "redis 7", "sentinel of redis 7", "cluster of valkey 9"]
)
async def store_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a store of each kind; tests get it empty through `client`."""
    folder = tmp_path_factory.mktemp("store")
    async with AsyncExitStack() as stack:
        match request.param:
            case "embedded":
                server = EmbeddedServer(folder)
                await server.start()
                stack.push_async_callback(server.close)
                yield f"unix://{server.socket}"
            case "redis 7":
                yield stack.enter_context(RedisServer(folder, flavour="redis")).url
            case "sentinel of redis 7":
                yield (await stack.enter_async_context(SentinelSet(folder, flavour="redis"))).url
            case "cluster of valkey 9":
                yield (await stack.enter_async_context(Cluster(folder))).url


@pytest.fixture
async def nodes(store_url: str) -> AsyncIterator[Nodes]:
    """The store as the server reaches it."""
    nodes = await open_nodes(parse_address(store_url))
    yield nodes
    await nodes.close()


@pytest.fixture
async def client(store_url: str, nodes: Nodes) -> AsyncIterator[Redis]:
    """The store as a test looks into it, empty. For a Cluster it is the driver's own client, which knows the same
    commands.
    """
    for node in nodes.all():
        await node.client.flushall()
    if not store_url.startswith("redis+cluster"):
        yield nodes.all()[0].client
        return
    host, port = parse_address(store_url).hosts[0]
    async with RedisCluster(host=host, port=port) as cluster:
        yield cluster  # type: ignore[misc]


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


@pytest.fixture(scope="session")
def http_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of `http_server`."""
    return tmp_path_factory.mktemp("http")


@pytest.fixture(scope="session")
def http_server(http_data_dir: Path) -> Iterator[ServerProcess]:
    """One server with the scripted model for most tests of the contract; it lives as long as the run."""
    server = ServerProcess(http_data_dir, LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_LOG_LEVEL="debug")
    yield server
    server.stop()
    server.kill()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections without a limit and without a memory for cookies."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=280)  # something hangs
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
    ) as session:
        yield session


@pytest.fixture
def alice(session: aiohttp.ClientSession, http_server: ServerProcess) -> Client:
    """Somebody whom nobody else has met."""
    return Client(session, http_server.url, f"alice-{next(_numbers)}")


@pytest.fixture
def bob(session: aiohttp.ClientSession, http_server: ServerProcess) -> Client:
    return Client(session, http_server.url, f"bob-{next(_numbers)}")
