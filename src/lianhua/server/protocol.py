"""HTTP/1.1 of one connection: uvicorn's own, with bounds on what is waited for and a way to push to the socket."""

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from lianhua.api.event_stream import SOCKET
from lianhua.api.middleware.body import STREAM_TIMEOUT_S
from lianhua.api.middleware.headers import SECURITY_HEADERS
from lianhua.api.problems import unread
from lianhua.errors import HeadTooLarge, HeadTooSlow, LianhuaError

PUSH_BYTES: Final = 64 * 1024  # unsent, and a viewer is no longer pushed to: what it misses is read for it later
# Of the request line and all headers. What parses an address counts in 16 bits, so no longer one could be understood.
HEAD_BYTES: Final = 64 * 1024
# A refused request is read on for so long: a socket that is closed over unread bytes is reset, and the answer with it.
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 8 * 1024 * 1024
# From the first byte of a request's head to its last. Half a head is held by who is gone, or by who wants to hold many.
# nginx waits 60 s, Apache 20 s and longer while bytes come, Node 60 s.
HEAD_TIMEOUT_S: Final = 30.0
# Until a connection that is free is closed. A proxy that has kept it longer than we do may send a POST into the close,
# and answers its client with 502. They let go of a free one after 60 s (nginx, AWS load balancers, Squid), 90 s
# (Traefik, Go), 120 s (Caddy).
KEEP_ALIVE_S: Final = 130.0
# What is left of a body that nobody reads any more, because its request is answered: the silence, and all of it.
REST_SILENCE_S: Final = 30.0
REST_S: Final = STREAM_TIMEOUT_S


