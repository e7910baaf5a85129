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

    def begin(self, method: str, below: str, headers: Mapping[str, str], *, whole: bool = False) -> bytes:
        """The request line and the headers of a request for what is at `below`, without the blank line that ends them.

        With `whole` the line holds the whole address, for a proxy (RFC 9112, 3.2.2). Raises `ValueError` for a header
        that would be two.
        """
        target = self.path.rstrip("/") + below + (f"?{self.query}" if self.query else "")
        if whole:
            target = f"http{'s' if self.tls else ''}://{self.authority}{target}"
        fields = [f"{name}: {value}" for name, value in {"Host": self.authority, **headers}.items()]
        lines = [f"{method} {target} HTTP/1.1", *fields]
        if any(mark in line for line in lines for mark in "\r\n\0"):
            raise ValueError("a line end in a header")
        return "\r\n".join([*lines, ""]).encode()

    @property
    def authority(self) -> str:
        """Host and port as they stand in an address, the scheme's own port left out."""
        return self._host if self.port == (443 if self.tls else 80) else self.host_and_port

    @property
    def host_and_port(self) -> str:
        """As `CONNECT` wants them (RFC 9110, 9.3.6): the port always there."""
        return f"{self._host}:{self.port}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


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
    return basic(unquote(parts.username), unquote(parts.password or ""))


def basic(user: str, password: str) -> str:
    """The credentials of the scheme Basic (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _is_of(family: int, host: str) -> bool:
    try:
        socket.inet_pton(family, host.partition("%")[0])
    except OSError:
        return False
    return True
