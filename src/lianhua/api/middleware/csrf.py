"""Refuses what a page of another site made a browser send."""

from collections.abc import Iterable, Sequence
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from lianhua.api.middleware.outside import asked_hosts
from lianhua.api.problems import language_of, problem_of
from lianhua.errors import CrossSite

SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")


class SameSite:
    """Looks at every request that changes something. `allowed_origins` may come from elsewhere.

    `tokens_count`: where there is an `Authorization`, the cookie does not count. No page of another site can make a
    browser send one (it asks first, see CORS), so there is nothing to look at.
    """

    def __init__(self, app: ASGIApp, allowed_origins: Iterable[str], *, tokens_count: bool = False) -> None:
        self._app = app
        self._tokens_count = tokens_count
        self._origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            headers = dict(scope["headers"])
            if self._tokens_count and b"authorization" in headers:
                await self._app(scope, receive, send)
                return
            site, origin = (_text(headers.get(name)) for name in (b"sec-fetch-site", b"origin"))
            try:
                check_site(site, origin, asked_hosts(scope), self._origins)
            except CrossSite as error:
                await problem_of(error, language_of(scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)


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


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
