"""The store at its worst, as people meet it: it goes away, gets slow, is cut off, full, or has no disk left.

Whatever happens, a refusal says that it will pass, nothing that was acknowledged is lost, every reply comes to one
typed end, and the server recovers without being started again.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import aiohttp
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from tests.support.client import PATIENCE_S, Client, Shown, text_of, turns
from tests.support.ledger import Ledger, ended, is_away, is_back, is_for_now
from tests.support.servers.program import Flavour
from tests.support.stillness import Stopwatch
from tests.support.store_dump import gone, store_pid
from tests.support.store_stage import SHORT, STEADY, UNLIMITED, Room, let_files_grow_to, place, size_of_log
from tests.support.waiting import until

SIDE_BY_SIDE = 6  # nearly all of it is waiting, but the machine is not ours alone
STEADY_S = 8.0
FEW_S = 8.0  # within which a stop is answered, whatever the store does
READY_S = 4.0  # within which whoever asks for readiness has an answer
LEASE_S = 12.0  # a running reply waits a little longer than this for its store
MIB = 1024 * 1024

# One loop for all: a scenario goes on while the tests before it are being looked at.
pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

Fault = Callable[[Room, Flavour], Awaitable[None]]
Begun = dict[tuple[str, Flavour], Awaitable[None]]
FAULTS: dict[str, Fault] = {}


def on(*flavours: Flavour) -> Callable[[Fault], Callable[..., Awaitable[None]]]:
    """Makes a scenario a test for each of these stores. All that were chosen begin together, and each test takes the
    result of its own.
    """

    def as_test(scenario: Fault) -> Callable[..., Awaitable[None]]:
        name = scenario.__name__
        FAULTS[name] = scenario

        @pytest.mark.parametrize("flavour", flavours)
        async def test(begun: Begun, flavour: Flavour) -> None:
            await begun[name, flavour]

        return test

    return as_test


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Begun]:
    """The scenarios of those tests of this module that were chosen to be run."""
    chosen = [
        (item.originalname, cast("Flavour", item.callspec.params["flavour"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    ]
    free = asyncio.Semaphore(SIDE_BY_SIDE)

    async def play(name: str, flavour: Flavour) -> None:
        async with free, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            room = Room(tmp_path_factory.mktemp("fault"), session)
            try:
                await FAULTS[name](room, flavour)
            finally:
                await room.clear()
            room.is_free_of_bugs()

    tasks = {(name, flavour): asyncio.create_task(play(name, flavour), name=name) for name, flavour in chosen}
    yield dict(tasks)
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def is_as_before(client: Client, conversation: str) -> None:
    """The conversation takes the next turn."""
    assert (await client.get(f"/api/conversations/{conversation}"))["running_turn_id"] is None
    assert (await client.say(conversation, "hello")).end["status"] == "done"


async def is_over(client: Client, conversation: str) -> None:
    """Waits for the end of whatever reply was being made."""
    if running := (await client.get(f"/api/conversations/{conversation}"))["running_turn_id"]:
        await ended(client, conversation, running)


async def is_ready(client: Client) -> bool:
    """What somebody who asks is told, in time."""
    watch = Stopwatch()
    ready = await client.ask("GET", "/readyz")
    assert watch.within(READY_S), watch.took()
    return ready.status == 200 or not is_for_now(ready)


async def stop_in_time(client: Client, conversation: str, turn: str) -> None:
    """Asks for a stop; answered in time, with the turn as it stands or with a refusal that will pass."""
    watch = Stopwatch()
    answer = await client.ask("POST", f"{turns(conversation)}/{turn}/stop")
    assert watch.within(FEW_S), watch.took()
    assert answer.status == 200 or is_for_now(answer)


def is_whole(shown: Shown, *, in_full: bool) -> None:
    """The reply is complete, or its beginning where a slow machine was over the time for which a reply waits."""
    assert STEADY.startswith(shown.text)
    if in_full:
        assert (shown.end["status"], shown.text) == ("done", STEADY)
    else:
        assert shown.end["status"] in ("done", "interrupted")


async def some_of(ledger: Ledger, messages: int) -> list[Any]:
    return await asyncio.gather(*(ledger.send() for _ in range(messages)))


# Away


@on("redis", "valkey")
async def test_a_store_that_is_away_for_five_seconds_costs_nobody_a_reply(room: Room, flavour: Flavour) -> None:
    async with place(room, flavour) as here:
        alice = here.alice
        conversation, other = await alice.create(), await alice.create()
        ledger = await Ledger.open(alice, 12)
        turn, stop_me = await alice.begin(conversation, "[steady]"), await alice.begin_and_see(other, "[long]")
        watcher = room.watch(alice, conversation, turn)
        await watcher.sees(10)

        if flavour == "redis":
            here.network.refuse()
        else:  # there, but without a word
            here.network.stall()
        away = Stopwatch()
        sending = room.meanwhile(some_of(ledger, 12))
        assert not await is_ready(alice)
        assert is_for_now(await alice.ask("GET", "/api/conversations"))
        stopping = room.meanwhile(stop_in_time(alice, other, stop_me))
        await asyncio.sleep(5 - away.s)
        await here.network.accept()
        here.network.go_on()

        await is_back(alice, within_s=10)
        await asyncio.gather(stopping, sending)
        whole = await watcher.whole(within_s=STEADY_S + PATIENCE_S)
        assert (whole.end["status"], whole.text) == ("done", STEADY)
        assert (await alice.messages(conversation))[1]["content"] == STEADY
        await ledger.settle()
        assert (await ended(alice, other, stop_me)).end["status"] == "stopped"
        for usable in (conversation, other):
            await is_as_before(alice, usable)


@on("redis", "valkey")
async def test_a_store_that_is_away_for_half_a_minute_is_said_and_what_was_seen_is_kept(
    room: Room, flavour: Flavour
) -> None:
    async with place(room, flavour) as here:
        alice = here.alice
        long, stopped, late = [await alice.create() for _ in range(3)]
        asked = {long: "[long]", stopped: "[long]", late: "[late]"}
        ledger = await Ledger.open(alice, 12)
        assert all(sent.turn for sent in await some_of(ledger, 4)), "the store is well"
        turn_of = {name: await alice.begin(name, message) for name, message in asked.items()}
        watchers = {name: room.watch(alice, name, turn) for name, turn in turn_of.items()}
        await watchers[long].sees(20)
        await watchers[stopped].sees(20)

        here.network.refuse()
        away = Stopwatch()
        await is_away(alice)
        seen = {name: text_of(watcher.frames) for name, watcher in watchers.items()}
        assert all(sent.refusals for sent in await some_of(ledger, 8))
        await every_route_says_so(alice, long, turn_of[long])
        await stop_in_time(alice, stopped, turn_of[stopped])
        await asyncio.sleep(30 - away.s)
        assert not await is_ready(alice)
        assert (await alice.ask("GET", "/healthz")).status == 200
        await here.network.accept()

        await is_back(alice, within_s=10)
        await ledger.settle()
        wholes = {name: await watcher.whole(within_s=60) for name, watcher in watchers.items()}
        for name, whole in wholes.items():
            assert whole.text.startswith(seen[name])
            assert (await alice.messages(name))[1]["content"] == whole.text
            await is_as_before(alice, name)
        assert (wholes[long].end["status"], bool(wholes[long].end["code"])) == ("interrupted", True)
        assert wholes[stopped].end["status"] in ("stopped", "interrupted")
        # Nothing of this one had been shown, so it may have been tried again.
        assert (wholes[late].end["status"] == "failed") == (wholes[late].text == "")


async def every_route_says_so(client: Client, conversation: str, turn: str) -> None:
    """Whatever is asked for is refused for now."""
    for answer in await asyncio.gather(
        client.ask("GET", "/api/conversations"),
        client.ask("POST", "/api/conversations", {}),
        client.ask("GET", f"{turns(conversation)}/{turn}"),
        client.ask("GET", "/chat/stream", session_id=conversation, message="hello"),
        client.ask("DELETE", f"/api/conversations/{conversation}"),
    ):
        assert is_for_now(answer)


@on("valkey")
async def test_a_server_asked_to_end_while_its_store_is_away_ends(room: Room, flavour: Flavour) -> None:
    async with place(room, flavour) as here:
        alice = here.alice
        conversation = await alice.create()
        turn = await alice.begin(conversation, "[long]")
        watcher = room.watch(alice, conversation, turn)
        await watcher.sees(20)
        here.network.refuse()
        await is_away(alice)
        seen = text_of(watcher.frames)
        watch = Stopwatch()
        assert await asyncio.to_thread(here.server.stop, signal.SIGINT) == 0
        assert watch.within(LEASE_S), watch.took()
        await watcher.leave()

        await here.network.accept()
        alice = room.person(await room.start(REDIS_URL=here.store.url))
        whole = await ended(alice, conversation, turn)
        assert whole.end["status"] == "interrupted"
        assert whole.text.startswith(seen)
        assert seen
        await is_as_before(alice, conversation)


# Bad, but there


@on("valkey")
async def test_a_store_that_takes_half_a_second_for_each_answer_is_put_up_with(room: Room, flavour: Flavour) -> None:
    async with place(room, flavour) as here:
        alice = here.alice
        conversation, other = await alice.create(), await alice.create()
        ledger = await Ledger.open(alice, 6)
        here.network.delay_s = 0.25  # each way
        watcher = room.watch(alice, conversation, await alice.begin(conversation, "[short]"))
        assert all(sent.turn for sent in await some_of(ledger, 6))
        stop_me = await alice.begin_and_see(other, "[long]")
        watch = Stopwatch()
        assert (await alice.stop(other, stop_me))["status"] == "stopped"
        assert watch.within(FEW_S), watch.took()
        whole = await watcher.whole(within_s=2 * PATIENCE_S)
        assert (whole.end["status"], whole.text) == ("done", SHORT)
        await ledger.settle()
        await is_as_before(alice, conversation)


@on("valkey")
async def test_a_server_whose_store_is_slow_is_ready_also_while_a_reply_is_made(room: Room, flavour: Flavour) -> None:
    async with place(room, flavour) as here:
        alice = here.alice
        conversation = await alice.create()
        assert await is_ready(alice)
        here.network.delay_s = 0.25  # each way
        assert await is_ready(alice)
        turn = await alice.begin(conversation, "[long]")
        for _ in range(5):
            assert await is_ready(alice)
        assert (await alice.get(f"{turns(conversation)}/{turn}"))["status"] == "running"


@on("redis")
async def test_connections_that_are_reset_every_second_lose_nothing(room: Room, flavour: Flavour) -> None:
    async with place(room, flavour) as here:
        alice, bob = here.alice, room.person(here.server, "bob")
        ledger = await Ledger.open(bob, 40)
        conversations = [await alice.create() for _ in range(4)]
        watchers = [room.watch(alice, name, await alice.begin(name, "[steady]")) for name in conversations]
        for _ in range(10):
            here.network.cut()
            await asyncio.gather(some_of(ledger, 4), asyncio.sleep(1))
        assert here.network.cuts >= 10
        await is_back(alice)
        for name, watcher in zip(conversations, watchers, strict=True):
            whole = await watcher.whole(within_s=STEADY_S + PATIENCE_S)
            assert (whole.end["status"], whole.text) == ("done", STEADY)
            assert (await alice.messages(name))[1]["content"] == STEADY
        await ledger.settle()


# Full


@on("redis", "valkey")
async def test_a_store_without_memory_left_is_said_and_goes_on_when_there_is_some(room: Room, flavour: Flavour) -> None:
    async with place(room, flavour) as here, here.store.client() as other_tenant:
        alice = here.alice
        conversation, other = await alice.create(), await alice.create()
        ledger = await Ledger.open(alice, 12)
        assert all(sent.turn for sent in await some_of(ledger, 4)), "the store is well"
        turn, stop_me = await alice.begin(conversation, "[steady]"), await alice.begin_and_see(other, "[long]")
        watcher = room.watch(alice, conversation, turn)
        await watcher.sees(10)
        removable = await something_to_remove(alice)

        fillers = await fill_the_memory(other_tenant)
        full = Stopwatch()
        await everything_can_be_removed(alice, *removable)
        assert is_for_now(await alice.ask("POST", "/api/conversations", {}))
        readable = ledger.sent[0]
        assert (await alice.messages(readable.conversation))[0]["content"] == readable.message
        sending = room.meanwhile(some_of(ledger, 8))
        assert (await alice.stop(other, stop_me))["stopping"]
        assert (await alice.get(f"{turns(other)}/{stop_me}"))["stopping"]
        assert (await alice.ask("GET", "/healthz")).status == 200
        assert all(sent.refusals for sent in await sending)
        in_full = full.s < LEASE_S
        assert full.within(LEASE_S), full.took()

        await other_tenant.delete(*fillers)
        await is_back(alice)
        is_whole(await watcher.whole(within_s=STEADY_S + PATIENCE_S), in_full=in_full)
        await ledger.settle()
        assert (await ended(alice, other, stop_me)).end["status"] == "stopped"
        assert not (await alice.get(f"{turns(other)}/{stop_me}"))["stopping"]
        for usable in (conversation, other, removable[1]):
            await is_as_before(alice, usable)


async def something_to_remove(client: Client) -> list[str]:
    """Four conversations: two with a message, one with a pinned one, and one in which a reply is made."""
    removable = [await client.create() for _ in range(4)]
    for name in removable[:3]:
        await client.say(name, "hello")
    pinned = (await client.messages(removable[2]))[0]["id"]
    await client.ask("PATCH", f"/api/conversations/{removable[2]}/messages/{pinned}", {"pinned": True})
    await client.begin_and_see(removable[3], "[long]")
    return removable


async def fill_the_memory(store: Redis) -> list[str]:
    """The keys that take it, as another tenant's would."""
    fillers = [f"filler:{number}" for number in range(16)]
    for name in fillers:
        await store.set(name, b"x" * MIB)
    used = (await store.info("memory"))["used_memory"]
    # Half of what the fillers take: buffers that the server gives back meanwhile make no room.
    await store.config_set("maxmemory", used - 8 * MIB)
    with pytest.raises(OutOfMemoryError):
        await store.set("one more", b"x")
    return fillers


