"""The way through a proxy: CONNECT (RFC 9110, 9.3.6) or SOCKS5 (RFC 1928, its logins RFC 1929)."""

import asyncio
import re
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from typing import cast

from lianhua.models.http.connection import BODILESS_BYTES, Connection
from lianhua.models.http.endpoint import Endpoint
from lianhua.models.http.proxies import Proxy, ProxyFailed

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_SCHEMES = re.compile(rb"^proxy-authenticate:[ \t]*([A-Za-z]+)", re.IGNORECASE | re.MULTILINE)
# RFC 1928, 6; all but the second and the last two may pass.
_SOCKS_REFUSALS = {
    1: "a failure of its own",
    2: "that its rules forbid it",
    3: "that the network cannot be reached",
    4: "that the host cannot be reached",
    5: "that the host refused the connection",
    6: "that the host did not answer in time",
    7: "that it makes no connections",
    8: "that it does not know this kind of address",
}
_SOCKS_PASSING = frozenset({1, 3, 4, 5, 6})
_NO_LOGIN, _LOGIN, _NONE_OF_THESE = 0x00, 0x02, 0xFF


class Tunnel(asyncio.Protocol):
    """A connection to a proxy, until it `becomes` one to a server behind it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._heard = bytearray()
        self._lost = False
        self._waiter: asyncio.Future[None] | None = None

    # For whoever opens it

    async def lead(self, proxy: Proxy, target: Endpoint, host: str) -> None:
        """Have `proxy` connect us with `target`, by the name or the address `host`. Raises `ProxyFailed`."""
        if proxy.kind in ("http", "https"):
            await self._connect(proxy, target)
        else:
            await self._socks(proxy, host, target.port)
        if self._heard:
            raise ProxyFailed("the proxy sent what nobody asked for")

    async def becomes(self, connection: Connection, context: ssl.SSLContext | None, target: Endpoint) -> None:
        """Hand everything over to `connection`; with TLS where there is a `context`. Raises `OSError`."""
        transport = self._transport
        assert transport is not None  # noqa: S101  it leads there
        if context is not None:
            # Also where the connection to the proxy is one of TLS itself.
            secured = await self._loop.start_tls(transport, connection, context, server_hostname=target.host)
            if secured is None or self._lost:
                raise ConnectionResetError
            connection.connection_made(secured)
        else:
            transport.set_protocol(connection)
            connection.connection_made(transport)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # For the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if len(self._heard) > BODILESS_BYTES:
            self.close()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # By itself

    async def _connect(self, proxy: Proxy, target: Endpoint) -> None:
        place = target.host_and_port
        lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", "User-Agent: lianhua"]
        if proxy.has_login:
            lines.append(f"Proxy-Authorization: Basic {proxy.endpoint.login}")
        self._write("\r\n".join([*lines, "", ""]).encode())
        status = 100
        while status < 200:  # an answer before the answer
            head = await self._head()
            if not (found := _STATUS.match(head)):
                raise ProxyFailed("what answers is no HTTP proxy")
            status = int(found[1])
        if status == 407:
            raise ProxyFailed(_why_no_login(proxy, head))
        if status >= 300:
            passing = status in (408, 429) or status >= 500
            raise ProxyFailed(f"the proxy answered {status} to CONNECT {place}", passing=passing)

    async def _socks(self, proxy: Proxy, host: str, port: int) -> None:
        methods = bytes([_NO_LOGIN, _LOGIN] if proxy.has_login else [_NO_LOGIN])
        self._write(bytes([5, len(methods)]) + methods)
        version, method = await self._exactly(2)
        if version != 5:
            raise ProxyFailed("what answers is no SOCKS5 proxy")
        if method == _NONE_OF_THESE or method not in methods:
            raise ProxyFailed("the proxy takes none of our logins" if proxy.has_login else "the proxy asks for a login")
        if method == _LOGIN:
            self._write(b"\x01" + _counted(proxy.user, "a user's name") + _counted(proxy.password, "a password"))
            if (await self._exactly(2))[1] != 0:
                raise ProxyFailed("the proxy does not take the login it was given")
        self._write(b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
        _, refusal, _, kind = await self._exactly(4)
        if refusal:
            words = _SOCKS_REFUSALS.get(refusal, f"refusal {refusal}")
            raise ProxyFailed(f"the proxy says {words}", passing=refusal in _SOCKS_PASSING)
        size = {1: 4, 4: 16}.get(kind) or (await self._exactly(1))[0]
        await self._exactly(size + 2)  # the address it uses itself

    def _write(self, data: bytes) -> None:
        assert self._transport is not None  # noqa: S101  it is connected
        self._transport.write(data)

    async def _head(self) -> bytes:
        return self._cut(await self._until(self._end_of_head))

    def _end_of_head(self) -> int:
        """How long the head is, with the blank line behind it; 0 where that has not come."""
        found = _BLANK_LINE.search(self._heard)
        return found.end() if found else 0

    async def _exactly(self, size: int) -> bytes:
        await self._until(lambda: int(len(self._heard) >= size))
        return self._cut(size)

    async def _until(self, enough: Callable[[], int]) -> int:
        while not (found := enough()):
            if self._lost:
                raise ProxyFailed("the proxy closed the connection", passing=True)
            self._waiter = self._loop.create_future()
            await self._waiter
        return found

    def _cut(self, size: int) -> bytes:
        cut = bytes(self._heard[:size])
        del self._heard[:size]
        return cut


def _why_no_login(proxy: Proxy, head: bytes) -> str:
    schemes = {scheme.decode().lower() for scheme in _SCHEMES.findall(head)}
    if schemes and "basic" not in schemes:
        return f"the proxy asks for a login (407) of the kind {', '.join(sorted(schemes))}; only basic can be sent"
    return f"the proxy {'does not take the login it was given' if proxy.has_login else 'asks for a login'} (407)"


def _counted(text: str, what: str) -> bytes:
    data = text.encode()
    if not 0 < len(data) < 256:
        raise ProxyFailed(f"{what} has 1 to 255 bytes in SOCKS5")
    return bytes([len(data)]) + data


def _socks_address(host: str) -> bytes:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return b"\x03" + _counted(host, "a host's name")
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed
