"""`LIANHUA_DURABILITY=strict`: what is acknowledged is on disk, and on a replica where there is one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lianhua.config.settings import load_settings
from lianhua.config.store_url import parse_address
from lianhua.errors import StoreUnavailable, WrongSettings
from lianhua.store.client.client import Durability, StoreClient
from lianhua.store.client.scripts import Script
from lianhua.store.open import open_nodes, open_store
from tests.support.servers.redis_server import RedisServer
from tests.support.stillness import Stopwatch
from tests.support.waiting import until

KEYS = ["lianhua:{c}"]
ARGS = ["ann", "assistant", "", "", 60, "owner"]  # without a title: that would want a second key
# Without the delay of zero a primary waits five seconds for more replicas.
ALWAYS = {"appendonly": "yes", "appendfsync": "always", "repl-diskless-sync-delay": "0"}


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[RedisServer, RedisServer]]:
    """A primary and a replica of it, in step."""
    with RedisServer(tmp_path / "one", config=ALWAYS) as primary:
        following = ALWAYS | {"replicaof": f"127.0.0.1 {primary.port}"}
        with RedisServer(tmp_path / "two", config=following) as replica:
            await until_followed(primary)
            yield primary, replica


async def until_followed(primary: RedisServer) -> None:
    async with primary.client() as client:

        async def is_followed() -> bool:
            return bool((await client.execute_command("ROLE"))[2])

        await until(is_followed)


async def until_acknowledged(store: StoreClient) -> None:
    async def is_acknowledged() -> bool:
        with contextlib.suppress(StoreUnavailable):
            await store.run(Script("create"), KEYS, ARGS, durable=True)
            return True
        return False

    await until(is_acknowledged)


async def database(server: RedisServer) -> StoreClient:
    nodes = await open_nodes(parse_address(server.url))
    return StoreClient(nodes, Durability(nodes))


async def test_a_write_is_on_the_replica_when_it_is_acknowledged(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    store = await database(primary)
    async with replica.client() as looking:
        for number in range(50):
            await store.run(Script("create"), [f"lianhua:{{{number}}}"], ARGS, durable=True)
            assert await looking.hget(f"lianhua:{{{number}}}", "role") == b"assistant"
    await store.nodes.close()


async def test_a_write_that_no_replica_confirms_is_not_acknowledged_and_may_be_repeated(
    pair: tuple[RedisServer, RedisServer],
) -> None:
    primary, replica = pair
    store = await database(primary)
    replica.freeze()
    try:
        with pytest.raises(StoreUnavailable, match="not yet durable"):
            await store.run(Script("create"), KEYS, ARGS, durable=True)
        # Not asked to be durable, it is there at once.
        await store.run(Script("create"), ["lianhua:{d}"], ARGS)
    finally:
        replica.thaw()
    await until_acknowledged(store)
    async with replica.client() as looking:
        assert await looking.hget(KEYS[0], "role") == b"assistant"
    await store.nodes.close()


async def test_without_a_replica_the_server_alone_counts(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    store = await database(primary)
    replica.kill()
    await until_acknowledged(store)
    watch = Stopwatch()
    for _ in range(5):
        await store.run(Script("create"), KEYS, ARGS, durable=True)
    assert watch.within(2), "nobody is waited for who is not there"
    replica.start()
    await store.nodes.close()


async def test_many_calls_share_one_wait(pair: tuple[RedisServer, RedisServer]) -> None:
    primary, replica = pair
    store = await database(primary)
    calls = [([f"lianhua:{{{number}}}"], ARGS) for number in range(200)]
    answers = await store.run_each(Script("create"), calls, durable=True)
    assert answers == [[b"ann"]] * 200
    async with replica.client() as looking:
        assert await looking.dbsize() >= 200
    await store.nodes.close()


async def test_who_need_not_wait_for_a_replica_is_not_kept_waiting(
    pair: tuple[RedisServer, RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    primary, replica = pair
    monkeypatch.setattr("lianhua.store.client.client.DURABLE_S", 2.0)
    store = await database(primary)
    await until_acknowledged(store)
    replica.freeze()
    try:
        waiting = asyncio.create_task(store.run_each(Script("create"), [(KEYS, ARGS)] * 2, durable=True))
        async with primary.client() as client:

            async def is_waited_for() -> bool:
                return bool((await client.info("clients"))["blocked_clients"])

            await until(is_waited_for)
        await store.run_each(Script("create"), [(["lianhua:{d}"], ARGS)] * 2)
        await store.ask(("GET", "lianhua:{e}"))
        assert not waiting.done()
        assert [type(answer) for answer in await waiting] == [StoreUnavailable] * 2
    finally:
        replica.thaw()
    await store.nodes.close()


@pytest.mark.parametrize(
    ("flavour", "config", "reason"),
    [
        ("valkey", {"appendonly": "no"}, "appendonly yes"),
        ("redis", {"appendonly": "yes", "appendfsync": "everysec"}, "appendfsync always"),
    ],
)
async def test_a_server_that_cannot_be_waited_for_is_refused(
    tmp_path: Path, flavour: str, config: dict[str, str], reason: str
) -> None:
    with RedisServer(tmp_path / "store", flavour=flavour, config=config) as server:  # type: ignore[arg-type]
        settings = load_settings({"REDIS_URL": server.url, "LIANHUA_DURABILITY": "strict"}, tmp_path / "no.env")
        with pytest.raises(WrongSettings, match=reason):
            async with open_store(settings):
                pass


@pytest.mark.parametrize(
    ("flavour", "config"),
    [("valkey", {"appendonly": "yes", "appendfsync": "everysec"}), ("redis", ALWAYS)],
)
async def test_a_server_that_can_be_is_taken(tmp_path: Path, flavour: str, config: dict[str, str]) -> None:
    with RedisServer(tmp_path / "store", flavour=flavour, config=config) as server:  # type: ignore[arg-type]
        settings = load_settings({"REDIS_URL": server.url, "LIANHUA_DURABILITY": "strict"}, tmp_path / "no.env")
        async with open_store(settings) as store:
            assert await store.database.run(Script("create"), KEYS, ARGS, durable=True) == [b"ann"]
            assert await store.takes_writes()