async def everything_can_be_removed(client: Client, idle: str, cleared: str, pinned: str, running: str) -> None:
    """On a full store: a removal needs no room."""
    message = (await client.messages(pinned))[0]["id"]
    for name in (idle, running):
        assert (await client.ask("DELETE", f"/api/conversations/{name}")).status == 204
        assert (await client.ask("GET", f"/api/conversations/{name}")).status == 404
    assert (await client.ask("DELETE", f"/api/chat/history/{cleared}")).status == 200
    assert await client.messages(cleared) == []
    unpinned = await client.ask("PATCH", f"/api/conversations/{pinned}/messages/{message}", {"pinned": False})
    assert unpinned.status == 200
    listed = {row["id"] for row in (await client.get("/api/conversations"))["conversations"]}
    assert listed.isdisjoint({idle, running})
    assert {cleared, pinned} <= listed


async def fill_the_disk(client: Client, conversation: str) -> None:
    """Writes more than there is room for: a long reply, whatever becomes of it."""
    answer = await client.send(conversation, "[words]")
    assert answer.status == 202 or is_for_now(answer)


@on("redis", "valkey")
async def test_a_store_whose_disk_is_full_is_said_and_goes_on_when_there_is_room(room: Room, flavour: Flavour) -> None:
    async with place(room, flavour) as here:
        alice = here.alice
        conversation, words, other = [await alice.create() for _ in range(3)]
        ledger = await Ledger.open(alice, 12)
        assert all(sent.turn for sent in await some_of(ledger, 4)), "the disk has room"
        turn, stop_me = await alice.begin(conversation, "[steady]"), await alice.begin_and_see(other, "[long]")
        watcher = room.watch(alice, conversation, turn)
        await watcher.sees(10)

        let_files_grow_to(size_of_log(here.store.folder) + 8_192, here.store.pid)
        await fill_the_disk(alice, words)
        await is_away(alice)
        full = Stopwatch()
        sending = room.meanwhile(some_of(ledger, 8))
        await stop_in_time(alice, other, stop_me)
        assert all(sent.refusals for sent in await sending)
        assert not await is_ready(alice)
        in_full = full.s < LEASE_S
        assert full.within(LEASE_S), full.took()

        let_files_grow_to(UNLIMITED, here.store.pid)
        await is_back(alice)
        is_whole(await watcher.whole(within_s=STEADY_S + PATIENCE_S), in_full=in_full)
        await ledger.settle()
        for usable in (conversation, words, other):
            await is_over(alice, usable)
            await is_as_before(alice, usable)

        here.store.kill()  # what was acknowledged has reached the disk that has room again
        here.store.start()
        await is_back(alice)
        await ledger.settle()


