"""Stopping and starting again: orderly ends, quick ones, and what is kept over them."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import SCRIPT, StartServer
from tests.support.client import Client, events, shown, text_of
from tests.support.stillness import Stopwatch
from tests.support.store_dump import gone, store_pid
from tests.support.waiting import until


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM], ids=lambda sig: sig.name)
async def test_what_was_said_survives_a_restart(
    tmp_path: Path, start_server: StartServer, session: aiohttp.ClientSession, sig: signal.Signals
) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT))
    client = Client(session, server.url, "alice")
    conversation = await client.create(title="kept", role="teacher")
    await client.ask("PATCH", f"/api/conversations/{conversation}", {"pinned": True})
    whole = await client.say(conversation, "[think]")
    before = await client.get(f"/api/conversations/{conversation}")
    messages = await client.messages(conversation)
    frames = await client.read(events(conversation, whole.turn["turn_id"]))
    store = store_pid(tmp_path)
    assert await asyncio.to_thread(server.stop, sig) == 0
    assert gone(store)

    client = Client(session, start_server(LIANHUA_SCRIPT=str(SCRIPT)).url, "alice")
    assert await client.get(f"/api/conversations/{conversation}") == before
    assert await client.messages(conversation) == messages
    assert await client.read(events(conversation, whole.turn["turn_id"])) == frames
    assert (await client.say(conversation, "hello")).text == "echo: hello (turn 2: 4 messages)"


async def test_a_short_reply_is_finished_before_the_end(
    start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT))
    client = Client(session, server.url, "alice")
    conversation = await client.create()
    turn = await client.begin_and_see(conversation, "[steady]")
    assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
    client = Client(session, start_server(LIANHUA_SCRIPT=str(SCRIPT)).url, "alice")
    whole = shown(await client.read(events(conversation, turn)))
    assert whole.end["status"] == "done"
    assert whole.text.endswith('"}')


async def draining(client: Client) -> bool:
    """Whether the server says that it is on its way out."""
    answer = await client.ask("GET", "/readyz")
    return answer.status == 503 and answer.json["code"] == "draining"


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]], ids=["Ctrl-C", "told twice"])
async def test_in_a_hurry_a_running_reply_is_cut_and_kept(
    start_server: StartServer, session: aiohttp.ClientSession, signals: list[signal.Signals]
) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT))
    client = Client(session, server.url, "alice")
    conversation = await client.create()
    turn = await client.begin(conversation, "[long]")
    async with client.stream(events(conversation, turn)) as stream:
        seen = await stream.until(lambda frames: len(frames) == 8)
        watch = Stopwatch()
        *first, last = signals
        for sig in first:
            os.kill(server.pid, sig)
            await until(lambda: draining(client))
        assert await asyncio.to_thread(server.stop, last) == 0
        assert watch.within(8), watch.took()
        seen += [frame async for frame in stream]

    client = Client(session, start_server(LIANHUA_SCRIPT=str(SCRIPT)).url, "alice")
    rest = [] if seen[-1].name == "end" else await client.read(events(conversation, turn), last_event_id=seen[-1].id)
    whole = shown(seen + rest)
    assert (whole.end["status"], whole.end["code"]) == ("interrupted", "server_stopping")
    reply = (await client.messages(conversation))[1]
    assert (reply["content"], reply["status"]) == (whole.text, "interrupted")
    assert reply["content"].startswith(text_of(seen))
    assert (await client.say(conversation, "hello")).end["status"] == "done"


async def test_a_killed_server_leaves_no_store_behind(tmp_path: Path, start_server: StartServer) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT))
    store = store_pid(tmp_path)
    assert not gone(store)
    server.kill()
    await until(lambda: gone(store))


async def test_a_store_that_went_away_is_said_and_nothing_hangs(
    tmp_path: Path, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT))
    client = Client(session, server.url, "alice")
    conversation = await client.create()
    assert (await client.ask("GET", "/readyz")).status == 200
    assert (await client.ask("GET", "/healthz")).status == 200

    os.kill(store_pid(tmp_path), signal.SIGKILL)
    refused = await client.ask("GET", "/readyz")
    assert refused.problem == (503, "store_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert (await client.ask("GET", "/healthz")).status == 200
    for answer in (
        await client.ask("GET", "/api/conversations"),
        await client.send(conversation, "hello"),
        await client.ask("GET", "/chat/stream", session_id=conversation, message="hello"),
    ):
        assert answer.problem == (503, "store_unavailable")
    assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
