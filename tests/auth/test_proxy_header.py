"""Logged in by a proxy in front: believed from there, refused from anybody else."""

from collections.abc import Iterator

import aiohttp
import pytest

from lianhua.auth.proxy_header import ProxyHeader, ProxyUser
from lianhua.errors import UntrustedHeader
from tests.conftest import SCRIPT
from tests.support.members import Member
from tests.support.server_process import ServerProcess

HEADER = "X-Forwarded-User"
ME = "/api/auth/me"


def serve(tmp_path_factory: pytest.TempPathFactory, trusted: str) -> Iterator[ServerProcess]:
    server = ServerProcess(
        tmp_path_factory.mktemp("proxy"),
        LIANHUA_AUTH="accounts",
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_PROXY_USER_HEADER=HEADER,
        LIANHUA_TRUSTED_PROXIES=trusted,
    )
    yield server
    server.stop()
    server.kill()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from serve(tmp_path_factory, "127.0.0.1")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    yield from serve(tmp_path_factory, "192.0.2.1")


async def test_a_person_comes_into_being_at_first_sight(session: aiohttp.ClientSession, behind: ServerProcess) -> None:
    ann = Member(session, behind.url, "ann", {HEADER: "Ann"})
    for _ in range(2):
        assert (await ann.get(ME))["name"] == "ann"
    assert (await ann.ask("POST", "/api/conversations", {})).status == 201
    assert (await ann.with_proof({}).ask("GET", ME)).problem == (401, "not_authenticated")


async def test_from_elsewhere_the_header_is_refused(session: aiohttp.ClientSession, elsewhere: ServerProcess) -> None:
    for headers in ({HEADER: "ann"}, {HEADER: "ann", "X-Forwarded-For": "192.0.2.1"}, {"X_Forwarded_User": "ann"}):
        mallory = Member(session, elsewhere.url, "mallory", headers)
        for path in (ME, "/api/auth/oidc/providers", "/"):
            assert (await mallory.ask("GET", path)).problem == (400, "untrusted_header")


async def test_beside_an_authorization_the_header_does_not_count(
    session: aiohttp.ClientSession, behind: ServerProcess
) -> None:
    mallory = Member(session, behind.url, "ann", {HEADER: "ann", "Authorization": "Basic eDp5"})
    assert (await mallory.ask("GET", ME)).problem == (401, "not_authenticated")


def test_a_header_that_comes_twice_is_refused() -> None:
    header = ProxyHeader("x-forwarded-user", "x-groups")
    one, groups = (b"x-forwarded-user", b"ann"), (b"x-groups", b"a, b")
    assert header.read([one, groups], trusted=True) == ProxyUser("ann", ("a", "b"))
    assert header.read([], trusted=False) is None
    for pairs in ([one, one], [one, (b"X_Forwarded_User", b"ben")], [one, groups, groups]):
        with pytest.raises(UntrustedHeader):
            header.read(pairs, trusted=True)