@on("valkey")
async def test_an_embedded_store_whose_disk_is_full_comes_back_when_there_is_room(room: Room, flavour: Flavour) -> None:
    server = await room.start()
    alice = room.person(server)
    conversation, words = await alice.create(), await alice.create()
    ledger = await Ledger.open(alice, 16)
    assert all(sent.turn for sent in await some_of(ledger, 4)), "the disk has room"
    turn = await alice.begin(conversation, "[long]")
    watcher = room.watch(alice, conversation, turn)
    await watcher.sees(10)

    first = store_pid(room.folder)
    # A store that is started in its place inherits the limit of our server.
    let_files_grow_to(size_of_log(room.folder / "store") + 8_192, server.pid, first)
    await fill_the_disk(alice, words)
    await until(lambda: gone(first))  # it ends rather than acknowledge what is not on the disk
    await is_away(alice)
    seen = text_of(watcher.frames)
    for _ in range(3):
        await some_of(ledger, 4)
    assert any(sent.refusals for sent in ledger.sent)
    await stop_in_time(alice, conversation, turn)
    assert (await alice.ask("GET", "/healthz")).status == 200

    let_files_grow_to(UNLIMITED, server.pid, store_pid(room.folder))
    await is_back(alice)
    whole = await watcher.whole(within_s=3 * PATIENCE_S)
    assert whole.end["status"] in ("stopped", "interrupted")
    assert whole.text.startswith(seen)
    assert seen
    await ledger.settle()
    await is_over(alice, words)
    for usable in (conversation, words):
        await is_as_before(alice, usable)
    assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0

    ledger.client = room.person(await room.start())
    await ledger.settle()
