"""Refuses a request for another host: else a page anywhere could point its own name at the server and read everything
through a visitor's browser (DNS rebinding).
"""

from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from lianhua.api.middleware.outside import asked_hosts, route_path
from lianhua.api.problems import language_of, problem_of
from lianhua.config.hosts import HostNames, is_private
from lianhua.errors import ForeignHost

MOST_SEEN: Final = 100  # ways to write our names and ports that need not be taken apart again


class Hosts:
    """`hosts` are the names by which the server may be called. `probes` are paths that hold nobody's data: where others
    than this machine reach the server, they answer to every name, for load balancers have names of their own for it.
    """

    def __init__(self, app: ASGIApp, hosts: HostNames, probes: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = hosts
        self._probes = probes
        self._seen: set[str] = set()  # Host headers that were fine, when no proxy said another name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not (self._hosts.any_address and route_path(scope) in self._probes):
            asked = asked_hosts(scope)
            try:
                if len(asked) > 1 or asked[0] not in self._seen:
                    self._check(asked)
                    self._remember(asked)
            except ForeignHost as error:
                await problem_of(error, language_of(scope))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _remember(self, asked: Sequence[str]) -> None:
        if len(asked) == 1 and len(self._seen) < MOST_SEEN:
            self._seen.add(asked[0])

    def _check(self, hosts: Sequence[str]) -> None:
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
