"""One connection to a server of the store with many calls in flight.

The driver's own client lends each call a connection of a pool, packs its words in Python and puts a time limit around
each answer: 50 to 70 µs of CPU a call, 15 µs for each of many in a pipeline; here 7 to 17 and 2. Calls made in one step
of the event loop leave in one write, and the answers settle them in the order in which they left.
"""

import asyncio
import random
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any, Final, cast

from hiredis import ProtocolError, Reader, pack_command
from redis.asyncio import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.connection import DefaultParser
from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import TimeoutError as DriverTimeoutError

DEFAULT_TIMEOUT_S: Final = 3.0  # of a call, where the pool sets none: without any, one lost answer would stop the wire
TICKS: Final = 6  # of a line's clock in the time that a call may take: it is given up within a sixth more
REPEAT_PAUSE_S: Final = 0.1  # at most: not everybody at once
# Bounds what is held for calls on their way: our copy of the words (about 1 KiB a call, for a long reply some
# hundred) and the server's of the answers. It is a few milliseconds of a server's work: more would only wait there.
CALLS_IN_FLIGHT: Final = 256
BUFFER_BYTES: Final = 65_536

Words = Sequence[str | bytes | int | float]

_NOT_YET: Final = object()  # None, False and an empty list are answers


class Pipeline:
    """Opens its connection at the first call, and another one when that has broken. Every call may be sent twice.

    `pool` says where and how to connect and how long a call may take; none of its connections is used.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._line: _Line | None = None
        self._opening: asyncio.Task[_Line | Exception] | None = None
        self._closed = False

    async def call(self, commands: Sequence[Words]) -> list[Any]:
        """The answers in order, sent without a command of another call between them; an error reply is an exception in
        the list. Raises the driver's errors when there was no answer on two connections.
        """
        packed = b"".join([pack_command(words) for words in commands])  # type: ignore[arg-type]
        try:
            return await self._call_once(packed, len(commands))
        except (DriverConnectionError, DriverTimeoutError):
            if self._closed:
                raise
        await asyncio.sleep(random.uniform(0, REPEAT_PAUSE_S))
        return await self._call_once(packed, len(commands))

    async def close(self) -> None:
        """For good: what is in flight fails, and so does every later call. May be repeated."""
        self._closed = True
        if self._opening:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._line:
            await self._line.close()

    async def _call_once(self, packed: bytes, count: int) -> list[Any]:
        line = self._line
        if line is None or line.broken:
            line = await self._opened()
        return await line.call(packed, count)

    async def _opened(self) -> "_Line":
        """The new connection. Whoever needs one meanwhile waits for the same attempt."""
        if self._closed:
            raise DriverConnectionError("closed")
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open(), name="connect to the store", context=Context())
        opening = self._opening
        await asyncio.wait([opening])  # one who is cancelled leaves the attempt to the others
        if opening.cancelled():
            raise DriverConnectionError("closed")
        match opening.result():
            case _Line() as line:
                return line
            case TimeoutError():
                raise DriverTimeoutError("connecting took too long")
            case OSError() as error:
                raise DriverConnectionError(str(error)) from error
            case error:
                raise error

    async def _open(self) -> "_Line | Exception":
        """An error is returned: perhaps nobody waits any more who would hear it."""
        settings = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(settings.socket_connect_timeout):
                self._line = await _connect(settings)
        except Exception as exc:
            return exc
        return self._line


class _Call:
    """Commands that were sent, the answers so far, and the tick of the line's clock since which nothing has come."""

    __slots__ = ("answers", "count", "done", "tick")

    def __init__(self, count: int, done: "asyncio.Future[list[Any]]", tick: int) -> None:
        self.answers: list[Any] = []
        self.count = count
        self.done = done
        self.tick = tick


