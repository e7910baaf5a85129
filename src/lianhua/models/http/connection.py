"""One HTTP/1.1 connection to a server of a model: a request goes out, an answer is read as it is asked for.

A bare protocol over the loop's transport, with llhttp as parser: a client for every purpose costs several times the
CPU of what a token needs. Reading follows demand. What comes unasked is kept, and the transport paused: the rest
gathers in the socket and becomes one read. Whoever asks then reads the socket without the loop, as long as it finds
something there: the loop is not woken by what nobody waits for.
"""

import asyncio
import math
import os
import select
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from lianhua.models.http.framing import is_said_twice, mended
from lianhua.models.http.readiness import Readiness

# With so much at hand no more is read: uvloop reads up to 32 times in a row while arrivals fill its buffer of 256 KiB.
# So what one read returns stays below this and one buffer together.
LARGE_BYTES = 32 * 1024
# A read of less than that has emptied the socket, and for so long another one would mostly be in vain: at 100 streams
# of 50 tokens/s each token had one such, at 4 µs. `Readiness` tells of what comes.
SMALL_BYTES = 4096
SPARED_S = 0.004
# Reads of what was there already, before the loop has its turn: a server that floods us with nothing but comments must
# not keep everybody else waiting, nor outrun the deadline.
TAKES_IN_A_ROW = 16
# For what a paused socket is read into; of all connections, for it is empty again at once.
_BUFFER = memoryview(bytearray(256 * 1024))
# Servers send up to 16 KiB of headers. The bound holds as well for whatever else comes without a body: answers before
# the answer (1xx), the extensions of a chunk, trailers.
BODILESS_BYTES = 64 * 1024
# The headers that somebody looks at.
_READ_HEADERS = frozenset(
    (b"content-encoding", b"content-length", b"transfer-encoding", b"retry-after", b"x-should-retry")
)


class Broken(Exception):
    """The connection ended before the answer did, or what came of it is none. Its text names the cause."""


class NotHttp(Exception):
    """Instead of an answer came something else."""


