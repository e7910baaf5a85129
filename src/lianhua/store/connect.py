"""Opens the store: the embedded server, or the one that the settings name. The only room that knows which it is."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError

from lianhua.errors import StoreUnavailable, WrongSettings
from lianhua.settings import Settings
from lianhua.store.embedded import EmbeddedServer, answers

logger = logging.getLogger(__name__)

CONNECTIONS: Final = 64  # the appends of all turns share one; the rest serve reads
CONNECT_TIMEOUT_S: Final = 2.0
CALL_TIMEOUT_S: Final = 3.0
PING_TIMEOUT_S: Final = 1.5  # health probes give up after a few seconds
RETRIES: Final = 1  # every script may be repeated, see `scripts`
MIN_VERSION: Final = {"redis": 7, "valkey": 8}


@dataclass(frozen=True)
class Store:
    """An open connection pool. `where` is for people: no password in it. `erased` is called when a text was erased."""

    client: Redis
    where: str
    erased: Callable[[], None] = lambda: None

    async def answers(self) -> bool:
        """Whether the store takes commands now."""
        with contextlib.suppress(RedisError, OSError):
            async with asyncio.timeout(PING_TIMEOUT_S):
                return bool(await self.client.ping())
        return False


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store for as long as the block runs. Raises `WrongSettings` or `StoreUnavailable`."""
    async with contextlib.AsyncExitStack() as stack:
        url = settings.store_url
        if url is None:
            server = EmbeddedServer(settings.data_dir)
            await server.start()
            stack.push_async_callback(server.close)
            where = f"embedded, files in {settings.data_dir / 'store'}"
            store = Store(_embedded_client(server.socket), where, server.rewrite_soon)
        else:
            store = Store(_client(url), _without_secrets(url))
        stack.push_async_callback(store.client.aclose)
        await _check_server(store, embedded=url is None)
        yield store


def _options() -> dict[str, Any]:
    return {
        "max_connections": CONNECTIONS,
        "timeout": CALL_TIMEOUT_S,
        "socket_timeout": CALL_TIMEOUT_S,
        "retry": Retry(ExponentialWithJitterBackoff(cap=0.5, base=0.05), RETRIES),
    }


def _embedded_client(socket: Path) -> Redis:
    # Not by address: a path may hold what an address would have to escape.
    return Redis.from_pool(
        BlockingConnectionPool(connection_class=UnixDomainSocketConnection, path=str(socket), **_options())
    )


def _client(url: str) -> Redis:
    extra = {} if url.startswith("unix") else {"socket_connect_timeout": CONNECT_TIMEOUT_S}
    try:
        return Redis.from_pool(BlockingConnectionPool.from_url(url, **_options(), **extra))
    except (ValueError, TypeError) as exc:
        raise WrongSettings("REDIS_URL: has an option after `?` that is not understood") from exc


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or parts.path
    return f"{parts.scheme}://{host}:{parts.port or 6379}" if parts.hostname else f"{parts.scheme}://{host}"


async def _check_server(store: Store, *, embedded: bool) -> None:
    try:
        info = await store.client.info()
    except (RedisError, OSError) as exc:
        raise StoreUnavailable(f"the store at {store.where} does not answer ({type(exc).__name__})") from exc
    name = "valkey" if "valkey_version" in info else "redis"
    version = str(info.get(f"{name}_version", "0"))
    if int(re.match(r"\d+", version)[0]) < MIN_VERSION[name]:  # type: ignore[index]  # a version starts with a digit
        raise WrongSettings(f"REDIS_URL: {name} {version} is too old, {name} >= {MIN_VERSION[name]} is needed")
    policy = info.get("maxmemory_policy", "noeviction")
    if info.get("maxmemory") and policy != "noeviction":
        raise WrongSettings(
            f"REDIS_URL: the server drops data when it is full (maxmemory-policy {policy}); use noeviction"
        )
    if not embedded and not info.get("aof_enabled"):
        logger.warning(
            "the store at %s keeps no append-only file: a crash of it loses what it had not saved",
            store.where,
        )


async def is_served(settings: Settings) -> bool:
    """Whether another lianhua runs the embedded store of these settings right now."""
    return settings.store_url is None and await answers(EmbeddedServer(settings.data_dir).socket) == "yes"


def is_exposed(url: str) -> bool:
    """Whether a store address without a password is on a network rather than on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "unix" or parts.password or parts.hostname in (None, "localhost"):
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True
