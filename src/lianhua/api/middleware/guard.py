"""What every request passes before a route: pure ASGI, because the framework's own base class hides disconnects."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lianhua.api.problems import language_of, problem, problem_of
from lianhua.config.hosts import HostNames, is_private
from lianhua.errors import CrossSite, ForeignHost, InvalidRequest, LianhuaError, PayloadTooLarge

logger = logging.getLogger(__name__)
access_log = logging.getLogger("lianhua.access")

BODY_BYTES: Final = 256 * 1024  # the longest message, in JSON, fits
BODY_TIMEOUT_S: Final = 30.0  # of a body, and of each part of one that is streamed
STREAM_TIMEOUT_S: Final = 3_600.0  # of all parts of one: half a gigabyte at one Mbit/s
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types lianhua"
)
FORWARDED_HOSTS: Final = "lianhua.forwarded_hosts"  # in a request's state
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Headers:
    """Adds the security headers and the cookie that a dependency asked for; logs the access, and our bugs.

    The line holds method, path, status and time: never the query, which carries the message on the tutorial's stream.
    """

    def __init__(self, app: ASGIApp, draining: Callable[[], bool]) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0
        is_data = path_is_data(route_path(scope))

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if self._draining():
                    headers["Connection"] = "close"  # the next request is for a server that stays
                if is_data:
                    headers.setdefault("Cache-Control", "no-store")
                if "Location" in headers:
                    headers["Location"] = relative_address(headers["Location"])
                if cookie := scope.get("state", {}).get("set_cookie"):
                    headers.append("Set-Cookie", cookie)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            # The last rim: a bug of ours is logged here, and nobody outside sees more than its code.
            logger.exception("%s %s", scope["method"], ascii(scope["path"])[1:-1])
            if status == 0:
                await problem(500, "internal", language_of(scope))(scope, receive, send_with_headers)
        finally:
            elapsed_ms = (time.perf_counter() - began) * 1000
            access_log.info("%s %s %d %.1f ms", scope["method"], ascii(scope["path"])[1:-1], status, elapsed_ms)


def route_path(scope: Scope) -> str:
    """The path without the base path."""
    path: str = scope["path"]
    return path.removeprefix(scope["root_path"])


def path_is_data(path: str) -> bool:
    """Whether an answer is somebody's data rather than a file of the page."""
    return path.startswith(("/api/", "/chat/", "/roles"))


def relative_address(location: str) -> str:
    """Where the framework leads who left out a last slash or wrote one too many, from where they are: it names the
    server as it is seen from here, which a client beyond a proxy may not reach.
    """
    *_, last = (parts := urlsplit(location)).path.rstrip("/").split("/")
    address = f"./{last}/" if parts.path.endswith("/") else f"../{last}"
    return f"{address}?{parts.query}" if parts.query else address


class Gate:
    """Refuses a request for another host, from another site, with a malformed query or with too large a body.

    `hosts` are the names by which the server may be called: else a page anywhere could point its own name at it and
    read everything through a visitor's browser (DNS rebinding). `streamed` are paths whose bodies are not gathered
    here, and how many bytes each takes. `probes` are paths that hold nobody's data: where others than this machine
    reach the server, they answer to every name, for load balancers call servers by names of their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        allowed_origins: Iterable[str],
        hosts: HostNames,
        streamed: Mapping[str, int] | None = None,
        probes: Collection[str] = (),
    ) -> None:
        self._app = app
        self._streamed = streamed or {}
        self._origins = frozenset(allowed_origins)
        self._hosts = hosts
        self._probes = probes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            hosts = asked_hosts(scope)
            if not (self._hosts.any_address and route_path(scope) in self._probes):
                self._check_hosts(hosts)
            if scope["method"] not in SAFE_METHODS:
                check_site(headers.get(b"sec-fetch-site"), headers.get(b"origin"), hosts, self._origins)
            _check_query(scope["query_string"])
            if limit := self._streamed.get(route_path(scope)):
                receive = _streamed(receive, headers, limit)
            else:
                async with asyncio.timeout(BODY_TIMEOUT_S):
                    receive = await _bounded(receive, headers)
        except TimeoutError:
            await problem_of(InvalidRequest("body", "did not arrive in time"), language_of(scope))(scope, receive, send)
            return
        except LianhuaError as error:
            await problem_of(error, language_of(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check_hosts(self, hosts: Sequence[str]) -> None:
        """Every name counts: a page that points its own at a proxy of this machine is no better.

        A proxy that tells the client's name may itself call us by one of a network of its own (`http://lianhua:8000`).
        """
        own, *forwarded = map(_host_name, hosts)
        checked = forwarded if forwarded and is_private(own) else [own, *forwarded]
        for name in checked:
            if not self._hosts.include(name):
                raise ForeignHost(name, self._hosts.describe())


def _host_name(authority: str) -> str:
    """The name in a Host header; empty where it holds none, or a user's, which has no place there (RFC 9110, 4.2.4)."""
    try:
        return "" if "@" in authority else urlsplit(f"//{authority}").hostname or ""
    except ValueError:  # a bracket without its other half
        return ""


def asked_hosts(scope: Scope) -> list[str]:
    """The name in the Host header, then those by which the client asked a trusted proxy, if one says so."""
    own = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    return [own, *scope.get("state", {}).get(FORWARDED_HOSTS, ())]


def check_site(site: str | None, origin: str | None, hosts: Sequence[str], allowed: Iterable[str]) -> None:
    """Raises `CrossSite` for a request that another site's page made a browser send.

    `Sec-Fetch-Site` (W3C Fetch Metadata) decides; a browser without it (on plain http, whatever is not this machine)
    still sends `Origin` with what changes state. It has to name one of the `hosts` that were asked.
    """
    if origin is not None and origin in allowed:
        return
    if site in ("cross-site", "same-site"):
        raise CrossSite(site)
    if site is not None or origin is None:
        return
    scheme, _, authority = origin.partition("://")
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")  # a browser leaves it out, a proxy may not (RFC 6454, 6.2)
    if not authority or authority not in {host.lower().removesuffix(usual) for host in hosts}:
        raise CrossSite("origin", origin, hosts[-1])


def _check_query(query: bytes) -> None:
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequest("query", "not valid UTF-8") from exc


def _streamed(receive: Receive, headers: dict[bytes, str], limit: int) -> Receive:
    """The body as it comes, at most `limit` bytes, each part in its time. Raises `PayloadTooLarge`, now or then."""
    length = headers.get(b"content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise PayloadTooLarge(length)
    size = 0
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STREAM_TIMEOUT_S

    async def next_part() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + BODY_TIMEOUT_S)):
                message = await receive()
        except TimeoutError as exc:
            raise InvalidRequest("body", "did not arrive in time") from exc
        size += len(message.get("body", b""))
        if size > limit:
            raise PayloadTooLarge(str(size))
        return message

    return next_part


async def _bounded(receive: Receive, headers: dict[bytes, str]) -> Receive:
    """Reads the whole body, at most `BODY_BYTES`, before anything parses it. Raises `PayloadTooLarge`."""
    length = headers.get(b"content-length", "0")
    if length.isdigit() and int(length) > BODY_BYTES:
        raise PayloadTooLarge(length)
    if length == "0" and b"transfer-encoding" not in headers:
        return receive
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break  # gone already; the route finds out by itself
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES:
            raise PayloadTooLarge(str(size))
        if not message.get("more_body"):
            break
    body: Message | None = {"type": "http.request", "body": b"".join(parts), "more_body": False}

    async def replay() -> Message:
        nonlocal body
        if body is not None:
            first, body = body, None
            return first
        return await receive()

    return replay
