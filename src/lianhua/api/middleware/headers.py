"""The headers of every answer: security, caching, the request's id, the cookie that a dependency
asked for, addresses for the client."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lianhua.api.middleware.outside import route_path
from lianhua.config.logs import REQUEST_ID

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types lianhua"
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

_SECURITY: Final = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]


class Headers:
    """Adds them to what the application answers."""

    def __init__(self, app: ASGIApp, draining: Callable[[], bool]) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_data = path_is_data(route_path(scope))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # As bytes: with the framework's type for headers it takes ten times as long.
                given = [(name.lower(), value) for name, value in message.get("headers", ())]
                names = {name for name, _ in given}
                given += [pair for pair in _SECURITY if pair[0] not in names]
                given.append((b"x-request-id", REQUEST_ID.get().encode()))
                if is_data and b"cache-control" not in names:
                    given.append((b"cache-control", b"no-store"))
                if cookie := scope.get("state", {}).get("set_cookie"):
                    given.append((b"set-cookie", cookie.encode("latin-1")))
                message["headers"] = given
                if self._draining():
                    MutableHeaders(scope=message)["Connection"] = "close"  # the next request is for a server that stays
                if b"location" in names and message["status"] == 307:  # the framework's own; routes lead with 302
                    headers = MutableHeaders(scope=message)
                    headers["Location"] = relative_address(headers["Location"])
            await send(message)

        await self._app(scope, receive, send_with_headers)


def path_is_data(path: str) -> bool:
    """Whether an answer is a user's data rather than a file of the page."""
    return path.startswith(("/api/", "/chat/", "/roles"))


def relative_address(location: str) -> str:
    """Where the framework leads who left out a last slash or wrote one too many, from where they are: it names the
    server as it is seen from here, which a client beyond a proxy may not reach.
    """
    *_, last = (parts := urlsplit(location)).path.rstrip("/").split("/")
    address = f"./{last}/" if parts.path.endswith("/") else f"../{last}"
    return f"{address}?{parts.query}" if parts.query else address
