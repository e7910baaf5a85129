"""Opens the store: the embedded server, or the one that the settings name. The only room that knows which it is."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from redis.asyncio import Redis, UnixDomainSocketConnection
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from lianhua.config.settings import Settings
from lianhua.config.store_url import Address, parse_address
from lianhua.errors import LianhuaError, StoreUnavailable, WrongSettings
from lianhua.store.client.client import Durability, StoreClient
from lianhua.store.client.keys import PREFIX
from lianhua.store.client.topology import POOLED_AT_ONCE, ClusterNodes, Nodes, OneNode, SentinelNode
from lianhua.store.client.versions import MIN_VERSION, WAITAOF_VERSION, loses_after_a_tear
from lianhua.store.embedded.memory import store_memory_bytes
from lianhua.store.embedded.server import EmbeddedServer, answers
from lianhua.store.format_version import bring_to_format
from lianhua.store.journal.running import RunningTurns

logger = logging.getLogger(__name__)

CONNECTIONS: Final = POOLED_AT_ONCE + 13  # a node; with two wires and one for hints no more than 64
SENTINEL_CONNECTIONS: Final = 4
CONNECT_TIMEOUT_S: Final = 2.0
CALL_TIMEOUT_S: Final = 3.0
PROBE_TIMEOUT_S: Final = 1.5  # health probes give up after a few seconds
PROBE_TTL_S: Final = 60
_TEAR: Final = (
    "is {server}: after a power cut in the middle of a script it loses what it acknowledges from then on at its next "
    "start (valkey-io/valkey pull request 4342). Valkey 8.0.11, 8.1.10, 9.0.6, 9.1.2 and later do not; else run "
    "BGREWRITEAOF after each start that says that it has truncated the AOF"
)
RETRIES: Final = 1  # every script may be repeated, see `scripts`; a wire does the same


@dataclass(frozen=True)
class Store:
    """An open store. `where` is for people: no password in it. `erased` is called when a text was erased. `remarks` are
    what its operator should know of it.
    """

    database: StoreClient
    where: str
    erased: Callable[[], None] = lambda: None
    remarks: tuple[str, ...] = ()

    async def takes_writes(self) -> bool:
        """Whether the store takes writes now: a full server still answers a PING. Of a Cluster some node is enough."""
        with contextlib.suppress(LianhuaError, RedisError, OSError):
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                if len(nodes := self.database.nodes.all()) == 1:
                    await self.database.ask(("SET", f"{PREFIX}:{{ready}}", 1, "EX", PROBE_TTL_S))
                    return True
                pongs = await asyncio.gather(*(node.client.ping() for node in nodes), return_exceptions=True)
                return any(pong is True for pong in pongs)
        return False


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store for as long as the block runs. Raises `WrongSettings` or `StoreUnavailable`."""
    async with contextlib.AsyncExitStack() as stack:
        if settings.store_url is None:
            server = await stack.enter_async_context(open_owned(settings))
            nodes: Nodes = OneNode(_embedded_client(server.socket))
            where = f"embedded, files in {settings.data_dir / 'store'}"
            erased: Callable[[], None] = server.rewrite_soon
        else:
            address = parse_address(settings.store_url)
            _refuse_exposed(address, settings)
            nodes, where, erased = await open_nodes(address), address.shown, lambda: None
        stack.push_async_callback(nodes.close)
        durability, remarks = await _check_servers(nodes, where, settings)
        for remark in remarks:
            logger.warning("the store at %s %s", where, remark)
        database = StoreClient(nodes, durability)
        await bring_to_format(database, where)
        yield Store(database, where, erased, remarks)


@asynccontextmanager
async def open_beside(settings: Settings) -> AsyncIterator[Store]:
    """`open_store`, also while another lianhua runs the embedded one: for a command that acts on what is served."""
    if not await is_served(settings):
        async with open_store(settings) as store:
            yield store
        return
    client = _embedded_client(EmbeddedServer(settings.data_dir).socket)
    erased: list[None] = []
    nodes = OneNode(client)
    try:
        yield Store(
            StoreClient(nodes), f"embedded, files in {settings.data_dir / 'store'}", lambda: erased.append(None)
        )
    finally:
        if erased:  # its file has the text until it is rewritten
            with contextlib.suppress(RedisError, OSError):
                await client.bgrewriteaof()
        await nodes.close()


@asynccontextmanager
async def open_owned(settings: Settings) -> AsyncIterator[EmbeddedServer]:
    """The embedded server for as long as the block runs, which owns it. Raises `WrongSettings` or
    `StoreUnavailable`.
    """
    server = EmbeddedServer(settings.data_dir, memory_bytes=settings.store_bytes or store_memory_bytes())
    await server.start()
    try:
        nodes = OneNode(_embedded_client(server.socket))
        try:
            database = StoreClient(nodes)
            await bring_to_format(database, f"embedded, files in {settings.data_dir / 'store'}")
            # Whoever ran a turn over this store's socket has gone with the store's former owner.
            await RunningTurns(database, 0).expire()
        finally:
            await nodes.close()
        yield server
    finally:
        await server.close()


def _options() -> dict[str, Any]:
    return {
        "max_connections": CONNECTIONS,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": CALL_TIMEOUT_S,
        "retry": Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), RETRIES),
        "protocol": 2,  # the hints of `pubsub` are read as plain answers
    }


