"""Promises that count in seconds: leases, heartbeats, the time that a running reply is given at the end.

Waiting costs nothing, so they are played side by side, and every test takes the result of one.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.conftest import SCRIPT
from tests.support.client import Client, events, shown, text_of, turns
from tests.support.server_process import ServerProcess
from tests.support.side_by_side import Begun, Scenario, Stage
from tests.support.stillness import Stopwatch
from tests.support.store_dump import gone, store_pid
from tests.support.waiting import until

HEARTBEAT_WITHIN_S = 20.0


class Place:
    """A data directory and the servers that run on it, one after the other."""

    def __init__(self, data_dir: Path, session: aiohttp.ClientSession) -> None:
        self.data_dir = data_dir
        self._session = session
        self.servers: list[ServerProcess] = []

    @property
    def server(self) -> ServerProcess:
        return self.servers[-1]

    async def start(self, **environment: str) -> Client:
        """Alice at a new server."""
        server = await asyncio.to_thread(ServerProcess, self.data_dir, LIANHUA_SCRIPT=str(SCRIPT), **environment)
        self.servers.append(server)
        return Client(self._session, server.url, "alice")


SCENARIOS: list[Scenario] = []


def together(scenario: Callable[[Place], Awaitable[None]]) -> Scenario:
    async def play(stage: Stage) -> None:
        place = Place(stage.folder, stage.session)
        try:
            await scenario(place)
        finally:
            for server in place.servers:
                server.kill()

    SCENARIOS.append(play)
    return play


@together
async def killed(place: Place) -> None:
    alice = await place.start()
    conversation, waiting = await alice.create(), await alice.create()
    turn = await alice.begin(conversation, "[long]")
    nothing_yet = await alice.begin(waiting, "[silent]")
    async with alice.stream(events(conversation, turn)) as stream:
        seen = await stream.until(lambda frames: len(frames) == 20)
        store = store_pid(place.data_dir)
        place.server.kill()
        killed = Stopwatch()
    await until(lambda: gone(store))

    alice = await place.start()
    rest = await alice.read(events(conversation, turn), last_event_id=seen[-1].id)
    async with alice.stream(events(waiting, nothing_yet)) as stream:
        again = await stream.until(lambda frames: frames[-1].name == "notice")
    assert again[-1].data["code"] == "restarted", "nothing of it was shown, so it is run again"
    assert (await alice.get(f"{turns(waiting)}/{nothing_yet}"))["attempts"] == 2
    assert killed.within(20), killed.took()
    whole = shown(seen + rest)
    assert (whole.end["status"], whole.end["code"]) == ("interrupted", "worker_lost")
    assert len(whole.text) >= len(text_of(seen)) > 0
    reply = (await alice.messages(conversation))[1]
    assert (reply["content"], reply["status"]) == (whole.text, "interrupted")
    assert (await alice.stop(waiting, nothing_yet))["status"] == "stopped"
    for usable in (conversation, waiting):
        assert (await alice.get(f"/api/conversations/{usable}"))["running_turn_id"] is None
        assert (await alice.say(usable, "hello")).end["status"] == "done"


def test_what_viewers_saw_of_a_killed_servers_reply_is_kept(begun: Begun) -> None:
    begun[killed].result()


@together
async def asked_to_end(place: Place) -> None:
    alice = await place.start()
    conversation, other = await alice.create(), await alice.create()
    turn = await alice.begin(conversation, "[long]")
    async with alice.stream(events(conversation, turn)) as stream:
        seen = await stream.until(lambda frames: len(frames) == 10)
        os.kill(place.server.pid, signal.SIGTERM)
        asked = Stopwatch()
        seen += [frame async for frame in stream]
        assert asked.within(3), "viewers are sent elsewhere"
    assert seen[-1].name != "end"

    ready = await alice.ask("GET", "/readyz")
    assert ready.problem == (503, "draining")
    assert int(ready.headers["Retry-After"]) > 0
    assert (await alice.ask("GET", "/healthz")).status == 200
    refused = await alice.send(other, "hello")
    assert refused.problem == (503, "draining")
    assert await alice.messages(other) == []

    # Nowhere else to go: the viewer comes back to the same server, as a browser does, and is there at the end.
    seen += await alice.read(events(conversation, turn), last_event_id=seen[-1].id, patience_s=120)
    whole = shown(seen)
    assert (whole.end["status"], whole.end["code"]) == ("interrupted", "server_stopping")
    assert asked.s > 20, "a running reply is given its time"
    assert await asyncio.to_thread(place.server.wait) == 0
    assert asked.within(30), asked.took()

    alice = await place.start()
    reply = (await alice.messages(conversation))[1]
    assert (reply["content"], reply["status"], reply["code"]) == (whole.text, "interrupted", "server_stopping")


def test_asked_to_end_the_server_gives_replies_their_time_and_exits_within_half_a_minute(
    begun: Begun,
) -> None:
    begun[asked_to_end].result()


@together
async def silence(place: Place) -> None:
    alice = await place.start()
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[silent]")

    async def hears(path: str, **query: Any) -> None:
        async with alice.stream(path, **query) as stream:
            reading = asyncio.ensure_future(stream.until(lambda frames: len(frames) > 1))
            await until(lambda: stream.comments or reading.done(), within_s=HEARTBEAT_WITHIN_S)
            assert not reading.done()
            reading.cancel()
            await asyncio.wait([reading])

    async def is_notified() -> None:
        async with alice.stream("/api/events") as stream:
            notified = await stream.until(lambda frames: [frame.name for frame in frames].count("alive") == 2)
        assert len({frame.id for frame in notified if frame.name == "alive"}) == 1
        assert not stream.comments

    await asyncio.gather(
        is_notified(),
        hears(events(conversation, turn)),
        hears("/chat/stream", session_id=conversation, message="[silent]"),
    )
    assert (await alice.stop(conversation, turn))["status"] == "stopped"


def test_a_silent_line_is_kept_alive(begun: Begun) -> None:
    begun[silence].result()


async def answers(client: Client, path: str) -> bool:
    return (await client.ask("GET", path)).status == 200


@together
async def frozen_store(place: Place) -> None:
    alice = await place.start()
    conversation = await alice.create()
    turn = await alice.begin_and_see(conversation, "[long]")
    store = store_pid(place.data_dir)
    os.kill(store, signal.SIGSTOP)
    try:
        watch = Stopwatch()
        ready = await alice.ask("GET", "/readyz")
        assert watch.within(5), "whoever asks for readiness does not wait long"
        listed, sent = await asyncio.gather(alice.ask("GET", "/api/conversations"), alice.send(conversation, "hello"))
        assert (await alice.ask("GET", "/healthz")).status == 200
        for answer in (ready, listed, sent):
            assert answer.problem == (503, "store_unavailable")
    finally:
        os.kill(store, signal.SIGCONT)
    await until(lambda: answers(alice, "/readyz"))
    # Whatever became of the reply, viewers and the store agree on it and the conversation goes on.
    await alice.stop(conversation, turn)
    whole = shown(await alice.read(events(conversation, turn)))
    assert whole.end["status"] in ("stopped", "interrupted")
    assert (await alice.messages(conversation))[1]["content"] == whole.text
    assert (await alice.say(conversation, "hello")).end["status"] == "done"


def test_a_store_that_does_not_answer_is_said_and_outlived(begun: Begun) -> None:
    begun[frozen_store].result()


async def viewer_that_takes_nothing(alice: Client) -> tuple[socket.socket, str]:
    """A connection full of a reply that nobody reads, and the path it asked for."""
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[big]")
    await until(lambda: alice.is_over(conversation, turn), every_s=0.2)
    address = urlsplit(alice.url)
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    line.connect((address.hostname, address.port))
    path = events(conversation, turn)
    line.sendall(f"GET {path}?user_id={alice.user} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
    line.recv(100)  # it has begun
    return line, path


@together
async def takes_nothing(place: Place) -> None:
    alice = await place.start(LIANHUA_REPLY_CHARS="10000000")
    line, path = await viewer_that_takes_nothing(alice)
    watch = Stopwatch()
    with line:  # it is still connected until the log has its line
        await until(lambda: f"GET {path} 200" in place.server.log, within_s=30, every_s=0.2)
    assert watch.s > 15


def test_a_viewer_that_takes_nothing_is_cut_off(begun: Begun) -> None:
    begun[takes_nothing].result()


@together
async def takes_nothing_at_the_end(place: Place) -> None:
    alice = await place.start(LIANHUA_REPLY_CHARS="10000000")
    line, _ = await viewer_that_takes_nothing(alice)
    with line:
        watch = Stopwatch()
        assert await asyncio.to_thread(place.server.stop, signal.SIGTERM) == 0
        assert watch.within(30), watch.took()


def test_a_viewer_that_takes_nothing_does_not_hold_up_the_end(begun: Begun) -> None:
    begun[takes_nothing_at_the_end].result()
