"""The connections to one server of a model: opened when they are needed, kept for a while when they are free."""

import asyncio
import math
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from functools import cache
from typing import Any

from lianhua.models.connection import Connection
from lianhua.models.endpoint import Endpoint

# Servers keep a free connection for 5 s (Node, uvicorn) to some minutes. One that is kept too long meets its end just
# when it is used.
KEEP_S = 15.0
# A connection with TLS holds some 100 KB.
KEPT_CONNECTIONS = 100
# After this time the addresses of a name are asked for again.
ADDRESSES_S = 10.0
# After this time an address that has not answered gets the next one as a rival (RFC 8305, 5: 250 ms).
HEAD_START_S = 0.25


class Connections:
    """All to `endpoint`. With `keep` False every request gets one of its own."""

    def __init__(self, endpoint: Endpoint, *, keep: bool) -> None:
        self._endpoint = endpoint
        self._keep = keep
        self._closed = False
        self._all: set[Connection] = set()
        self._free: list[Connection] = []  # the last used at the end: it has the longest to live
        self._addresses: tuple[str, ...] = (endpoint.host,) if endpoint.is_address else ()
        self._looked_up_at = -math.inf
        self._context: ssl.SSLContext | None = None

    async def take(self, until: float) -> Connection:
        """A connection that is free, else a new one, if it comes about before the loop's clock shows `until`.

        Raises `OSError` (`ssl.SSLError` and `TimeoutError` are some), and `ValueError` for a host that none can have.
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

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._free:
            self._free.remove(connection)

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        endpoint = self._endpoint
        if endpoint.tls and self._context is None:
            self._context = await asyncio.to_thread(_tls)  # reading the certificates takes 20 ms

        async def connect(address: str) -> Connection:
            connection = Connection(loop, self._lost)
            self._all.add(connection)
            try:
                await loop.create_connection(
                    lambda: connection,
                    address,
                    endpoint.port,
                    ssl=self._context,
                    server_hostname=endpoint.host if endpoint.tls else None,
                )
            except BaseException:
                self._all.discard(connection)
                raise
            return connection

        addresses = await self._look_up()
        return await (connect(addresses[0]) if len(addresses) == 1 else _first(connect, addresses))

    async def _look_up(self) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        if not self._endpoint.is_address and loop.time() - self._looked_up_at > ADDRESSES_S:
            found = await loop.getaddrinfo(self._endpoint.host, self._endpoint.port, type=socket.SOCK_STREAM)
            self._addresses = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
            self._looked_up_at = loop.time()
        return self._addresses


async def _first(connect: Callable[[str], Coroutine[Any, Any, Connection]], addresses: Sequence[str]) -> Connection:
    """The first connection that comes about. Each address has a head start before the next, unless it fails."""
    tries: set[asyncio.Task[Connection]] = set()
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


def _let_go(late: asyncio.Task[Connection]) -> None:
    if not late.cancelled() and late.exception() is None:
        late.result().close()


@cache
def _tls() -> ssl.SSLContext:
    """One for all, and none where only `http` is spoken: the system's certificates are some MB."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
