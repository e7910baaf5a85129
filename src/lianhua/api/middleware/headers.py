"""The headers of every answer: security, caching, the cookie that a dependency asked for, addresses for the client."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lianhua.api.middleware.outside import route_path

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

        await self._app(scope, receive, send_with_headers)


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
