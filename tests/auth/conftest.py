"""One server in accounts mode for the tests of a module, with its administrator."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import SCRIPT
from tests.support.members import Member, add, cookie_in, first_admin, log_in
from tests.support.server_process import ServerProcess

_numbers = itertools.count(1)
_admins: dict[str, dict[str, str]] = {}


@pytest.fixture(scope="module")
def accounts_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accounts")


@pytest.fixture(scope="module")
def accounts_server(accounts_dir: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(accounts_dir, LIANHUA_AUTH="accounts", LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_LOG_LEVEL="debug")
    yield server
    server.stop()
    server.kill()


@pytest.fixture
async def admin(session: aiohttp.ClientSession, accounts_server: ServerProcess, accounts_dir: Path) -> Member:
    """The administrator whom the command has made, with a session of this test's own."""
    url = accounts_server.url
    if url not in _admins:
        _admins[url] = (await first_admin(session, url, accounts_dir)).proof
    return Member(session, url, "root", cookie_in(await log_in(session, url, "root")))


@pytest.fixture
async def ann(admin: Member) -> Member:
    """Somebody whom nobody else has met."""
    return await add(admin, f"ann-{next(_numbers)}")


@pytest.fixture
async def ben(admin: Member) -> Member:
    return await add(admin, f"ben-{next(_numbers)}")
