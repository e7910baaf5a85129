"""A viewer's frames as an HTTP response, and the set of all that are open."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lianhua.errors import LianhuaError
from lianhua.metrics import STREAMS_NOW
from lianhua.sse import retry
from lianhua.streams.live import Push

logger = logging.getLogger(__name__)

RETRY_MS: Final = 1_500
SEND_TIMEOUT_S: Final = 20.0  # a socket that takes nothing for so long is gone; the viewer comes back with its cursor
LOOK_S: Final = 0.02  # whether the last bytes have arrived
SLOW_S: Final = 0.05  # a send that takes longer has met a full socket
CLOSE_OVER_S: Final = 1.0  # spread, so that not every viewer reconnects in the same instant
SOURCE: Final = "lianhua.source"  # in a request's state
SOCKET: Final = "lianhua.socket"  # in its extensions
WHILE_SENT: Final = "lianhua.while_sent"  # in a request's state: what is entered while its stream is sent
KEPT_OF_SCOPE: Final = {"type", "method", "path", "http_version", "state"}  # while a stream is open: the rest is 4 KB
HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would gather events into blocks
}


class OpenStreams:
    """The streams of this process, so that shutting down can end them: the server would wait for them for ever."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: asyncio.Task[Any]) -> None:
        """The task sends a stream, and nothing else until it is discarded: it may be cancelled."""
        self._tasks.add(task)
        STREAMS_NOW.value = len(self._tasks)
        if self._closed:
            task.cancel()

    def discard(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        STREAMS_NOW.value = len(self._tasks)

    async def close(self, *, for_good: bool = False) -> None:
        """Ends every stream within `CLOSE_OVER_S`; its viewer reconnects. With `for_good` later ones end at once."""
        self._closed = for_good
        tasks = list(self._tasks)
        for task in tasks:
            if task in self._tasks:
                task.cancel()
            await asyncio.sleep(CLOSE_OVER_S / len(tasks))
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_OVER_S)


class Source(Protocol):
    """What a stream is made from: the viewer of a turn, or the feed of a user."""

    def frames(self, push: Push | None = None) -> AsyncGenerator[bytes, None]: ...

    @property
    def when_taken(self) -> Callable[[], None] | None:
        """What to call when the client's machine has all frames; None where nobody waits for that."""
        ...


class EventStream(Response):
    """Begins a source's stream. Its body comes from `Streams`, when the route and the framework around it are done."""

    def __init__(self, source: Source) -> None:
        super().__init__(status_code=200, headers=HEADERS)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        scope["state"][SOURCE] = self._source


class Streams:
    """Sends a source's frames until they end or the client is gone.

    From outside of everything that has made the response: a viewer holds half the memory without the frames of a
    route, its dependencies and seven layers of the framework, all waiting for it.
    """

    def __init__(self, app: ASGIApp, open_streams: OpenStreams) -> None:
        self._app = app
        self._open = open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
        if scope["type"] != "http" or not (source := scope["state"].pop(SOURCE, None)):
            return
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if extension := scope.get("extensions", {}).get(SOCKET):  # else the client has gone meanwhile
            socket: Socket = extension["socket"]
            while_sent = scope["state"].get(WHILE_SENT, contextlib.nullcontext)
            scope["headers"].clear()  # the server has the list too
            for name in scope.keys() - KEPT_OF_SCOPE:
                del scope[name]
            await self._follow(source, socket, send, while_sent())

    async def _follow(
        self, source: Source, socket: "Socket", send: Send, while_sent: AbstractContextManager[None]
    ) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a server runs each request in one
        self._open.add(task)
        socket.when_gone(task.cancel)
        try:
            with while_sent:
                await _pump(source, socket, send)
            if when_taken := source.when_taken:
                socket.when_gone(_nothing)
                if await _all_taken(socket):
                    when_taken()
        except asyncio.CancelledError:  # the client is gone, or the server ends its streams: the answer ends here
            task.uncancel()
        finally:
            self._open.discard(task)
            socket.when_gone(_nothing)
        if socket.gone:
            await asyncio.sleep(0)  # the server is about to learn it too, and would miss the answer's end
            return
        with contextlib.suppress(OSError):  # a time-out is one too
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})


def _nothing() -> None:
    pass


class Socket(Protocol):
    """What our server gives to the application besides ASGI's messages (ASGI 3.0, "Extensions")."""

    def push(self, body: bytes) -> bool:
        """Sends a part of the response's body at once; False where the socket has no room for it."""
        ...

    @property
    def gone(self) -> bool:
        """Whether the client is."""
        ...

    @property
    def untaken(self) -> int:
        """Bytes that the client's machine has not confirmed; -1 where the connection was lost with some of them."""
        ...

    def when_gone(self, call: Callable[[], object]) -> None:
        """Calls back when the client is gone."""
        ...


async def _all_taken(socket: Socket) -> bool:
    """Whether the client's machine has what was sent. One that has vanished says nothing, and the kernel tries on."""
    for _ in range(int(SEND_TIMEOUT_S / LOOK_S)):  # no event tells of it
        if socket.untaken <= 0:
            break
        await asyncio.sleep(LOOK_S)
    return socket.untaken == 0


async def _pump(source: Source, socket: Socket, send: Send) -> None:
    clock = asyncio.get_running_loop().time
    try:
        await send({"type": "http.response.body", "body": retry(RETRY_MS), "more_body": True})
        async with contextlib.aclosing(source.frames(socket.push)) as frames:
            async for frame in frames:
                began = clock()
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": frame, "more_body": True})
                if clock() - began > SLOW_S:
                    # It may have waited for a client that is gone by now, and is about to be cancelled: before the
                    # next read, which may be of everything that the client has missed.
                    await asyncio.sleep(SLOW_S)
    except TimeoutError:
        logger.info("a viewer that takes nothing is cut off")
    except (OSError, RuntimeError) as error:
        if not socket.gone:  # else this is what the server says of it
            raise error
    except LianhuaError as error:
        # Without an end the viewer knows that this was not all, and comes back with its cursor.
        logger.warning("a stream is closed early: %s", error.code)
