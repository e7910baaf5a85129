"""Which proxy leads to a server of a model, by the variables that every HTTP client knows. Pure.

The rules are those of curl (everything.curl.dev/usingcurl/proxies/env), of Go's `httpproxy` and of Python's `requests`
where they agree; where they do not, the docstrings say whom we follow.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Literal, get_args
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from lianhua.models.http.endpoint import Endpoint, basic

Kind = Literal["http", "https", "socks5", "socks5h"]

# What is looked at, in lower case and in capitals.
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# Of addresses that name none: RFC 9110, 4.2; RFC 1928, 3. (curl alone takes 1080 for `http` too.)
_PORTS: dict[str, int] = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class Proxy(Struct, frozen=True):
    """A proxy; its text is the address without the login.

    `http` and `https` say how it is spoken to. `socks5` gets the server's address from us, `socks5h` only its name.
    `setting` is the variable that names it.
    """

    kind: Kind
    host: str
    port: int
    user: str = ""
    password: str = ""
    setting: str = ""

    def __str__(self) -> str:
        return f"{self.kind}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    __repr__ = __str__  # not the login

    @property
    def has_login(self) -> bool:
        return bool(self.user or self.password)

    @property
    def endpoint(self) -> Endpoint:
        """The proxy as a server to connect to."""
        login = basic(self.user, self.password) if self.has_login else ""
        return Endpoint(self.kind == "https", self.host, self.port, "", login=login)

    def relays(self, target: Endpoint) -> bool:
        """Whether requests for `target` go to the proxy itself, with a whole address in their first line.

        So it is for `http` targets, as in other clients: many proxies (Squid, by its defaults) open a tunnel to no
        other port than 443. To `https` targets, and through SOCKS, a tunnel leads.
        """
        return self.kind in ("http", "https") and not target.tls


class ProxyFailed(Exception):
    """The proxy led nowhere. The text names it, without its login. `passing`: it may do so a moment later."""

    def __init__(self, text: str, *, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing


def proxy_for(target: Endpoint, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy on the way to `target`, None where the way is direct: on this machine, and where `NO_PROXY` says so.

    `HTTPS_PROXY` or `HTTP_PROXY`, after the scheme of `target`, else `ALL_PROXY`; in lower case first. Where the
    environment is that of a CGI program (`REQUEST_METHOD`), `HTTP_PROXY` is a header that a client sent, and ignored.
    Raises `ValueError` with a line that names the variable where it names no proxy of a known kind.
    """
    setting = _setting_for(target, environ)
    if setting is None or _is_this_machine(target.host) or _is_exempt(target, _value("no_proxy", environ)):
        return None
    return read_proxy(environ[setting], setting)


def proxy_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those of `environ`, for another program that knows them too."""
    return {name: value for name, value in environ.items() if name.lower() in VARIABLES}


def read_proxy(address: str, setting: str) -> Proxy:
    """The proxy at `address`; without a scheme it is one of `http`. Raises `ValueError`, never with a password."""
    wrong = f"{setting}: should be the address of a proxy: http://, https://, socks5:// or socks5h://host:port"
    address = address.strip()
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        kind, host, port = parts.scheme, parts.hostname, parts.port
        host = host if not host or host.isascii() else host.encode("idna").decode()
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        raise ValueError(wrong) from None
    if kind not in get_args(Kind):
        raise ValueError(f"{setting}: a proxy of the kind {kind}:// is not supported; http, https, socks5, socks5h are")
    if not host or port == 0:
        raise ValueError(wrong)
    return Proxy(kind, host, port or _PORTS[kind], user, password, setting)  # type: ignore[arg-type]


def _setting_for(target: Endpoint, environ: Mapping[str, str]) -> str | None:
    own = "https_proxy" if target.tls else "http_proxy"
    for name in (own, own.upper(), "all_proxy", "ALL_PROXY"):
        if environ.get(name, "").strip() and not (name == "HTTP_PROXY" and "REQUEST_METHOD" in environ):
            return name
    return None


def _value(name: str, environ: Mapping[str, str]) -> str:
    return environ.get(name) or environ.get(name.upper(), "")


def _is_this_machine(host: str) -> bool:
    """Loopback, the names of RFC 6761 for it, and the address that stands for "any": it leads here as well."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def _is_exempt(target: Endpoint, no_proxy: str) -> bool:
    """Whether an entry of `no_proxy`, a list with commas or spaces, is about `target`.

    An entry is `*`, a name with all names below it (a dot or `*.` in front changes nothing, as in curl), an address, or
    a network as `10.0.0.0/8`; behind a name or an address may stand a port. Names are not looked up.
    """
    return any(_covers(entry.lower(), target) for entry in no_proxy.replace(",", " ").split())


def _covers(entry: str, target: Endpoint) -> bool:
    host = target.host.rstrip(".").lower()
    address = _address(host)
    if "/" in entry:
        return address is not None and _is_in(address, entry)
    name, port = _split_port(entry)
    if port and port != str(target.port):
        return False
    if name == "*":
        return True
    if address is not None:
        return _address(name) == address
    name = _as_sent(name.removeprefix("*").strip("."))
    return bool(name) and (host == name or host.endswith("." + name))


def _is_in(address: IPv4Address | IPv6Address, network: str) -> bool:
    try:
        return address in ip_network(network, strict=False)
    except ValueError:
        return False


def _as_sent(name: str) -> str:
    """A name as it stands in an address that is sent; empty where it cannot be one."""
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return ""


def _split_port(entry: str) -> tuple[str, str]:
    """An entry's host without brackets and its port, which may be empty."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is; one of IPv4 in IPv6's clothes is the plain one."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
