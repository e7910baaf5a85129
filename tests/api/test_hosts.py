"""A server that others can reach, as in every container: which names it answers to."""

import socket
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.conftest import SCRIPT
from tests.support.client import Client
from tests.support.server_process import ServerProcess

NAME = "chat.example.org"


@pytest.fixture(scope="module")
def reachable_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """To the server `127.1` is a name like any other, so it holds itself for reachable; nobody but this machine can."""
    server = ServerProcess(
        tmp_path_factory.mktemp("reachable"),
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_HOST="127.1",
        LIANHUA_ALLOW_OPEN="1",
        LIANHUA_TRUSTED_PROXIES="127.0.0.1",
        LIANHUA_ALLOWED_ORIGINS=f"https://{NAME}",
    )
    yield server
    server.stop()
    server.kill()


@pytest.fixture
async def visitor(session: aiohttp.ClientSession, reachable_server: ServerProcess) -> AsyncIterator[Client]:
    yield Client(session, reachable_server.url.replace("//127.1:", "//127.0.0.1:"), "anna")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "", "x@127.0.0.1"]
)
async def test_a_page_cannot_point_a_name_of_its_own_at_it(visitor: Client, host: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/api/conversations"), ("POST", "/api/chat/start")):
        answer = await visitor.ask(method, path, headers={"Host": host})
        assert answer.problem == (403, "forbidden")


@pytest.mark.parametrize(
    ("language", "words"), [("en", "does not answer to evil.example"), ("zh", "不以 evil.example")]
)
async def test_who_is_refused_reads_what_to_set(visitor: Client, language: str, words: str) -> None:
    headers = {"Host": "evil.example", "Accept-Language": language}
    detail = (await visitor.ask("GET", "/", headers=headers)).json["detail"]
    for word in (words, "LIANHUA_ALLOWED_ORIGINS", "localhost", NAME, socket.gethostname().lower()):
        assert word in detail


@pytest.mark.parametrize("host", ["192.168.1.5:8000", "[2001:db8::1]:80", "localhost", "0.0.0.0", NAME, f"{NAME}:8443"])
async def test_addresses_and_listed_names_are_answered(visitor: Client, host: str) -> None:
    assert (await visitor.ask("GET", "/roles", headers={"Host": host})).status == 200


async def test_the_machines_own_name_is_answered(visitor: Client) -> None:
    own = socket.gethostname()
    for host in (own, f"{own.upper()}:8000", f"{own.partition('.')[0]}.local"):
        assert (await visitor.ask("GET", "/roles", headers={"Host": host})).status == 200


async def test_a_load_balancer_may_ask_by_any_name_whether_it_lives(visitor: Client) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await visitor.ask("GET", path, headers={"Host": "upstream.cluster.example"})).status == 200


async def test_a_proxy_that_passes_its_own_name_tells_the_clients(visitor: Client) -> None:
    forwarded = {"Host": "lianhua_backend", "X-Forwarded-Host": NAME, "Origin": f"https://{NAME}"}
    assert (await visitor.ask("POST", "/api/chat/start", headers=forwarded)).status == 200
    for headers in (
        {"Host": "lianhua_backend"},
        {"Host": "lianhua_backend", "X-Forwarded-Host": "evil.example"},
        {"Host": "evil.example", "X-Forwarded-Host": NAME},
    ):
        assert (await visitor.ask("POST", "/api/chat/start", headers=headers)).problem == (403, "forbidden")
    other = {**forwarded, "Origin": "https://evil.example"}
    assert (await visitor.ask("POST", "/api/chat/start", headers=other)).problem == (403, "cross_site")
