"""Which proxy is on the way, by the environment alone."""

import pytest

from lianhua.models.http.endpoint import parse_endpoint
from lianhua.models.http.proxies import proxy_for, read_proxy

OPENAI = "https://api.openai.com/v1"
PLAIN = "http://llm.example.org:8000/v1"


def way(url: str, **environ: str) -> str:
    return str(proxy_for(parse_endpoint(url), environ) or "direct")


@pytest.mark.parametrize(
    ("environ", "https", "http"),
    [
        ({}, "direct", "direct"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1", "direct"),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "http://p:1", "direct"),
        ({"http_proxy": "http://p:1"}, "direct", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "direct", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "direct", "direct"),
        ({"http_proxy": "http://p:1", "REQUEST_METHOD": "GET"}, "direct", "http://p:1"),
        ({"ALL_PROXY": "socks5://p:1"}, "socks5://p:1", "socks5://p:1"),
        ({"all_proxy": "socks5h://p", "HTTPS_PROXY": "https://q"}, "https://q:443", "socks5h://p:1080"),
        ({"https_proxy": "", "HTTPS_PROXY": " ", "ALL_PROXY": "p:3128"}, "http://p:3128", "http://p:3128"),
        ({"HTTPS_PROXY": "p"}, "http://p:80", "direct"),
        ({"HTTPS_PROXY": "HTTP://P:3128/"}, "http://p:3128", "direct"),
        ({"HTTPS_PROXY": "http://[::1]:3128"}, "http://[::1]:3128", "direct"),
        ({"HTTPS_PROXY": "http://bücher.example:3128"}, "http://xn--bcher-kva.example:3128", "direct"),
    ],
)
def test_the_variable_of_the_scheme_else_the_one_for_all(environ: dict[str, str], https: str, http: str) -> None:
    assert (way(OPENAI, **environ), way(PLAIN, **environ)) == (https, http)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "ollama.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "0.0.0.0", "[::]",
             "[::ffff:127.0.0.1]"]
)  # fmt: skip
def test_what_runs_on_this_machine_is_reached_directly(host: str) -> None:
    assert way(f"http://{host}:11434/v1", ALL_PROXY="http://p:1") == "direct"


@pytest.mark.parametrize(
    ("no_proxy", "host", "exempt"),
    [
        ("*", "a.example.org", True),
        ("example.org", "a.example.org", True),
        ("example.org", "example.org", True),
        (".example.org", "example.org", True),
        ("*.example.org", "a.b.example.org", True),
        ("EXAMPLE.org.", "a.Example.ORG.", True),
        ("example.org", "myexample.org", False),
        ("a.example.org", "example.org", False),
        ("x, example.org,,y", "example.org", True),
        ("x example.org", "example.org", True),
        ("example.org:8000", "example.org", True),
        ("example.org:8001", "example.org", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("10.0.0.5", "10.0.0.5", True),
        ("10.0.0.5", "10.0.0.50", False),
        ("10.0.0.5:8000", "10.0.0.5", True),
        ("10.0.0.5:8001", "10.0.0.5", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.1/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "ten.example.org", False),
        ("10.0.0.0/99", "10.1.2.3", False),
        ("fd00::/8", "[fd00::1]", True),
        ("fd00::1", "[fd00:0::1]", True),
        ("[fd00::1]", "[fd00::1]", True),
        ("[fd00::1]:8000", "[fd00::1]", True),
        ("[fd00::1]:8001", "[fd00::1]", False),
        ("fe80::1", "[fe80::1%25eth0]", True),
        ("0.0.5", "10.0.0.5", False),
        (",", "example.org", False),
        (".", "example.org", False),
        ("", "example.org", False),
    ],
)
def test_no_proxy(no_proxy: str, host: str, exempt: bool) -> None:
    url = f"http://{host}:8000/v1"
    assert way(url, http_proxy="http://p:1", NO_PROXY=no_proxy) == ("direct" if exempt else "http://p:1")
    assert way(url, http_proxy="http://p:1", no_proxy=no_proxy, NO_PROXY="" if exempt else "*") == (
        "direct" if exempt or not no_proxy else "http://p:1"
    )


def test_a_login_is_read_and_never_shown() -> None:
    proxy = read_proxy("http://me%40home:p%3A%2F%E5%AF%86@p:3128", "HTTPS_PROXY")
    assert (proxy.user, proxy.password) == ("me@home", "p:/密")
    assert f"{proxy}{proxy!r}" == "http://p:3128http://p:3128"


@pytest.mark.parametrize(
    "address", ["socks4://:SECRET@p:1", "quic://:SECRET@p:1", "http://:SECRET@", "http://p:SECRET", "http://[SECRET"]
)
def test_what_is_no_proxy_is_said_with_its_variable_and_without_its_value(address: str) -> None:
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: ") as refusal:
        way(OPENAI, HTTPS_PROXY=address)
    assert "SECRET" not in str(refusal.value)
    assert way("http://127.0.0.1:1/v1", HTTPS_PROXY=address, HTTP_PROXY=address) == "direct"
    assert way(OPENAI, HTTPS_PROXY=address, NO_PROXY="openai.com") == "direct"
