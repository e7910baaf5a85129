"""What the server has counted, on a port of its own: the least of HTTP that a scrape needs, so that a supervisor stays
as light as it is.
"""

import asyncio
import contextlib
import hmac
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from lianhua.config.readers import is_loopback
from lianhua.config.settings import Settings
from lianhua.errors import WrongSettings
from lianhua.metrics import Snapshot

logger = logging.getLogger(__name__)

CONNECTIONS: Final = 16  # a scraper or two; more are closed at once
HEAD_BYTES: Final = 8 * 1024
EXCHANGE_S: Final = 10.0  # of a whole request: Prometheus itself waits 10 s
Scrape = Callable[[], Awaitable[Snapshot]]


def metrics_listener(settings: Settings) -> socket.socket | None:
    """The listening socket, where the settings name a port. Raises `WrongSettings`."""
    if settings.metrics_port is None:
        return None
    address = (settings.metrics_host.strip("[]"), settings.metrics_port)
    try:
        family, *_, found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(found[:2], family=family)
    except OSError as exc:
        raise WrongSettings(
            f"LIANHUA_METRICS_PORT: cannot listen on {address[0]}:{address[1]} ({exc.strerror})"
        ) from exc


class MetricsPort:
    """`open` it once, `close` it once; `listener` is closed with it."""

    def __init__(self, listener: socket.socket, scrape: Scrape, token: str | None) -> None:
        self._listener = listener
        self._scrape = scrape
        self._token = token
        self._is_local = is_loopback(listener.getsockname()[0])
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, sock=self._listener, limit=HEAD_BYTES)
        host, port, *_ = self._listener.getsockname()
        logger.info("metrics: http://%s:%d/metrics", f"[{host}]" if ":" in host else host, port)

    async def close(self) -> None:
        if self._server:
            self._server.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= CONNECTIONS:
            writer.close()
            return
        task = asyncio.create_task(self._exchange(reader, writer), name="scrape of metrics")
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A head that is too long, cut or slow, and a client that goes.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(EXCHANGE_S):
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    writer.write(await self._answer(head))
                    await writer.drain()
        except Exception:
            logger.exception("a scrape of metrics")
        finally:
            writer.close()

    async def _answer(self, head: str) -> bytes:
        line, *fields = head.split("\r\n")
        method, _, rest = line.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", b"GET\n", "Allow: GET, HEAD")
        if path != "/metrics":
            return _response("404 Not Found", b"/metrics\n")
        if self._is_local and not is_loopback(_host(fields)):  # a page that points its own name at this machine
            return _response("403 Forbidden", b"not the name of this machine\n")
        if self._token and not hmac.compare_digest(_bearer(fields).encode(), self._token.encode()):
            return _response("401 Unauthorized", b"", 'WWW-Authenticate: Bearer realm="metrics"')
        from lianhua.api.metrics_text import CONTENT_TYPE, metrics_text  # noqa: PLC0415  only where it is on

        body = metrics_text(await self._scrape())
        return _response("200 OK", b"" if method == "HEAD" else body, f"Content-Type: {CONTENT_TYPE}")


def _host(fields: list[str]) -> str:
    """The name in the Host header, without the port."""
    host = _value(fields, "host")
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _bearer(fields: list[str]) -> str:
    scheme, _, token = _value(fields, "authorization").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _value(fields: list[str], wanted: str) -> str:
    for field in fields:
        name, _, value = field.partition(":")
        if name.lower() == wanted:
            return value.strip()
    return ""


def _response(status: str, body: bytes, *fields: str) -> bytes:
    head = (f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "Connection: close", "", "")
    return "\r\n".join(head).encode() + body