class Connection(asyncio.Protocol):
    """Takes one request at a time: `ask`, then `read` until it returns nothing; then it is `reusable`, or not.

    One reader at a time. A reader that is cancelled leaves it usable only for `close`. `on_lost` hears of its end.
    """

    __slots__ = (
        "_at_end",
        "_bodiless",
        "_deadline",
        "_ended",
        "_fault",
        "_file",
        "_has_head",
        "_head",
        "_headers",
        "_is_odd",
        "_kept",
        "_loop",
        "_on_lost",
        "_parser",
        "_paused",
        "_pieces",
        "_readiness",
        "_resting",
        "_taken",
        "_taken_at",
        "_timer",
        "_transport",
        "_waiter",
        "on_body",
        "status",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_lost: Callable[["Connection"], None],
        readiness: Readiness | None = None,
    ) -> None:
        self.status = 0
        self._readiness = readiness
        self._at_end = False  # of what its socket brings
        self._loop = loop
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._pieces: list[bytes] = []  # of the body, unread
        self.on_body = self._pieces.append  # the parser's, without a Python frame for each chunk
        self._headers: dict[bytes, bytes] = {}
        self._has_head = False
        self._head = bytearray()  # as far as it has come
        self._is_odd = False  # its length is said twice: it is read when all of it is there
        self._ended = True  # nothing is asked for
        self._kept = True
        self._fault: Exception | None = None
        self._bodiless = 0  # bytes since the last of a body
        self._paused = False
        self._file: int | None = None  # of the socket, where its bytes are those of HTTP
        self._resting = False
        self._taken = 0
        self._taken_at = -math.inf  # when a read has emptied the socket
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._parser = self._new_parser()

    # For whoever asks

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: the answer was read to its end, and the server keeps the connection."""
        if not (self._ended and self._kept and self._fault is None and not self._pieces and self._is_open()):
            return False
        if self._file is None:
            return True
        # What can be read now is the server's goodbye, and the loop has not come to it yet.
        look = select.poll()
        look.register(self._file, select.POLLIN)
        return not look.poll(0)

    def header(self, name: bytes) -> str | None:
        """A header of the answer, of those that are looked at; `name` in lower case."""
        value = self._headers.get(name)
        return None if value is None else value.decode("utf-8", "replace").strip()

    async def ask(self, request: bytes, deadline: float) -> None:
        """Send `request` and wait for the answer's `status` and headers until the loop's clock shows `deadline`.

        Raises `Broken`, `NotHttp`, `TimeoutError`.
        """
        if self._fault is not None:
            raise self._fault
        assert self._transport is not None and self._ended  # noqa: S101  who asks twice has a bug
        if not self._is_open():
            raise Broken("closed")
        self.status = 0
        self._headers = {}
        self._head.clear()
        self._ended = self._has_head = self._resting = False
        self._bodiless = 0
        self._resume()
        self._transport.write(request)
        while not self._has_head:
            await self._arrival(deadline)

    async def read(self, deadline: float) -> bytes:
        """All of the body that has come, at once where there is any; empty at its end.

        Waits for more until the loop's clock shows `deadline`. Raises `Broken`, `TimeoutError`.
        """
        pieces = self._pieces
        while True:
            if self._paused and sum(map(len, pieces)) < LARGE_BYTES:
                self._take()
                if self._taken == TAKES_IN_A_ROW:
                    self._taken = 0
                    await asyncio.sleep(0)
                    if self._loop.time() >= deadline:
                        raise TimeoutError
            if pieces:
                break
            if self._ended:
                return b""
            await self._arrival(deadline)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return data

    def rest(self, until: float) -> None:
        """Nobody asks for a while: let go of itself when the server does, and when the loop's clock shows `until`."""
        self._resting = True
        self._resume()
        self._watch(until)

    def close(self) -> None:
        """Close it here and now. Who reads hears of it."""
        if self._fault is None:
            self._fault = Broken("closed")
        if self._transport is not None:
            self._transport.abort()

    # For the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # of a stream; uvloop's is one by its methods only
        if transport.get_extra_info("sslcontext") is None:
            self._file = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or len(data) >= LARGE_BYTES:
            self._pause()
        if self._ended:  # nobody asked, or it is behind the answer's end
            self._kept = False
            self.close()
            return
        had = len(self._pieces)
        try:
            if self._has_head:
                self._parser.feed_data(data)
            else:
                self._read_head(data)
        except (HttpParserError, HttpParserUpgrade) as exc:
            self._misread(exc)
        if len(self._pieces) > had:
            self._bodiless = 0
        else:
            self._bodiless += len(data)
            if self._bodiless > BODILESS_BYTES and not self._ended:
                self._misread(HttpParserError())
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._fault is None:
            if exc is None and not self._ended and self._has_head and self._ends_with_connection():
                self._ended = True
            self._fault = Broken(type(exc).__name__ if exc else "ServerDisconnected")
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._file is not None and self._readiness is not None:
            self._readiness.forget(self._file)
        self._wake()
        self._on_lost(self)
        del self._parser  # it holds this connection's methods, and would keep it until the next collection of garbage

    # For the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head and (name := name.lower()) in _READ_HEADERS:
            self._headers.setdefault(name, value)

    def on_headers_complete(self) -> None:
        if self._ended:
            raise NotHttp  # a second answer to one request: stops the parser before its body
        self.status = self._parser.get_status_code()
        if self.status < 200:  # an answer before the answer
            self._headers.clear()
        else:
            self._has_head = True
            self._head.clear()

    def on_message_complete(self) -> None:
        if self._has_head:
            self._ended = True
            self._kept = self._parser.should_keep_alive() and not self._is_odd

    # By itself

    def _new_parser(self) -> HttpResponseParser:
        parser = HttpResponseParser(self)
        # What other clients forgive as well: odd bytes in a header, bare line feeds, a space behind a chunk's size.
        parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        return parser

    def _read_head(self, data: bytes) -> None:
        self._head += data
        if not self._is_odd:
            try:
                self._parser.feed_data(data)
                return
            except HttpParserError:
                if self._has_head or not is_said_twice(self._head):
                    raise
                self._is_odd = True
        if (head := mended(bytes(self._head))) is not None:
            self._headers.clear()
            self._parser = self._new_parser()
            self._parser.feed_data(head)

    def _arrival(self, deadline: float) -> asyncio.Future[None]:
        """Done when something came, or when it is known that nothing will."""
        if self._fault is not None:
            raise self._fault
        if self._loop.time() >= deadline:
            raise TimeoutError
        if self._readiness is not None and self._has_head and self._file is not None and not self._at_end:
            self._pause()
            self._readiness.wait(self._file, self._ready)
        else:
            self._resume()
        self._watch(deadline)
        self._waiter = self._loop.create_future()
        return self._waiter

    def _take(self) -> None:
        """Reads what has gathered in the socket while its transport is paused.

        For 500 streams at 50 tokens/s, asked every 70 ms, that is a third less CPU than to let the transport do it: no
        `epoll_ctl` to go on and to pause again, no turn of the loop and of the reader's task in between.
        """
        if self._file is None or self._fault is not None or self._ended or not self._is_open():
            return
        if self._readiness and self._loop.time() - self._taken_at < SPARED_S:
            return
        try:
            size = os.readv(self._file, (_BUFFER,))
        except BlockingIOError:
            return
        except OSError as exc:  # the transport would not meet it a second time, and take the end for an orderly one
            self._fault = Broken(type(exc).__name__)
            self.close()
            return
        if size:
            self._taken += 1
            if size < SMALL_BYTES:
                self._taken_at = self._loop.time()
            self.data_received(bytes(_BUFFER[:size]))
        else:  # the transport is to meet the end as well
            self._at_end = True

    def _watch(self, deadline: float) -> None:
        """One timer for many waits: when it fires before the last deadline it is set anew, once a minute or so."""
        self._deadline = deadline
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._due)

    def _due(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None and not self._resting:
            return  # the reader is busy; its next wait sets a timer
        if self._loop.time() < self._deadline:
            self._watch(self._deadline)
        elif waiter is None:
            self.close()
        elif not waiter.done():
            waiter.set_exception(TimeoutError())

    def _ready(self) -> None:
        self._taken_at = -math.inf  # there is something to read
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():  # it is, where the reader was cancelled
            waiter.set_result(None)

    def _misread(self, exc: Exception) -> None:
        self._kept = False
        if not self._ended and self._fault is None:
            name = type(exc).__name__
            self._fault = Broken(name) if self._has_head else NotHttp(name)
        if self._transport is not None:
            self._transport.abort()

    def _ends_with_connection(self) -> bool:
        """Whether the body has no end of its own (RFC 9112, 6.3)."""
        return b"content-length" not in self._headers and b"chunked" not in (
            self._headers.get(b"transfer-encoding", b"").lower()
        )

    def _is_open(self) -> bool:
        """False some time before `connection_lost` says so; uvloop's transports raise when they are used then."""
        return self._transport is not None and not self._transport.is_closing()

    def _pause(self) -> None:
        if not self._paused and self._transport is not None and self._is_open():
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and self._transport is not None and self._is_open():
            self._paused = False
            self._transport.resume_reading()