def _embedded_client(socket: Path) -> Redis:
    # Not by address: a path may hold what an address would have to escape.
    return Redis.from_pool(ConnectionPool(connection_class=UnixDomainSocketConnection, path=str(socket), **_options()))


async def open_nodes(address: Address) -> Nodes:
    """The servers at an address, which the caller closes. Raises `StoreUnavailable`, `WrongSettings`."""
    options = _options()
    login: dict[str, Any] = {"username": address.username, "password": address.password}
    match address.kind:
        case "single":
            return OneNode(_client(address, options))
        case "sentinel":
            # Sentinels that want a password of their own are rare; where they do, it is the same one.
            asking = options | login | {"ssl": address.tls, "max_connections": SENTINEL_CONNECTIONS}
            sentinels = [Redis(host=host, port=port, **asking) for host, port in address.hosts]
            at = {**login, "ssl": address.tls, "db": address.database, **options}
            found = SentinelNode(sentinels, address.service, lambda host, port: Redis(host=host, port=port, **at))
            await found.open()
            return found
        case "cluster":
            nodes = ClusterNodes(
                address.hosts, lambda host, port: Redis(host=host, port=port, ssl=address.tls, **login, **options)
            )
            await nodes.open()
            return nodes


def _client(address: Address, options: dict[str, Any]) -> Redis:
    try:
        return Redis.from_pool(ConnectionPool.from_url(address.url, **options))
    except (ValueError, TypeError) as exc:
        raise WrongSettings("REDIS_URL: take out the option after `?` that is not known") from exc


def _refuse_exposed(address: Address, settings: Settings) -> None:
    if is_exposed(address) and not settings.allow_open_store:
        raise WrongSettings(
            f"REDIS_URL: {address.shown} is on the network and asks for no password, so anybody there reads every "
            "conversation; set one (requirepass or an ACL), or LIANHUA_ALLOW_OPEN_STORE=1 where the network is private"
        )


async def _check_servers(nodes: Nodes, where: str, settings: Settings) -> tuple[Durability | None, tuple[str, ...]]:
    """What each server must be. What a durable write has to wait for, where it has to; and what is to be said."""
    strict = settings.durability == "strict"
    writes_through: set[str] = set()
    remarks: dict[str, None] = {}  # in order, each once
    for node in nodes.all():
        try:
            info: dict[str, Any] = await node.client.info()
        except (RedisError, OSError) as exc:
            raise StoreUnavailable(f"the store at {where} does not answer ({type(exc).__name__})") from exc
        name = "valkey" if "valkey_version" in info else "redis"
        version = str(info.get(f"{name}_version", "0"))
        numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
        if numbers[0] < MIN_VERSION[name]:
            raise WrongSettings(f"REDIS_URL: {name} {version} is too old, {name} >= {MIN_VERSION[name]} is needed")
        if info.get("redis_mode") == "cluster" and isinstance(nodes, OneNode):
            raise WrongSettings("REDIS_URL: the server is a node of a Cluster; write redis+cluster://…")
        policy = info.get("maxmemory_policy", "noeviction")
        if info.get("maxmemory") and policy != "noeviction":
            raise WrongSettings(
                f"REDIS_URL: the server drops data when it is full (maxmemory-policy {policy}); use noeviction"
            )
        if not info.get("aof_enabled"):
            if strict:
                raise WrongSettings("LIANHUA_DURABILITY: strict needs a store with `appendonly yes`")
            remarks["keeps no append-only file: a crash of it loses what it had not saved"] = None
            continue
        if loses_after_a_tear(name, numbers) and settings.store_url is not None:
            remarks[_TEAR.format(server=f"{name} {version}")] = None
        if strict and numbers < WAITAOF_VERSION[name]:
            writes_through.add(node.name)
            await _refuse_late_disk(node.client, f"{name} {version}")
    return Durability(nodes, writes_through) if strict else None, tuple(remarks)


async def _refuse_late_disk(client: Redis, name: str) -> None:
    try:
        policy = (await client.config_get("appendfsync")).get("appendfsync")
    except RedisError as exc:
        raise WrongSettings(f"LIANHUA_DURABILITY: {name} does not tell its appendfsync; strict needs `always`") from exc
    if policy != "always":
        raise WrongSettings(f"LIANHUA_DURABILITY: strict needs `appendfsync always`: {name} cannot wait for its disk")


async def is_served(settings: Settings) -> bool:
    """Whether another lianhua runs the embedded store of these settings right now."""
    return settings.store_url is None and await answers(EmbeddedServer(settings.data_dir).socket) == "yes"


@asynccontextmanager
async def open_any_store(settings: Settings) -> AsyncIterator[Store]:
    """The store, also the embedded one of a lianhua that runs. Raises `WrongSettings` or `StoreUnavailable`."""
    if await is_served(settings):
        socket = EmbeddedServer(settings.data_dir).socket
        settings = replace(settings, redis_url=f"unix://{quote(str(socket))}")
    async with open_store(settings) as store:
        yield store


def is_exposed(address: Address) -> bool:
    """Whether a store without a password is on a network rather than on this machine."""
    return not address.password and any(not _on_this_machine(host) for host, _ in address.hosts)


def _on_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