class Protocol(HttpToolsProtocol):
    """The `Socket` of its requests, see `api.stream`."""

    _timer: asyncio.TimerHandle | None = None
    _rest_until = 0.0  # the loop's time at which the rest of an answered request's body is no longer waited for
    _call_when_gone: Callable[[], object] | None = None
    _lost: bool | None = None  # whether the connection broke; None while it is there
    _head_bytes = 0  # of the request that is being read
    _in_head = False
    _refused_bytes = -1  # read after a refusal; below 0 there was none

    def data_received(self, data: bytes) -> None:
        if self._refused_bytes >= 0:
            self._refused_bytes += len(data)
            if self._refused_bytes > LINGER_BYTES:
                self.transport.abort()
            return
        if self._rest_until:
            self._wait_for_rest()
        super().data_received(data)
        if self._in_head:  # a single header may be all that comes, and no callback comes before its end
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and self._refused_bytes < 0:
                self.send_400_response("")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._close_after(KEEP_ALIVE_S)  # browsers open connections ahead

    def _close_after(self, seconds: float) -> None:
        self._time(seconds, self.transport.close)

    def _time(self, seconds: float, call: Callable[[], object]) -> None:
        """What happens unless something else does before: one timer for all that is waited for."""
        self._untime()
        self._timer = self.loop.call_later(seconds, call)

    def _untime(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._refuse(HeadTooSlow(HEAD_TIMEOUT_S))

    def _wait_for_rest(self) -> None:
        self._close_after(max(0.0, min(REST_SILENCE_S, self._rest_until - self.loop.time())))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing() or self._in_head or not self.cycle.response_complete:
            return
        if self.cycle.more_body:
            self._rest_until = self.loop.time() + REST_S
            self._wait_for_rest()
        else:
            self._close_after(KEEP_ALIVE_S)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._rest_until:
            self._rest_until = 0.0
            self._close_after(KEEP_ALIVE_S)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._untime()
        # Counted anew: with a request's first bytes the last ones of another may have come.
        lines = sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        self._head_bytes = len(self.parser.get_method()) + len(self.url) + len(b"  HTTP/1.1\r\n\r\n") + lines
        if self._head_bytes > HEAD_BYTES:
            raise HeadTooLarge(HEAD_BYTES)  # the parser stops, and `send_400_response` is called
        knows_chunks = self.parser.get_http_version() == "1.1"
        if not knows_chunks:
            self.scope["extensions"] = {SOCKET: {"socket": _Unchunked(self)}}
        super().on_headers_complete()
        if not knows_chunks:
            _answer_until_closed(self.cycle)

    def send_400_response(self, msg: str) -> None:
        """Answers what cannot become a request, or is too large to be one, with a problem like any other refusal."""
        self._refuse(HeadTooLarge(HEAD_BYTES) if self._head_bytes > HEAD_BYTES else None)

    def _refuse(self, error: LianhuaError | None) -> None:
        if self.cycle is not None and not self.cycle.response_complete:  # in the middle of another answer
            self.transport.close()
            return
        self._untime()
        answer = unread(error, self.headers or ())
        headers = {**SECURITY_HEADERS, **answer.headers, "connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        status = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}\r\n"
        self.transport.write(f"{status}{lines}\r\n".encode("latin-1") + answer.body)
        self._refused_bytes = 0
        self._in_head = False
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._in_head = True
        self._time(HEAD_TIMEOUT_S, self._head_is_late)
        self.scope["extensions"] = {SOCKET: {"socket": self}}

    def push(self, body: bytes) -> bool:
        """Writes to the socket as the server itself would (RFC 9112, 7.1: a chunk is its size and its bytes).

        With 1,000 viewers 7 µs a frame, of which 4 are the kernel's. Through ASGI's `send` it was 42 µs: a task is
        woken for each, and every layer between the route and the socket is a coroutine.
        """
        transport = self.transport
        if transport.is_closing() or transport.get_write_buffer_size() > PUSH_BYTES:
            return False
        transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    def push_unchunked(self, body: bytes) -> bool:
        """`push`, for an answer whose end is that of the connection."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size() > PUSH_BYTES:
            return False
        self.transport.write(body)
        return True

    @property
    def gone(self) -> bool:
        return self.transport.is_closing()

    @property
    def untaken(self) -> int:
        if self._lost is not None:
            return -1 if self._lost else 0
        if not (unsent := self.transport.get_write_buffer_size()):
            unsent = _unconfirmed(self.transport.get_extra_info("socket").fileno())
        return unsent

    def when_gone(self, call: Callable[[], object]) -> None:
        if self.transport.is_closing():
            call()
        self._call_when_gone = call

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost = exc is not None  # a client that has all it wants closes in order
        self._untime()
        if self.scope:
            self.scope.pop("extensions", None)  # else it is kept until the next collection of garbage
        if self._call_when_gone:
            self._call_when_gone()


def _unconfirmed(fd: int) -> int:
    """Bytes in the kernel's queue that the other machine has not confirmed (tcp(7), SIOCOUTQ); 0 where unknown."""
    waiting = bytearray(4)
    try:
        fcntl.ioctl(fd, termios.TIOCOUTQ, waiting)
    except OSError:
        return 0
    return int.from_bytes(waiting, sys.byteorder)


class _Unchunked:
    """The `Socket` of a request whose client knows no chunks."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def push(self, body: bytes) -> bool:
        return self._protocol.push_unchunked(body)

    @property
    def gone(self) -> bool:
        return self._protocol.gone

    @property
    def untaken(self) -> int:
        return self._protocol.untaken

    def when_gone(self, call: Callable[[], object]) -> None:
        self._protocol.when_gone(call)


def _answer_until_closed(cycle: RequestResponseCycle) -> None:
    """HTTP/1.0 knows no chunks (RFC 9112, 6.1): a body of unknown length ends with the connection.

    uvicorn would send chunks, and counts the bytes of what has no chunks: each part of such a body is all it expects.
    """
    send = cycle.send
    has_length = True

    async def send_until_closed(message: ASGISendEvent) -> None:
        nonlocal has_length
        if message["type"] == "http.response.start":
            has_length = any(name.lower() == b"content-length" for name, _ in message.get("headers", ()))
            if not has_length:
                cycle.chunked_encoding = False
        elif message["type"] == "http.response.body" and not has_length:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.keep_alive = False
    cycle.send = send_until_closed  # type: ignore[method-assign]
