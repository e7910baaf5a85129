"""The names that the server answers to, so that no web page can point a name of its own at it (DNS rebinding)."""

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from lianhua.config.readers import is_loopback
from lianhua.config.settings import Settings

HOSTS_FILE = Path("/etc/hosts")
HOSTS_FILE_BYTES = 1024 * 1024  # lists against advertisements are some MB; the machine's own line stands at the top
# What no public name server gives to anybody: names without a dot, multicast DNS (RFC 6762), private use (ICANN, 2024),
# home networks (RFC 8375).
_PRIVATE_ENDINGS = (".local", ".internal", ".home.arpa", ".localhost")


class HostNames(Struct, frozen=True):
    """`names` are in lower case. With `any_address` the server answers to every IP address: a page that was loaded from
    one has no name that could be pointed elsewhere.
    """

    names: tuple[str, ...]
    any_address: bool

    def include(self, name: str) -> bool:
        """`name` without a port; an IPv6 address without brackets."""
        name = name.lower().removesuffix(".")
        return is_loopback(name) or name in self.names or (self.any_address and _is_address(name))

    def describe(self) -> Sequence[str]:
        """For people."""
        addresses = ("IP addresses",) if self.any_address else ("127.0.0.1",)
        return ("localhost", *addresses, *self.names)


def host_names(settings: Settings) -> HostNames:
    """On loopback the names that the settings list; else the machine's own too, and every address."""
    listed = tuple((urlsplit(origin).hostname or "").removesuffix(".") for origin in settings.allowed_origins)
    own = () if settings.on_loopback else machine_names()
    return HostNames(tuple(dict.fromkeys((*own, *listed))), any_address=not settings.on_loopback)


def machine_names(hosts_file: Path = HOSTS_FILE) -> tuple[str, ...]:
    """What this machine calls itself: its host name, that in multicast DNS, and what stands beside it in `hosts_file`.

    No name server is asked: one that does not answer would hold up the start.
    """
    name = socket.gethostname().lower().removesuffix(".")
    short = name.partition(".")[0]
    names = [name, short, f"{short}.local"]
    for line in _text(hosts_file).lower().splitlines():
        _, *found = line.partition("#")[0].split()
        if name in found or short in found:
            names += found
    return tuple(dict.fromkeys(name for name in names if name and not is_loopback(name)))


def is_private(name: str) -> bool:
    """Whether only a machine or a network of one's own can have given that name."""
    name = name.lower().removesuffix(".")
    return bool(name) and not _is_address(name) and ("." not in name or name.endswith(_PRIVATE_ENDINGS))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(HOSTS_FILE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
