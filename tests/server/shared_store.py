"""Several servers of their own on one Redis: whoever asks at whichever of them meets the same turns."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from tests.chaos.script import MARKED, Talk
from tests.support.client import Client, Stream, events, shown
from tests.support.follower import Follower
from tests.support.servers.redis_server import RedisServer
from tests.support.serving_process import ServingProcess
from tests.support.side_by_side import Stage
from tests.support.stillness import Stopwatch, took_between
from tests.support.waiting import until

LONG: Final = Talk("[long]", MARKED, repeat=20_000, interval_s=0.05)
TALK: Final = Talk("[talk]", MARKED, repeat=5, interval_s=0.1)  # two seconds
JOINED: Final = Talk("[joined]", MARKED, repeat=5, interval_s=0.1, first_s=10.0)  # all are there before it begins
SLOW: Final = Talk("[slow]", MARKED, repeat=18, interval_s=0.12)  # over eight seconds
DRIP: Final = Talk(
    "[drip]", MARKED, repeat=100, interval_s=0.3
)  # until it is stopped: so many viewers need time to come

STOPS: Final = 20
STOPPED_WITHIN_S: Final = 1.0
LATE_S: Final = 2.5  # a lost hint is made good by a look every 2 s
KILL_EVERY_S: Final = 2.0

VIEWERS: Final = 300
AT_ONCE: Final = 10  # who join at the same time
FEW: Final = 30
GOES_ON_EVENTS: Final = 10
SUBSCRIBERS: Final = 1  # connections of a process for all its hints
POOL: Final = 64  # connections of each process at most (`lianhua.store.open`)

LIMITED: Final = "limited on >sesame ~* resetchannels +@all"  # as in a users.acl: every key, no channel


async def servers(stage: Stage, url: str, count: int) -> list[ServingProcess]:
    script = stage.script("script", LONG, TALK, JOINED, SLOW, DRIP)
    new = [stage.serving(f"server {number}", REDIS_URL=url, LIANHUA_SCRIPT=script) for number in range(count)]
    return list(await asyncio.gather(*(serving.start() for serving in new)))


def met_no_bug(started: Sequence[ServingProcess]) -> None:
    for serving in started:
        serving.met_no_bug()


async def followed(stage: Stage) -> None:
    store = stage.redis()
    started = await servers(stage, store.url, 3)
    here, there, elsewhere = doors = [stage.at(serving) for serving in started]
    conversation = await here.create()
    message = JOINED.question("a")
    turn = await here.begin(conversation, message, role="assistant")
    path = events(conversation, turn)
    asked = {"session_id": conversation, "message": message, "role": "assistant"}
    watching = [
        *(whole_stream(door, path) for door in doors),
        whole_stream(there, "/chat/stream", **asked),
        whole_stream(elsewhere, "/api/chat/stream", **asked),
        in_pieces(doors, path),
    ]
    first, *others = await asyncio.gather(*watching)
    assert first.count(b"\n\n") > 20
    assert all(other == first for other in others), "all viewers see the same bytes"
    whole = shown(await there.read(path))
    assert (whole.end["status"], whole.text) == ("done", JOINED.reply(message))
    for door in doors:
        assert [kept["content"] for kept in await door.messages(conversation)] == [message, whole.text]

    turn = await there.begin(conversation, LONG.question("b"))
    for door in doors:
        other = await door.ask("GET", "/chat/stream", session_id=conversation, message="something else")
        assert other.problem == (409, "turn_in_progress")
    assert (await elsewhere.stop(conversation, turn))["status"] == "stopped"
    met_no_bug(started)


async def whole_stream(client: Client, path: str, **query: Any) -> bytes:
    """Every event as it came, without what keeps the line alive."""
    async with client.stream(path, **query) as stream:
        async for _ in stream:
            pass
    return events_of(stream)


async def in_pieces(doors: Sequence[Client], path: str) -> bytes:
    """The same as seen by somebody who goes to the next server after every seventh event."""
    seen, last = b"", None
    for number in range(100):
        async with doors[number % len(doors)].stream(path, last) as stream:
            frames = []
            async for frame in stream:
                frames.append(frame)
                if len(frames) == 7 or frame.name == "end":
                    break
        blocks = events_of(stream).split(b"\n\n")
        seen += b"".join(block + b"\n\n" for block in blocks[: len(frames)])
        last = frames[-1].id
        if frames[-1].name == "end":
            return seen
    raise AssertionError("it never ends")


def events_of(stream: Stream) -> bytes:
    lines = stream.raw.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith((b":", b"retry: ")))


async def stopped(stage: Stage) -> None:
    store = stage.redis()
    started = await servers(stage, store.url, 3)
    runs, asks, watches = (stage.at(serving) for serving in started)
    took = []
    for number in range(STOPS):
        conversation = await asks.create()
        message = LONG.question(str(number))
        turn = await runs.begin(conversation, message)
        followers = [stage.follow([door], conversation, turn) for door in (runs, watches)]
        await asyncio.gather(*(follower.sees_text() for follower in followers))
        watch = Stopwatch()
        answer = await asks.stop(conversation, turn)
        whole, other = await asyncio.gather(*(follower.ends() for follower in followers))
        took.append(watch.took(max(follower.seen_at[-1] for follower in followers)))
        assert took[-1].within(STOPPED_WITHIN_S), took
        assert answer["status"] == whole.end["status"] == "stopped"
        assert whole.text == other.text
        assert message and LONG.reply(message).startswith(whole.text)
        assert (await watches.messages(conversation))[1]["content"] == whole.text
    met_no_bug(started)


async def hints_cut(stage: Stage) -> None:
    store = stage.redis()
    started = await servers(stage, store.url, 2)
    reference, *others = await reply_seen_from_everywhere(stage, started)
    killed = []
    async with store.client() as redis:
        while not reference.over:
            killed.append(await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub"))  # type: ignore[no-untyped-call]
            await asyncio.sleep(KILL_EVERY_S)
    assert killed[0] == len(started), "every process listens for hints"
    assert sum(killed) >= 3 * len(started), "and comes back to it"
    await is_seen_in_time(reference, others)
    met_no_bug(started)


async def no_channels(stage: Stage) -> None:
    store = stage.redis(user=LIMITED)
    started = await servers(stage, f"redis://limited:sesame@{store.address}/0", 2)
    async with store.client() as redis:
        refused = await redis.execute_command("ACL", "DRYRUN", "limited", "SPUBLISH", "lianhua:{x}", "1")  # type: ignore[no-untyped-call]
    assert b"no permissions" in refused, "this user may send hints, so this shows nothing"
    reference, *others = await reply_seen_from_everywhere(stage, started)
    await is_seen_in_time(reference, others)

    here, there = (stage.at(serving) for serving in started)
    conversation = await here.create()
    turn = await here.begin(conversation, LONG.question("b"))
    follower = stage.follow([there], conversation, turn)
    await follower.sees_text()
    watch = Stopwatch()
    assert (await there.stop(conversation, turn))["status"] == "stopped"
    assert (await follower.ends()).end["status"] == "stopped"
    assert watch.took(follower.seen_at[-1]).within(LATE_S)
    assert (await there.say(conversation, TALK.question("c"))).text == TALK.reply(TALK.question("c"))
    met_no_bug(started)


async def reply_seen_from_everywhere(stage: Stage, started: Sequence[ServingProcess]) -> list[Follower]:
    """Viewers of a slow reply, one at each server, the first one at the server that makes it."""
    doors = [stage.at(serving) for serving in started]
    conversation = await doors[0].create()
    turn = await doors[0].begin(conversation, SLOW.question("a"))
    followers = [stage.follow([door], conversation, turn) for door in doors]
    await asyncio.gather(*(follower.joined.wait() for follower in followers))
    return followers


async def is_seen_in_time(reference: Follower, others: Sequence[Follower]) -> None:
    """Every event, and none much later than at the server that makes the reply."""
    whole = await reference.ends()
    assert (whole.end["status"], whole.text) == ("done", SLOW.reply(SLOW.question("a")))
    for other in others:
        assert (await other.ends()).text == whole.text
        assert other.frames == reference.frames
        late = [took_between(made, seen) for made, seen in zip(reference.seen_at, other.seen_at, strict=True)]
        assert all(took.within(LATE_S) for took in late), max(late)
        assert other.streams == 1


async def crowd(stage: Stage) -> None:
    store = stage.redis()
    started = await servers(stage, store.url, 3)
    runs, *watch = (stage.at(serving) for serving in started)
    conversation = await runs.create()
    turn = await runs.begin(conversation, DRIP.question("a"))
    followers: list[Follower] = []

    async def join(count: int) -> None:
        while len(followers) < count:
            new = [stage.follow([watch[number % 2]], conversation, turn) for number in range(AT_ONCE)]
            followers.extend(new)
            await asyncio.gather(*(follower.joined.wait() for follower in new))

    await join(FEW)
    few = await connections(store)
    await join(VIEWERS)
    many = await connections(store)
    assert many["all"] <= few["all"] + 2 * AT_ONCE, (few, many)
    assert many["all"] <= POOL * len(started), many
    assert few["subscribers"] == many["subscribers"] == SUBSCRIBERS * len(started), (few, many)
    seen = len(followers[-1].frames)
    await until(lambda: all(len(follower.frames) > seen + GOES_ON_EVENTS for follower in followers))
    await runs.stop(conversation, turn)
    await stage.all_is_over()
    first = followers[0]
    assert first.whole.end["status"] == "stopped"
    assert DRIP.reply(DRIP.question("a")).startswith(first.whole.text)
    assert all(follower.frames == first.frames for follower in followers)
    assert all(follower.streams == 1 for follower in followers)
    met_no_bug(started)


async def connections(store: RedisServer) -> dict[str, int]:
    """How many the servers of ours hold at the store, and how many of them listen for hints."""
    async with store.client() as redis:
        clients: Any = await redis.client_list()
    return {"all": len(clients) - 1, "subscribers": sum(int(client.get("ssub", 0)) > 0 for client in clients)}
