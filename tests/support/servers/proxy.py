"""A bad network on purpose: a TCP proxy of 127.0.0.1 in the test's own event loop, in front of any server.

async with Proxy(server.port) as proxy:
    proxy.delay_s = 0.05
    client = Redis(port=proxy.port)
    proxy.cut()
"""

import array
import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from typing import Final, Self

from tests.support.servers.ports import free_port

HOST: Final = "127.0.0.1"
CHUNK_BYTES: Final = 65_536
DELAYED_CHUNKS: Final = 1024  # on their way in one direction; past this the sender is made to wait
BACKLOG: Final = 512
PORT_TRIES: Final = 10
TAKEN_TIMEOUT_S: Final = 2.0
POLL_S: Final = 0.005

Chunk = tuple[float, bytes]  # when it is due, and what; without bytes the end of that direction


class _EnoughPassed(Exception):
    """The connection has passed as many bytes as it was allowed."""


class Proxy:
    """Passes every connection to `port` of `host`. Each fault holds until it is taken back.

    `delay_s` is what a byte is late, in each direction; `connections` counts those taken, `cuts` those that we reset
    while they were open, `bytes` what was passed in both directions.
    """

    def __init__(self, port: int, *, host: str = HOST) -> None:
        self.port = free_port()
        self.delay_s = 0.0
        self.connections = 0
        self.cuts = 0
        self.bytes = 0
        self._target = (host, port)
        self._listening: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._allowance: Callable[[], int] | None = None
        self._open: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    async def __aenter__(self) -> Self:
        for tries_left in reversed(range(PORT_TRIES)):
            try:
                await self.accept()
                break
            except OSError:
                if not tries_left:
                    raise
                self.port = free_port()
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._open)
        self.refuse()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def cut(self) -> int:
        """Resets (RST) all open connections, on both sides; how many that were."""
        found = list(self._open.items())
        for task, ends in found:
            _reset(ends)
            task.cancel()
            del self._open[task]
        self.cuts += len(found)
        return len(found)

    def refuse(self) -> None:
        """Away: new connections are refused, open ones reset."""
        if self._listening:
            self._listening.close()
            self._listening = None
        self.cut()

    async def accept(self) -> None:
        """Back again, on the same port."""
        if self._listening is None:
            self._listening = await asyncio.start_server(self._connected, HOST, self.port, backlog=BACKLOG)

    def stall(self) -> None:
        """No byte passes, and none is taken once the buffers are full; connections stay open and new ones come in."""
        self._flowing.clear()

    def go_on(self) -> None:
        """What was held passes, and what comes after it."""
        self._flowing.set()

    def cut_after_bytes(self, allowed: int | Callable[[], int] | None) -> None:
        """Resets each connection made from now on when the server has sent it so many bytes (a call draws the number
        for each); an answer that is over sooner stays whole. None takes it back.
        """
        self._allowance = (lambda: allowed) if isinstance(allowed, int) else allowed

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ends = [writer]
        if self._listening is None:  # it was on its way when we went away
            _reset(ends)
            return
        self._open[task] = ends
        self.connections += 1
        try:
            await self._pass(reader, writer, ends, self._allowance() if self._allowance else None)
        except* _EnoughPassed:
            _reset(ends)
            self.cuts += 1
        except* OSError:  # one side was reset, or the server is away: so the other side learns it too
            _reset(ends)
        except* asyncio.CancelledError:  # by `cut`, which has reset them
            pass
        finally:
            self._open.pop(task, None)
            for end in ends:
                end.close()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: list[asyncio.StreamWriter],
        allowed: int | None,
    ) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        ends.append(there_writer)
        up: asyncio.Queue[Chunk] = asyncio.Queue(DELAYED_CHUNKS)
        down: asyncio.Queue[Chunk] = asyncio.Queue(DELAYED_CHUNKS)
        async with asyncio.TaskGroup() as both_ways:
            both_ways.create_task(self._take(reader, up), name="proxy: from the client")
            both_ways.create_task(self._give(up, there_writer, None), name="proxy: to the server")
            both_ways.create_task(self._take(there_reader, down), name="proxy: from the server")
            both_ways.create_task(self._give(down, writer, allowed), name="proxy: to the client")

    async def _take(self, reader: asyncio.StreamReader, way: asyncio.Queue[Chunk]) -> None:
        data = b"-"
        while data:
            await self._flowing.wait()
            data = await reader.read(CHUNK_BYTES)
            await way.put((asyncio.get_running_loop().time() + self.delay_s, data))

    async def _give(self, way: asyncio.Queue[Chunk], writer: asyncio.StreamWriter, allowed: int | None) -> None:
        while True:
            due, data = await way.get()
            if (wait_s := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(wait_s)
            await self._flowing.wait()
            if not data:
                writer.write_eof()
                return
            if allowed is not None:
                data = data[:allowed]
                allowed -= len(data)
            writer.write(data)
            self.bytes += len(data)
            await writer.drain()
            if allowed == 0:
                await _until_taken(writer)
                raise _EnoughPassed


async def _until_taken(writer: asyncio.StreamWriter) -> None:
    """Waits until the peer has what was written, or takes nothing: a reset throws away what is still on its way."""
    sock: socket.socket = writer.get_extra_info("socket")
    for _ in range(int(TAKEN_TIMEOUT_S / POLL_S)):
        unsent = array.array("i", [0])
        fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, unsent)
        if not unsent[0] and not writer.transport.get_write_buffer_size():
            return
        await asyncio.sleep(POLL_S)


def _reset(ends: list[asyncio.StreamWriter]) -> None:
    for end in ends:
        sock: socket.socket = end.get_extra_info("socket")
        with contextlib.suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.transport.abort()
