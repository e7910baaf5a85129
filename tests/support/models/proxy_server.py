"""A proxy on a real socket: HTTP (relay and CONNECT) and SOCKS5 on one port, with TLS and a login where a test wants.

    async with ProxyServer({"model.test": upstream.port}) as proxy:
        ...  # proxy.url

A name that it is not told leads nowhere; what it was asked for stands in `asked`.
"""

import asyncio
import base64
import ssl
from typing import Self

from tests.support.waiting import until


class NoWay(Exception):
    """The proxy refuses, or does not know the host."""


class ProxyServer:
    """Leads each of `names` to a port of 127.0.0.1. `login` is what it asks for, as `name:password`.

    `answer` is sent in place of its own answer to CONNECT, `refusal` to SOCKS; `step` cuts what it sends to pieces.
    """

    def __init__(
        self,
        names: dict[str, int],
        *,
        login: str = "",
        tls: ssl.SSLContext | None = None,
        answer: bytes | None = None,
        refusal: int = 0,
        socks: bool = True,
        step: int = 65_536,
    ) -> None:
        self._names = names
        self._login = login
        self._tls = tls
        self._answer = answer
        self._refusal = refusal
        self._socks_too = socks
        self._step = step
        self._tasks: set[asyncio.Task[None]] = set()
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, kind: str = "http", login: str = "") -> str:
        return f"{kind}://{login and login + '@'}127.0.0.1:{self.port}"

    async def all_closed(self) -> None:
        """Waits until no connection is open."""
        await until(lambda: not self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        ends = [writer]
        try:
            first = await reader.readexactly(1)
            if first == b"\x16" or (first == b"\x05" and not self._socks_too):  # TLS, SOCKS
                await self._send(writer, b"HTTP/1.1 400 Bad Request\r\n\r\n")
            elif first == b"\x05":
                ends.append(await self._socks(reader, writer))
            else:
                ends.append(await self._http(first + await reader.readuntil(b"\r\n\r\n"), reader, writer))
        except (NoWay, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            for end in ends:
                end.close()
            self._tasks.discard(task)

    async def _http(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> asyncio.StreamWriter:
        self.heads.append(head)
        method, target, _ = head.split(b" ", 2)
        place = target.decode() if method == b"CONNECT" else target.decode().split("/")[2]
        self.asked.append(f"{method.decode()} {place}")
        wanted = base64.b64encode(self._login.encode())
        if self._login and b"\r\nProxy-Authorization: Basic " + wanted not in head:
            await self._send(
                writer, b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
            )
            raise NoWay
        if method == b"CONNECT" and self._answer is not None:
            await self._send(writer, self._answer)
            await reader.read(1)  # until the client goes
            raise NoWay
        try:
            there_reader, there_writer = await self._lead(*_host_and_port(place))
        except NoWay:
            await self._send(writer, b"HTTP/1.1 502 No Way\r\nContent-Length: 0\r\n\r\n")
            raise
        if method == b"CONNECT":
            await self._send(writer, b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            there_writer.write(b"%b /%b %b" % (method, target.split(b"/", 3)[3], head.split(b" ", 2)[2]))
        await _both_ways(reader, writer, there_reader, there_writer)
        return there_writer

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> asyncio.StreamWriter:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        wanted = 2 if self._login else 0
        if wanted not in methods:
            await self._send(writer, b"\x05\xff")
            raise NoWay
        await self._send(writer, bytes([5, wanted]))
        if self._login:
            await reader.readexactly(1)
            user, password = await _counted(reader), await _counted(reader)
            fits = f"{user}:{password}" == self._login
            await self._send(writer, bytes([1, not fits]))
            if not fits:
                raise NoWay
        *_, kind = await reader.readexactly(4)
        if kind == 3:
            host = await _counted(reader)
        else:
            host = ".".join(map(str, await reader.readexactly(4)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(f"SOCKS {host}:{port}")
        refusal = self._refusal
        try:
            if refusal:
                raise NoWay
            there_reader, there_writer = await self._lead(host, port)
        except NoWay:
            await self._send(writer, bytes([5, refusal or 4, 0, 1, 0, 0, 0, 0, 0, 0]))
            raise
        await self._send(writer, bytes([5, 0, 0, 3, 4]) + b"here" + bytes(2))
        await _both_ways(reader, writer, there_reader, there_writer)
        return there_writer

    async def _lead(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if host not in self._names:
            raise NoWay
        return await asyncio.open_connection("127.0.0.1", self._names[host])

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        for at in range(0, len(data), self._step):
            writer.write(data[at : at + self._step])
            await writer.drain()
            await asyncio.sleep(0)


def _host_and_port(place: str) -> tuple[str, int]:
    host, _, port = place.partition(":")
    return host, int(port or 80)


async def _counted(reader: asyncio.StreamReader) -> str:
    return (await reader.readexactly((await reader.readexactly(1))[0])).decode()


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    there_reader: asyncio.StreamReader,
    there_writer: asyncio.StreamWriter,
) -> None:
    """Until one of them ends."""
    ways = [
        asyncio.create_task(_pass(reader, there_writer), name="proxy: to the server"),
        asyncio.create_task(_pass(there_reader, writer), name="proxy: to the client"),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        there_writer.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
