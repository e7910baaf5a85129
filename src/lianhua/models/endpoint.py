"""Where a server of a model is: an `http` or `https` address, and what a request to it begins with. Pure."""

import base64
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, quote, unquote, urlsplit

from msgspec import Struct

# What may stand in a path or a query as it is (RFC 3986, 3.3 and 3.4); the per cent sign, for what is escaped already.
_PATH = "/%:@!$&'()*+,;=~"
_QUERY = _PATH + "?"


class Endpoint(Struct, frozen=True):
    """A server and a place on it. `login` is the Basic credentials of the address, empty where it has none."""

    tls: bool
    host: str
    port: int
    path: str
    query: str = ""
    login: str = ""

    @property
    def is_address(self) -> bool:
        """Whether `host` is an IP address, which nobody needs to look up."""
        return any(_is_of(family, self.host) for family in (socket.AF_INET, socket.AF_INET6))

    def begin(self, method: str, below: str, headers: Mapping[str, str]) -> bytes:
        """The request line and the headers of a request for what is at `below`, without the blank line that ends them.

        Raises `ValueError` for a header that would be two.
        """
        target = self.path.rstrip("/") + below + (f"?{self.query}" if self.query else "")
        fields = [f"{name}: {value}" for name, value in {"Host": self._host_field(), **headers}.items()]
        lines = [f"{method} {target} HTTP/1.1", *fields]
        if any(mark in line for line in lines for mark in "\r\n\0"):
            raise ValueError("a line end in a header")
        return "\r\n".join([*lines, ""]).encode()

    def _host_field(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """Raises `ValueError` for what is no address of a web server."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("no address of a web server")
    host = parts.hostname
    if not host.isascii():
        host = host.encode("idna").decode()
    tls = parts.scheme == "https"
    return Endpoint(
        tls,
        host,
        parts.port or (443 if tls else 80),
        quote(parts.path, safe=_PATH),
        quote(parts.query, safe=_QUERY),
        _login(parts),
    )


def _login(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    named = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return base64.b64encode(named.encode()).decode()


def _is_of(family: int, host: str) -> bool:
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except OSError:
        return False
    return True
