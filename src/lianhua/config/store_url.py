"""Where a store is, as one address: `redis://`, `rediss://`, `unix://`, and the same for Sentinel and Cluster.

    redis+sentinel://:password@host1:26379,host2:26379/name/0    the primary that Sentinels know by `name`
    redis+cluster://user:password@host1:6379,host2               some nodes of a Cluster; it tells the others

With `rediss+…` every connection is TLS.
"""

from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct

Kind = Literal["single", "sentinel", "cluster"]
PORTS: Final[dict[Kind, int]] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
SCHEMES: Final[dict[str, Kind]] = {
    "redis": "single",
    "rediss": "single",
    "unix": "single",
    "redis+sentinel": "sentinel",
    "rediss+sentinel": "sentinel",
    "redis+cluster": "cluster",
    "rediss+cluster": "cluster",
}


class Address(Struct, frozen=True):
    """A parsed address. `url` is the whole of it, which the driver reads by itself where `kind` is single."""

    url: str
    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    username: str | None
    password: str | None
    tls: bool
    service: str = ""
    database: int = 0

    @property
    def shown(self) -> str:
        """For people: no password in it."""
        scheme = self.url.split("://", 1)[0]
        if not self.hosts:
            return f"{scheme}://{urlsplit(self.url).path}"
        return f"{scheme}://{','.join(f'{host}:{port}' for host, port in self.hosts)}"


def parse_address(url: str) -> Address:
    """Raises `ValueError` for what is no address of a store."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ValueError("scheme")
    kind = SCHEMES[scheme]
    # Each host of several is an authority of its own; urlsplit reads one.
    before, _, path = rest.partition("?")[0].partition("/")
    names, _, hosts = before.rpartition("@")
    username, _, password = names.partition(":")
    if "@" in path or (kind != "single" and "@" in hosts):
        raise ValueError("an @ that is not escaped")
    found = tuple(_host(host, PORTS[kind]) for host in hosts.split(",") if host)
    if bool(found) == (scheme == "unix") or (kind == "single" and len(found) > 1):
        raise ValueError("hosts")
    address = Address(
        url, kind, found, unquote(username) or None, unquote(password) or None, tls=scheme.startswith("rediss")
    )
    if kind == "single":
        return address
    if "?" in url:
        raise ValueError("options are for redis:// and rediss:// only")
    service, _, database = path.partition("/")
    if bool(service) != (kind == "sentinel"):
        raise ValueError("a Sentinel address ends in the name of the primary, a Cluster address in nothing")
    return Address(
        url, kind, found, address.username, address.password, address.tls, unquote(service), int(database or 0)
    )


def _host(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0:
        raise ValueError("host")
    return parts.hostname, parts.port or default_port
