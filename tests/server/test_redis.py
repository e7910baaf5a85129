"""A store that somebody else runs: named by REDIS_URL, or by the tutorial's REDIS_HOST and REDIS_PORT."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NotYet
from redis.retry import Retry

from lianhua.store.embedded.server import server_binary
from tests.conftest import SCRIPT, StartServer
from tests.support.client import Client, events, shown
from tests.support.store_dump import dump_of, without_feeds
from tests.support.waiting import until

PASSWORD = "sesame"
START_TIMEOUT_S = 10


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server on loopback that wants a password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    settings = {
        "bind": "127.0.0.1",
        "port": str(port),
        "requirepass": PASSWORD,
        "save": "",
        "dir": str(tmp_path_factory.mktemp("redis")),
    }
    command = [str(server_binary())]
    for name, value in settings.items():
        command += [f"--{name}", value]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(START_TIMEOUT_S)


def wait_for(port: int) -> None:
    retry = Retry(ConstantBackoff(0.05), int(START_TIMEOUT_S / 0.05))
    with Redis(port=port, password=PASSWORD, retry=retry, retry_on_error=[NotYet]) as redis:
        redis.ping()


async def talk(client: Client) -> None:
    conversation = await client.create()
    turn = await client.begin(conversation, "[slow]")
    assert (await client.send(conversation, "hello")).problem == (409, "turn_in_progress")
    whole = shown(await client.read(events(conversation, turn)))
    assert whole.end["status"] == "done"
    assert (await client.say(conversation, "hello")).text == "echo: hello (turn 2: 4 messages)"
    assert [message["content"] for message in await client.messages(conversation)][1] == whole.text
    assert (await client.ask("GET", "/readyz")).status == 200


async def test_a_conversation_on_a_store_that_has_an_address(
    tmp_path: Path, redis_port: int, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:{redis_port}/0"
    server = start_server(REDIS_URL=url, LIANHUA_SCRIPT=str(SCRIPT))
    client = Client(session, server.url, "alice")
    await talk(client)
    assert not (tmp_path / "store").exists()
    assert PASSWORD not in server.log
    listed = await client.get("/api/conversations")
    assert server.stop() == 0

    again = Client(session, start_server(REDIS_URL=url, LIANHUA_SCRIPT=str(SCRIPT)).url, "alice")
    assert await again.get("/api/conversations") == listed


async def test_two_servers_on_one_store_show_the_same_reply(
    redis_port: int, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:{redis_port}/0"
    here, there = (
        Client(session, start_server(REDIS_URL=url, LIANHUA_SCRIPT=str(SCRIPT)).url, "bob") for _ in range(2)
    )
    conversation = await here.create()
    turn = await here.begin(conversation, "[long]")
    async with there.stream(events(conversation, turn)) as stream:
        seen = await stream.until(lambda frames: len(frames) > 5)
        assert (await there.send(conversation, "hello")).problem == (409, "turn_in_progress")
        stopped = await there.stop(conversation, turn)
        seen += [frame async for frame in stream]
    assert shown(seen).end["status"] == "stopped"
    assert await here.read(events(conversation, turn)) == seen
    assert stopped["status"] == "stopped"
    assert (await there.say(conversation, "hello")).end["status"] == "done"


async def test_what_one_server_erases_another_does_not_bring_back(
    redis_port: int, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    url = f"redis://:{PASSWORD}@127.0.0.1:{redis_port}/0"
    servers = [start_server(REDIS_URL=url, LIANHUA_SCRIPT=str(SCRIPT)) for _ in range(2)]
    here, there = (Client(session, server.url, "dave") for server in servers)
    conversation = await here.create()
    with Redis(port=redis_port, password=PASSWORD) as redis:
        for path in (f"/chat/history/{conversation}", f"/api/conversations/{conversation}"):
            turn = await here.begin_and_see(conversation, "[long] sesame")
            assert "sesame" in dump_of(redis)
            assert (await there.ask("DELETE", path)).status in (200, 204)
            # The server that makes the reply finds out by itself.
            await until(lambda turn=turn: re.search(f"{turn}: (no longer ours|stopped)", servers[0].log))  # type: ignore[misc]
            assert (await here.ask("GET", events(conversation, turn))).status == 404
            assert "sesame" not in dump_of(redis)
            assert turn not in without_feeds(dump_of(redis))


async def test_a_conversation_on_the_tutorials_settings(
    tmp_path: Path, redis_port: int, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    with Redis(port=redis_port, password=PASSWORD) as redis:
        redis.config_set("requirepass", "")
        try:
            server = start_server(REDIS_HOST="127.0.0.1", REDIS_PORT=str(redis_port), LIANHUA_SCRIPT=str(SCRIPT))
            await talk(Client(session, server.url, "carol"))
            assert not (tmp_path / "store").exists()
            assert server.stop() == 0
        finally:
            redis.config_set("requirepass", PASSWORD)
