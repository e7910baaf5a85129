"""A viewer's frames as an HTTP response, and the set of all that are open."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lianhua.errors import LianhuaError
from lianhua.sse import retry

logger = logging.getLogger(__name__)

RETRY_MS: Final = 1_500
SEND_TIMEOUT_S: Final = 20.0  # a socket that takes nothing for so long is gone; the viewer comes back with its cursor
SLOW_S: Final = 0.05  # a send that takes longer has met a full socket
CLOSE_OVER_S: Final = 1.0  # spread, so that not every viewer reconnects in the same instant
HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # nginx would gather events into blocks
}


class OpenStreams:
    """The streams of this process, so that shutting down can end them: the server would wait for them for ever."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._closed:
            task.cancel()

    async def close(self, *, for_good: bool = False) -> None:
        """Ends every stream within `CLOSE_OVER_S`; its viewer reconnects. With `for_good` later ones end at once."""
        self._closed = for_good
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
            await asyncio.sleep(CLOSE_OVER_S / len(tasks))
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_OVER_S)


class Source(Protocol):
    """What a stream is made from: the viewer of a turn, or the feed of a user."""

    def frames(self) -> AsyncIterator[bytes]: ...


class EventStream(Response):
    """Sends a source's frames until they end or the client is gone. Made for one request."""

    def __init__(self, source: Source, open_streams: OpenStreams) -> None:
        super().__init__(status_code=200, headers=HEADERS)
        self._source = source
        self._open = open_streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        pump = asyncio.create_task(self._pump(send), name="stream")
        gone = asyncio.create_task(_disconnected(receive), name="stream's end")
        self._open.add(pump)
        try:
            await asyncio.wait([pump, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, gone):
                task.cancel()
            await asyncio.wait([pump, gone])
        if not pump.cancelled() and (error := pump.exception()):
            raise error
        with contextlib.suppress(OSError):  # a time-out is one too
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        try:
            async with contextlib.aclosing(self._frames()) as frames:
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
        except OSError:
            pass  # the client is gone
        except LianhuaError as error:
            # Without an end the viewer knows that this was not all, and comes back with its cursor.
            logger.warning("a stream is closed early: %s", error.code)

    async def _frames(self) -> AsyncGenerator[bytes, None]:
        yield retry(RETRY_MS)
        async for frame in self._source.frames():
            yield frame


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
