"""What a trusted proxy says of a request, and what anybody else says."""

from ipaddress import ip_network

import pytest

from lianhua.api.middleware.forwarded import NOTHING, Forwarded, read_forwarded
from lianhua.api.middleware.outside import below

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1/128"), ip_network("127.0.0.1/32"))


def read(peer: str | None = "10.0.0.1", **headers: str) -> Forwarded:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return read_forwarded(named, peer, TRUSTED)


def test_nobody_else_is_believed() -> None:
    headers = {"x_forwarded_for": "192.0.2.1", "x_forwarded_host": "evil.example", "x_forwarded_prefix": "/evil"}
    for peer in ("192.0.2.9", "11.0.0.1", "::2", "", None, "unix"):
        assert read(peer, **headers, forwarded="host=evil.example") == NOTHING
    assert read_forwarded({b"x-forwarded-host": "evil.example"}, "10.0.0.1", ()) == NOTHING


@pytest.mark.parametrize("peer", ["10.0.0.1", "10.255.1.2", "::1", "127.0.0.1", "::ffff:10.0.0.1"])
def test_a_trusted_address_is_known_in_every_form(peer: str) -> None:
    assert read(peer, x_forwarded_host="chat.example.org").hosts == ("chat.example.org",)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (
            {"x_forwarded_for": "192.0.2.1", "x_forwarded_proto": "https", "x_forwarded_host": "chat.example.org"},
            Forwarded("192.0.2.1", "https", ("chat.example.org",)),
        ),
        # A proxy before the proxy, both of ours: the first one knows the client.
        (
            {"x_forwarded_for": "192.0.2.1, 10.0.0.2", "x_forwarded_host": "chat.example.org, inner",
             "x_forwarded_proto": "https, http"},
            Forwarded("192.0.2.1", "https", ("chat.example.org",)),
        ),
        # What the client made up stands before what the proxy added.
        (
            {"x_forwarded_for": "127.0.0.1, 192.0.2.1", "x_forwarded_host": "evil.example, chat.example.org",
             "x_forwarded_proto": "http, https"},
            Forwarded("192.0.2.1", "https", ("chat.example.org",)),
        ),
        ({"x_forwarded_for": "192.0.2.1:4711"}, Forwarded("192.0.2.1")),
        ({"x_forwarded_for": "[2001:db8::7]:4711"}, Forwarded("2001:db8::7")),
        ({"x_forwarded_for": "unknown", "x_forwarded_proto": "HTTPS"}, Forwarded(scheme="https")),
        ({"x_forwarded_host": "lan", "x_forwarded_port": "8080"}, Forwarded(hosts=("lan", "lan:8080"))),
        ({"x_forwarded_host": "lan:8080", "x_forwarded_port": "8080"}, Forwarded(hosts=("lan:8080",))),
        ({"x_forwarded_host": "[::1]:80"}, Forwarded(hosts=("[::1]:80",))),
        ({"x_forwarded_prefix": "/chat"}, Forwarded(prefix="/chat")),
        ({"x_forwarded_prefix": "/chat/"}, Forwarded(prefix="/chat")),
        ({"x_forwarded_prefix": "/evil, /chat"}, Forwarded(prefix="/chat")),
        ({"x_forwarded_prefix": "/"}, Forwarded(prefix="")),
        # RFC 7239, section 4
        (
            {"forwarded": 'for=192.0.2.60;proto=https;host="chat.example.org:8443";by=203.0.113.43'},
            Forwarded("192.0.2.60", "https", ("chat.example.org:8443",)),
        ),
        (
            {"forwarded": 'For="[2001:db8:cafe::17]:4711" ; Proto=http, for=10.0.0.2;host=inner'},
            Forwarded("2001:db8:cafe::17", "http"),
        ),
        ({"forwarded": 'host=evil.example, for=192.0.2.1;host="a\\"b"'}, Forwarded("192.0.2.1")),
        ({"forwarded": "for=_hidden;proto=https"}, Forwarded(scheme="https")),
        # The one that a proxy does not know goes through it as the client sent it.
        (
            {"forwarded": "host=evil.example", "x_forwarded_host": "chat.example.org"},
            Forwarded(hosts=("chat.example.org",)),
        ),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_proxy_says_is_read(headers: dict[str, str], said: Forwarded) -> None:
    assert read(**headers) == said


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "x, , ;"},
        {"x_forwarded_host": "user@chat.example.org"},
        {"x_forwarded_host": "[::1"},
        {"x_forwarded_host": "a/b"},
        {"x_forwarded_host": "lan:port"},
        {"x_forwarded_proto": "gopher"},
        {"x_forwarded_prefix": "//evil.example"},
        {"x_forwarded_prefix": "/a//b"},
        {"x_forwarded_prefix": "/../b"},
        {"x_forwarded_prefix": "https://evil.example/"},
        {"x_forwarded_prefix": "/a;Domain=evil.example"},
        {"x_forwarded_prefix": "/a\\b"},
        {"forwarded": 'host="evil.example'},
        {"forwarded": "=;,"},
        {"forwarded": "host"},
    ],
    ids=str,
)
def test_what_cannot_be_counts_for_nothing(headers: dict[str, str]) -> None:
    assert read(**headers) == NOTHING


# The base path. `/chat` is also the beginning of some of our own paths.

ROUTES = ("/", "/api/roles", "/api/start", "/chat/stream", "/roles", "/docs")


@pytest.mark.parametrize(
    ("base_path", "path", "route"),
    [
        ("/chat", "/chat/", "/"),
        ("/chat", "/chat", ""),
        ("/chat", "/chat/api/roles", "/api/roles"),
        ("/chat", "/api/roles", "/api/roles"),
        ("/chat", "/chat/chat/stream", "/chat/stream"),
        ("/chat", "/chat/stream", "/chat/stream"),
        ("/chat", "/chat/chat/api/roles", "/api/roles"),
        ("/chat", "/chatter/roles", "/chatter/roles"),
        ("/chat", "/chat/nothing", "/chat/nothing"),
        ("/chat", "/", "/"),
        ("/api", "/api/roles", "/roles"),
        ("/api", "/api/api/start", "/api/start"),
        ("/api", "/api/start", "/api/start"),
        ("/x/y", "/x/y/docs", "/docs"),
        ("/x/y", "/x/docs", "/x/docs"),
        ("/docs", "/docs/docs", "/docs"),
        ("/docs", "/docs", ""),
        ("/roles", "/roles/roles", "/roles"),
        ("/chat/stream", "/chat/stream/chat/stream", "/chat/stream"),
        ("/chat", "/chat/chat", ""),
    ],
)
def test_the_base_path_may_be_there_or_not(base_path: str, path: str, route: str) -> None:
    assert below(base_path, path, ROUTES.__contains__) == route