class _Line(asyncio.BufferedProtocol):
    """One connection, until it breaks or says nothing for `timeout_s` while an answer is due."""

    def __init__(self, timeout_s: float) -> None:
        self.broken = False
        self._tick_s = timeout_s / TICKS
        self._tick = 0
        self._clock: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._gone = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._reader = Reader(replyError=DefaultParser.parse_error, notEnoughData=_NOT_YET)
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)  # asyncio's TLS writes to slices: a bytearray's would be copies
        self._unsent: list[bytes] = []
        self._calls: deque[_Call] = deque()
        self._room = asyncio.Semaphore(CALLS_IN_FLIGHT)

    async def call(self, packed: bytes, count: int) -> list[Any]:
        await self._room.acquire()
        if self.broken:
            self._room.release()  # to the next who waits, and is to learn it too
            raise DriverConnectionError("the connection has ended")
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(packed)
        call = _Call(count, self._loop.create_future(), self._tick)
        self._calls.append(call)
        if self._clock is None:
            self._clock = self._loop.call_later(self._tick_s, self._look_at_the_oldest)
        return await call.done

    async def close(self) -> None:
        self._give_up(DriverConnectionError("closed"))
        if self._transport:
            await asyncio.wait([self._gone])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # of uvloop's own class, or of asyncio's

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self._reader.feed(self._buffer, 0, nbytes)  # type: ignore[arg-type]
        calls, gets = self._calls, self._reader.gets
        try:
            while (answer := gets()) is not _NOT_YET:
                call = calls[0]
                call.answers.append(answer)
                if len(call.answers) == call.count:
                    self._settle(calls.popleft())
        except (ProtocolError, IndexError):  # or an answer that nobody asked for
            self._give_up(DriverConnectionError("not the answers of a store"))
        if calls:
            calls[0].tick = self._tick  # what is on its way is no silence: a large answer may take its time

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_up(DriverConnectionError(str(exc) if exc else "the store has closed the connection"))
        if not self._gone.done():
            self._gone.set_result(None)

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport and not self.broken:
            self._transport.write(b"".join(unsent))

    def _settle(self, call: _Call) -> None:
        self._room.release()
        if not call.done.done():  # else its caller was cancelled
            call.done.set_result(call.answers)

    def _look_at_the_oldest(self) -> None:
        """One clock for all calls. It counts its own ticks: a process that was frozen first reads what came
        meanwhile.
        """
        self._clock = None
        self._tick += 1
        if self._calls and self._tick - self._calls[0].tick > TICKS:
            self._give_up(DriverTimeoutError("no answer"))
        elif self._calls:
            self._clock = self._loop.call_later(self._tick_s, self._look_at_the_oldest)

    def _give_up(self, error: Exception) -> None:
        self.broken = True
        if self._clock:
            self._clock.cancel()
        if self._transport:
            self._transport.abort()
        while self._calls:
            call = self._calls.popleft()
            self._room.release()
            if not call.done.done():
                call.done.set_exception(type(error)(*error.args))  # one each: whoever raises it adds its traceback


async def _connect(settings: Connection | UnixDomainSocketConnection) -> _Line:
    """As the driver would connect. Raises `OSError` and the driver's errors."""
    line = _Line(settings.socket_timeout or DEFAULT_TIMEOUT_S)
    loop = asyncio.get_running_loop()
    if isinstance(settings, UnixDomainSocketConnection):
        await loop.create_unix_connection(lambda: line, settings.path)
    else:
        tls = settings.ssl_context.get() if isinstance(settings, SSLConnection) else None
        transport, _ = await loop.create_connection(lambda: line, settings.host, settings.port, ssl=tls)
        if settings.socket_keepalive:
            _keep_alive(transport.get_extra_info("socket"), settings)
    try:
        await _introduce(line, settings)
    except BaseException:
        await line.close()
        raise
    return line


def _keep_alive(sock: socket.socket, settings: Connection) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = cast("Mapping[int, int]", settings.socket_keepalive_options)
    for option, value in options.items():
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def _introduce(line: _Line, settings: Connection | UnixDomainSocketConnection) -> None:
    commands: list[Words] = []
    if settings.username or settings.password:
        commands.append(("AUTH", *filter(None, (settings.username, settings.password))))
    if settings.client_name:
        commands.append(("CLIENT", "SETNAME", settings.client_name))
    if settings.db:
        commands.append(("SELECT", settings.db))
    # A server that is stuck takes connections too, and answers nothing. What it answers (a user may not be allowed to
    # ask) is no matter.
    packed = [pack_command(words) for words in (*commands, ("PING",))]  # type: ignore[arg-type]
    for answer in (await line.call(b"".join(packed), len(packed)))[:-1]:
        if isinstance(answer, Exception):
            raise answer
