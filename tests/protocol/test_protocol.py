"""Our own server keeps the protocol, with a model that takes its time; and the checks notice one that does not."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.protocol.checks import CHECKS, Check, the_pieces_are_the_stored_reply
from tests.protocol.peer import Broken, Peer
from tests.support.server_process import ServerProcess

SCRIPT = """
pieces = ["连", "话 ", "🪷", "\\n", "goes ", "on. "]
repeat = 10
interval_s = 0.02
"""
ROOT = Path(__file__).parents[2]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("protocol")
    (folder / "data").mkdir()
    script = folder / "script.toml"
    script.write_text(f"[[reply]]\n{SCRIPT}", "utf-8")
    server = ServerProcess(folder / "data", LIANHUA_SCRIPT=str(script))
    yield server
    server.stop()
    server.kill()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as http:
        yield http


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_our_server_keeps(check: Check, server: ServerProcess, http: aiohttp.ClientSession) -> None:
    await check(Peer(http, server.url, f"reader-{next(_numbers)}"))


async def test_a_server_that_loses_a_piece_is_found_out(server: ServerProcess, http: aiohttp.ClientSession) -> None:
    async with _losing(server.url, http) as url:
        with pytest.raises(Broken, match="pieces joined"):
            await the_pieces_are_the_stored_reply(Peer(http, url, f"reader-{next(_numbers)}"))


async def test_the_command_says_which_rules_are_kept(server: ServerProcess) -> None:
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.protocol",
        server.url,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    out, _ = await command.communicate()
    assert f"{len(CHECKS)} of {len(CHECKS)} rules are kept" in out.decode()
    assert command.returncode == 0


class _losing:  # noqa: N801  a context manager
    """A relay in front of a server that leaves the second piece of each reply out."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = url, http

    async def __aenter__(self) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._relay)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _relay(self, request: web.Request) -> web.Response:
        names = ("Content-Type", "Idempotency-Key", "Last-Event-ID")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        asking = self._http.request(
            request.method, f"{self._url}{request.path_qs}", data=await request.read(), headers=headers
        )
        async with asking as response:
            blocks = (await response.read()).split(b"\n\n")
            pieces = [number for number, block in enumerate(blocks) if block.startswith(b'data: {"content"')]
            if len(pieces) > 1:
                del blocks[pieces[1]]
            kept = {"Content-Type": response.headers.get("Content-Type", "application/json")}
            return web.Response(status=response.status, body=b"\n\n".join(blocks), headers=kept)
