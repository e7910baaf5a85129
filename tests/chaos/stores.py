"""The stores that workers share in a run, each with a view of it from outside."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.sentinel import Sentinel

from lianhua.store.embedded.process import socket_path
from tests.chaos.store_view import StoreView
from tests.support.servers.cluster import Cluster
from tests.support.servers.redis_server import HOST, RedisServer
from tests.support.servers.sentinel import NAME, SentinelSet

# A write is answered when a replica has it as well.
STRICT = {"LIANHUA_DURABILITY": "strict"}
ALWAYS_ON_DISK = {"appendonly": "yes", "appendfsync": "always"}


@dataclass(frozen=True)
class Store:
    """`environment` is what a worker needs to find it; `server` is what faults are made on."""

    environment: Mapping[str, str]
    view: StoreView
    server: Any = None


OpenStore = Callable[[Path], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def one_valkey(folder: Path) -> AsyncIterator[Store]:
    """A Valkey server in memory."""
    async with _one_server(folder, "valkey", {}) as store:
        yield store


@asynccontextmanager
async def one_redis_on_disk(folder: Path) -> AsyncIterator[Store]:
    """A Redis server that writes everything to disk before it answers."""
    async with _one_server(folder, "redis", ALWAYS_ON_DISK) as store:
        yield store


@asynccontextmanager
async def _one_server(
    folder: Path, flavour: Literal["valkey", "redis"], config: Mapping[str, str]
) -> AsyncIterator[Store]:
    server = RedisServer(folder / "store", flavour=flavour, config=config)
    try:
        server.start()
        yield Store({"REDIS_URL": server.url}, StoreView(server.client), server)
    finally:
        await asyncio.to_thread(server.kill)


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Store]:
    """The one that the only worker starts for itself."""
    socket = socket_path(folder / "worker 1" / "store")
    yield Store({}, StoreView(lambda: Redis(unix_socket_path=str(socket))))


@asynccontextmanager
async def behind_sentinels(folder: Path) -> AsyncIterator[Store]:
    """A primary with replicas and sentinels."""
    async with SentinelSet(folder / "store") as sentinels:
        addresses = [(HOST, sentinel.port) for sentinel in sentinels.sentinels]

        def connect() -> Redis:
            primary: Redis = Sentinel(addresses).master_for(NAME)  # type: ignore[no-untyped-call]  # the driver's
            return primary

        yield Store({"REDIS_URL": sentinels.url, **STRICT}, StoreView(connect), sentinels)


@asynccontextmanager
async def one_cluster(folder: Path) -> AsyncIterator[Store]:
    """Three primaries with a replica each."""
    async with Cluster(folder / "store") as cluster:
        seeds = [ClusterNode(HOST, node.port) for node in cluster.nodes]
        view = StoreView(lambda: RedisCluster(startup_nodes=list(seeds)))
        yield Store({"REDIS_URL": cluster.url, **STRICT}, view, cluster)
