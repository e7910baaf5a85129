"""What a proxy in front says of a request: who asked, over which scheme, by which name, below which path.

Believed from trusted proxies only; from anybody else these headers are as if they were not there.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from msgspec import Struct

from lianhua.config.readers import clean_base_path

Networks = Sequence[IPv4Network | IPv6Network]

# One pair of RFC 7239, section 4: a token, a token or quoted string, and what ends it.
_PAIR: Final = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*(;|,|$)')

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


class Forwarded(Struct, frozen=True):
    """Each part None where no trusted proxy says it. `hosts` are names by which the client may have asked."""

    client: str | None = None
    scheme: str | None = None
    hosts: tuple[str, ...] = ()
    prefix: str | None = None


NOTHING: Final = Forwarded()


def read_forwarded(headers: Mapping[bytes, str], peer: str | None, trusted: Networks) -> Forwarded:
    """What the headers of a request from the address `peer` say. `headers` have lower-case names, and what came in
    several of one name joined by commas.

    `X-Forwarded-*` goes before `Forwarded` (RFC 7239). Proxies append, so a list is read from its end, as far back as
    its addresses are trusted ones: what stands before that may have been made up by the client.
    """
    if not trusted or not is_trusted(peer, trusted):
        return NOTHING
    prefix = _base_path(_list(headers.get(b"x-forwarded-prefix")))
    clients = _list(headers.get(b"x-forwarded-for"))
    hosts = _list(headers.get(b"x-forwarded-host"))
    schemes = _list(headers.get(b"x-forwarded-proto"))
    if clients or hosts or schemes:
        place = _place(clients, trusted)
        port = _at(_list(headers.get(b"x-forwarded-port")), place)
        named = _named(_at(hosts, place), port)
        return Forwarded(_address(_at(clients, place)), _scheme(_at(schemes, place)), named, prefix)
    elements = _elements(headers.get(b"forwarded", ""))
    if not elements:
        return Forwarded(prefix=prefix)
    element = elements[-_place([pairs.get("for", "") for pairs in elements], trusted)]
    return Forwarded(
        _address(element.get("for")), _scheme(element.get("proto")), _named(element.get("host"), None), prefix
    )


def is_trusted(address: str | None, trusted: Networks) -> bool:
    known = _parsed(address)
    return known is not None and any(known in network for network in trusted)


def _place(clients: Sequence[str], trusted: Networks) -> int:
    """How far from its end a list is to be believed: 1 is what the nearest proxy added."""
    place = 1
    while place < len(clients) and is_trusted(clients[-place], trusted):
        place += 1
    return place


def _at(values: Sequence[str], place: int) -> str | None:
    return values[-min(place, len(values))] if values else None


def _list(value: str | None) -> list[str]:
    return [part.strip() for part in value.split(",")] if value else []


def _elements(value: str) -> list[dict[str, str]]:
    """The pairs that each proxy added, names in lower case; empty where the header is malformed."""
    elements: list[dict[str, str]] = [{}]
    place = 0
    while place < len(value):
        pair = _PAIR.match(value, place)
        if pair is None:
            return []
        name, text, end = pair.groups()
        elements[-1][name.lower()] = re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
        if end == ",":
            elements.append({})
        place = pair.end()
    return elements if elements != [{}] else []


def _parsed(address: str | None) -> IPv4Address | IPv6Address | None:
    """An address with or without a port or brackets; an IPv4 one that came over IPv6 as what it is."""
    text = (address or "").strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


def _address(text: str | None) -> str | None:
    parsed = _parsed(text)
    return str(parsed) if parsed else None


def _scheme(text: str | None) -> str | None:
    return text.lower() if text and text.lower() in ("http", "https") else None


def _named(host: str | None, port: str | None) -> tuple[str, ...]:
    """A host as it was named, with its port where that came separately; empty for what cannot be a host."""
    found = _HOST.fullmatch(host or "")
    if host is None or found is None:
        return ()
    return (host, f"{host}:{port}") if port and port.isdecimal() and not found[1] else (host,)


def _base_path(prefixes: Sequence[str]) -> str | None:
    """The prefix that the nearest proxy took off; None for what cannot be one."""
    try:
        return clean_base_path(prefixes[-1]) if prefixes else None
    except ValueError:
        return None
