"""A request as its client made it, although a proxy may stand between: address, scheme, names, base path and id."""

import secrets
from collections.abc import Callable
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lianhua.api.middleware.forwarded import Networks, is_trusted, read_forwarded
from lianhua.config.logs import REQUEST_ID, REQUEST_ID_FORM

IsRoute = Callable[[str], bool]
PEER: Final = "lianhua.peer"  # in a request's state: the address of whoever is connected to us
FORWARDED_HOSTS: Final = "lianhua.forwarded_hosts"  # in a request's state
NOWHERE: Final = ""  # the base path without its last slash: nothing below it is asked for


class Outside:
    """Puts what a trusted proxy says into the scope, and splits its path into base path (`root_path`) and route.

    A proxy may leave the base path on or take it off, so every path answers with and without it.
    """

    def __init__(self, app: ASGIApp, trusted: Networks, base_path: str, is_route: IsRoute) -> None:
        self._app = app
        self._trusted = trusted
        self._base_path = base_path
        self._is_route = is_route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            REQUEST_ID.set(self._request_id(scope))
            base_path = self._listen(scope)
            if base_path:
                route = below(base_path, scope["path"], self._is_route)
                if route == NOWHERE:
                    await _into(base_path, scope)(scope, receive, send)
                    return
                scope["root_path"] = base_path
                scope["path"] = base_path + route
        await self._app(scope, receive, send)

    def _request_id(self, scope: Scope) -> str:
        """What a trusted proxy calls the request, else a name of our own."""
        if self._trusted and scope["client"] and is_trusted(scope["client"][0], self._trusted):
            brought: str = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
            if REQUEST_ID_FORM.fullmatch(brought):
                return brought
        return secrets.token_hex(8)

    def _listen(self, scope: Scope) -> str:
        """Takes over what a trusted proxy says; the base path of this request."""
        peer = scope["client"][0] if scope["client"] else None
        scope.setdefault("state", {})[PEER] = peer
        if not self._trusted or not is_trusted(peer, self._trusted):
            return self._base_path
        headers: dict[bytes, str] = {}
        for name, value in scope["headers"]:
            text = value.decode("latin-1")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        said = read_forwarded(headers, peer, self._trusted)
        if said.client:
            scope["client"] = (said.client, 0)
        if said.scheme:
            scope["scheme"] = said.scheme
        scope["state"][FORWARDED_HOSTS] = said.hosts
        return self._base_path if said.prefix is None else said.prefix


def below(base_path: str, path: str, is_route: IsRoute) -> str:
    """The route that `path` means, `NOWHERE` for the base path alone.

    What is left without the base path counts, if a route takes it: a base path may be called like the beginning of a
    route (`/chat`). It is taken off more than once where it is there more than once, for clients that join the base
    path and an address which carries it already.
    """
    route = path
    rest = path
    while rest.startswith(base_path) and rest[len(base_path) :][:1] in ("", "/"):
        rest = rest[len(base_path) :]
        if is_route(rest) or (rest == NOWHERE and route == path):  # a base path may also be called like all of one
            route = rest
    return route


def _into(base_path: str, scope: Scope) -> Response:
    """The page's own addresses begin where its path's last slash is."""
    query = scope["query_string"].decode("latin-1")
    address = f"./{base_path.rpartition('/')[2]}/"
    return Response(status_code=307, headers={"Location": f"{address}?{query}" if query else address})


def route_path(scope: Scope) -> str:
    """The path without the base path."""
    path: str = scope["path"]
    return path.removeprefix(scope["root_path"])


def asked_hosts(scope: Scope) -> list[str]:
    """The name in the Host header, then those by which the client asked a trusted proxy, if one says so."""
    own = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    return [own, *scope.get("state", {}).get(FORWARDED_HOSTS, ())]
