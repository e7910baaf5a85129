"""HTTP/1.1 of one connection: uvicorn's own, with a bound on a request's head and a way to push to the socket."""

import fcntl
import sys
import termios
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lianhua.api.guard import SECURITY_HEADERS
from lianhua.api.problems import unread
from lianhua.api.stream import SOCKET
from lianhua.errors import HeadTooLarge

PUSH_BYTES: Final = 64 * 1024  # unsent, and a viewer is no longer pushed to: what it misses is read for it later
# Of the request line and all headers. What parses an address counts in 16 bits, so no longer one could be understood.
HEAD_BYTES: Final = 64 * 1024
# A refused request is read on for so long: a socket that is closed over unread bytes is reset, and the answer with it.
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 8 * 1024 * 1024


class Protocol(HttpToolsProtocol):
    """The `Socket` of its requests, see `api.stream`."""

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
        super().data_received(data)
        if self._in_head:  # a single header may be all that comes, and nobody is told of it before its end
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and self._refused_bytes < 0:
                self.send_400_response("")

    def on_headers_complete(self) -> None:
        self._in_head = False
        # Counted anew: with a request's first bytes the last ones of another may have come.
        lines = sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
        self._head_bytes = len(self.parser.get_method()) + len(self.url) + len(b"  HTTP/1.1\r\n\r\n") + lines
        if self._head_bytes > HEAD_BYTES:
            raise HeadTooLarge(HEAD_BYTES)  # the parser stops, and `send_400_response` is called
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what cannot become a request, or is too large to be one, with a problem like any other refusal."""
        error = HeadTooLarge(HEAD_BYTES) if self._head_bytes > HEAD_BYTES else None
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
