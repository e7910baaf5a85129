"""A server whose model is behind a proxy, as its operator meets it."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import StartServer
from tests.support.client import Client
from tests.support.models.certificate import make_certificate
from tests.support.models.proxy_server import ProxyServer
from tests.support.upstream import DONE, Upstream, answer, chunk, events, text
from tests.support.waiting import HANGS_S

HELLO = events(text("Hello"), chunk(finish="stop"), DONE)
LOGIN = "me:SECRET"


def doctor(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    more = {"LIANHUA_DATA_DIR": str(folder), "OPENAI_API_KEY": "k", "LIANHUA_DISCOVERY": "0", **environ}
    return subprocess.run(
        [sys.executable, "-m", "lianhua", "doctor"],
        check=False,
        env=more,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
    )


async def test_the_model_is_reached_by_the_environments_proxy_and_named_without_its_login(
    start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    async with Upstream(HELLO) as upstream, ProxyServer({"model.test": upstream.port}, login=LOGIN) as proxy:
        server = start_server(
            OPENAI_API_KEY="k", OPENAI_BASE_URL="http://model.test/v1", http_proxy=proxy.url(login=LOGIN)
        )
        assert f"by way of the proxy {proxy.url()} (http_proxy)" in server.log
        alice = Client(session, server.url, "alice")
        assert (await alice.say(await alice.create(), "Hi")).text == "Hello"
        server.stop()
        assert "SECRET" not in server.log
        assert proxy.asked == ["POST model.test"]


async def test_doctor_says_what_the_proxy_answered(tmp_path: Path) -> None:
    async with ProxyServer({}, login=LOGIN) as proxy:
        address = proxy.url(login="me:WRONG-SECRET")
        said = await asyncio.to_thread(doctor, tmp_path, HTTPS_PROXY=address, OPENAI_BASE_URL="https://model.test/v1")
        line = f"(the proxy does not take the login it was given (407) (by way of {proxy.url()}))"
        assert said.returncode == 1
        assert line in said.stdout
        assert f"by way of the proxy {proxy.url()} (HTTPS_PROXY)" in said.stdout
        assert "SECRET" not in said.stdout + said.stderr


def test_a_proxy_of_an_unknown_kind_stops_the_start_unless_it_is_not_to_be_used(tmp_path: Path) -> None:
    environ = {"ALL_PROXY": "socks4://me:SECRET@127.0.0.1:1", "OPENAI_BASE_URL": "http://127.0.0.2:1/v1"}
    assert "socks4" not in doctor(tmp_path, **environ).stderr, "the model is on this machine"
    environ["OPENAI_BASE_URL"] = "http://model.test/v1"
    said = doctor(tmp_path, **environ)
    assert said.returncode == 2
    assert said.stderr.startswith("lianhua: ALL_PROXY: a proxy of the kind socks4:// is not supported")
    assert "LIANHUA_MODEL_PROXY=off" in said.stderr and "SECRET" not in said.stderr


@pytest.mark.parametrize(("status", "word"), [(404, "/v1"), (402, "credit"), (301, "redirects are not followed")])
async def test_doctor_says_status_and_what_to_do(tmp_path: Path, status: int, word: str) -> None:
    async with Upstream(answer(status, "", Location="http://127.0.0.1:1/")) as upstream:
        said = await asyncio.to_thread(doctor, tmp_path, OPENAI_BASE_URL=upstream.base_url)
    assert said.returncode == 1
    line = next(line for line in said.stdout.splitlines() if "MEND" in line)
    assert f"status {status}" in line
    assert word in line


async def test_doctor_says_which_certificate_is_not_believed(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        said = await asyncio.to_thread(doctor, tmp_path, OPENAI_BASE_URL=f"https://127.0.0.1:{port}/v1")
        assert "its certificate is not believed: self-signed certificate" in said.stdout
        assert "set SSL_CERT_FILE" in said.stdout
        named = {
            "SSL_CERT_FILE": "/nonexistent.pem",
            "SSL_CERT_DIR": "/nonexistent",
            "OPENAI_BASE_URL": f"https://127.0.0.1:{port}/v1",
        }
        said = await asyncio.to_thread(doctor, tmp_path, **named)
        assert "no certificate is where SSL_CERT_FILE and SSL_CERT_DIR points" in said.stdout
