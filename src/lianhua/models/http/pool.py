"""The connections to one server of a model: opened when they are needed, kept for a while when they are free."""

import asyncio
import math
import select
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from lianhua.models.http.connection import Connection
from lianhua.models.http.endpoint import Endpoint
from lianhua.models.http.proxies import Proxy, ProxyFailed
from lianhua.models.http.readiness import Readiness
from lianhua.models.http.roots import tls_context
from lianhua.models.http.tunnel import Tunnel

# Servers keep a free connection for 5 s (Node, uvicorn) to some minutes. One that is kept too long meets its end just
# when it is used.
KEEP_S = 15.0
# A connection with TLS holds some 100 KB.
KEPT_CONNECTIONS = 100
# After this time the addresses of a name are asked for again.
ADDRESSES_S = 10.0
# After this time an address that has not answered gets the next one as a rival (RFC 8305, 5: 250 ms).
HEAD_START_S = 0.25


Line = TypeVar("Line", Connection, Tunnel)


class Connections:
    """All to `endpoint`, by way of `proxy` where there is one. With `keep` False every request gets one of its own.

    Where the proxy relays (see `Proxy`), the connections end there, and requests have to name the whole address.
    """

    def __init__(self, endpoint: Endpoint, *, keep: bool, proxy: Proxy | None = None) -> None:
        self._endpoint = endpoint
        self._proxy = proxy
        self._dialled = proxy.endpoint if proxy else endpoint
        self._keep = keep
        self._closed = False
        self._all: set[Connection | Tunnel] = set()
        self._free: list[Connection] = []  # the last used at the end: it has the longest to live
        self._addresses: tuple[str, ...] = (self._dialled.host,) if self._dialled.is_address else ()
        self._looked_up_at = -math.inf
        self._context: ssl.SSLContext | None = None
        self._readiness: Readiness | None = None

    async def take(self, until: float) -> Connection:
        """A connection that is free, else a new one, if it comes about before the loop's clock shows `until`.

        Raises `OSError` (`ssl.SSLError` and `TimeoutError` are some), `ProxyFailed`, and `ValueError` for a host that
        none can have.
        """
        while self._free:
            if (connection := self._free.pop()).reusable:
                return connection
        async with asyncio.timeout_at(until):
            connection = await self._open()
        if self._closed:
            connection.close()
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep it for the next request where that can be, else close it."""
        if self._keep and connection.reusable and not self._closed and len(self._free) < KEPT_CONNECTIONS:
            self._free.append(connection)
            connection.rest(asyncio.get_running_loop().time() + KEEP_S)
        else:
            connection.close()

    def close(self) -> None:
        """Close every connection, those under way too."""
        self._closed = True
        for connection in tuple(self._all):
            connection.close()
        if self._readiness:
            self._readiness.close()

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._free:
            self._free.remove(connection)

    async def _open(self) -> Connection:
        if (self._endpoint.tls or self._dialled.tls) and self._context is None:
            self._context = await asyncio.to_thread(tls_context)  # reading the certificates takes 20 ms
        loop = asyncio.get_running_loop()
        if self._readiness is None and not self._closed and hasattr(select, "epoll"):  # Linux
            self._readiness = Readiness(loop)
        new = partial(Connection, loop, self._lost, self._readiness)
        if self._proxy is None:
            return await self._dial(new)
        if self._proxy.relays(self._endpoint):
            return await self._dial_proxy(new)
        return await self._through(self._proxy, await self._dial_proxy(partial(Tunnel, loop)), new())

    async def _dial(self, new: Callable[[], Line]) -> Line:
        loop = asyncio.get_running_loop()
        dialled = self._dialled

        async def connect(address: str) -> Line:
            line = new()
            self._all.add(line)
            try:
                await loop.create_connection(
                    lambda: line,
                    address,
                    dialled.port,
                    ssl=self._context if dialled.tls else None,
                    server_hostname=dialled.host if dialled.tls else None,
                )
            except BaseException:
                self._all.discard(line)
                raise
            return line

        addresses = await self._look_up()
        return await (connect(addresses[0]) if len(addresses) == 1 else _first(connect, addresses))

    async def _dial_proxy(self, new: Callable[[], Line]) -> Line:
        try:
            return await self._dial(new)
        except (OSError, ValueError) as exc:
            passing = isinstance(exc, OSError) and not isinstance(exc, ssl.SSLError)
            raise ProxyFailed(f"no connection to the proxy: {type(exc).__name__}", passing=passing) from None

    async def _through(self, proxy: Proxy, tunnel: Tunnel, connection: Connection) -> Connection:
        target = self._endpoint
        self._all.add(connection)
        try:
            await tunnel.lead(proxy, target, await self._name_for(proxy))
            await tunnel.becomes(connection, self._context if target.tls else None, target)
        except BaseException:
            tunnel.close()
            self._all.discard(connection)
            raise
        finally:
            self._all.discard(tunnel)
        return connection

    async def _name_for(self, proxy: Proxy) -> str:
        """What `proxy` is told of our server's host: its name, or an address where we are to look that up."""
        if proxy.kind != "socks5" or self._endpoint.is_address:
            return self._endpoint.host
        return (await _addresses_of(self._endpoint))[0]

    async def _look_up(self) -> Sequence[str]:
        """The addresses of whom we connect to ourselves."""
        now = asyncio.get_running_loop().time()
        if not self._dialled.is_address and now - self._looked_up_at > ADDRESSES_S:
            self._addresses = await _addresses_of(self._dialled)
            self._looked_up_at = now
        return self._addresses


async def _addresses_of(endpoint: Endpoint) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


async def _first(connect: Callable[[str], Coroutine[Any, Any, Line]], addresses: Sequence[str]) -> Line:
    """The first connection that comes about. Each address has a head start before the next, unless it fails."""
    tries: set[asyncio.Task[Line]] = set()
    error: BaseException = OSError("no address")
    left = list(addresses)
    try:
        while tries or left:
            if left:
                tries.add(asyncio.create_task(connect(left.pop(0))))
            done, _ = await asyncio.wait(
                tries, timeout=HEAD_START_S if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for ended in done:
                tries.discard(ended)
                if (failure := ended.exception()) is None:
                    return ended.result()
                error = failure
    finally:
        for late in tries:
            late.add_done_callback(_let_go)
            late.cancel()
    raise error


def _let_go(late: asyncio.Task[Line]) -> None:
    if not late.cancelled() and late.exception() is None:
        late.result().close()
