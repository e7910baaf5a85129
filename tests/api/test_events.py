"""One stream for all of a user's conversations: tabs and devices stay level."""

import asyncio

import pytest

from tests.support.client import Client, Frame, Stream, turns

EVENTS = "/api/events"
ANYTHING = {"conversation_id": None, "change": "changed"}


def changes_in(frames: list[Frame]) -> list[tuple[str, str, str]]:
    return [(frame.name, frame.data["change"], frame.data["conversation_id"]) for frame in frames]


def news(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.name != "alive"]


async def some(stream: Stream, count: int) -> list[Frame]:
    """So many events that tell something."""
    return news(await stream.until(lambda frames: len(news(frames)) == count))


async def test_the_first_event_comes_at_once_and_says_where_to_go_on(alice: Client) -> None:
    """Whoever is cut off before anything happens misses nothing either."""
    await alice.create()
    for last_event_id in (None, "0-0"):
        async with alice.stream(EVENTS, last_event_id=last_event_id) as stream:
            frame = await anext(stream)
        if last_event_id is None:
            assert (frame.name, frame.data) == ("alive", {})
        async with alice.stream(EVENTS, last_event_id=frame.id) as stream:
            again = await anext(stream)
        assert (again.name, again.id) == ("alive", frame.id)
    conversation = await alice.create()
    for where in ({"last_event_id": frame.id}, {"after": frame.id}):
        async with alice.stream(EVENTS, **where) as stream:
            (created,) = await some(stream, 1)
        assert changes_in([created]) == [("conversation", "created", conversation)]


async def test_a_user_to_whom_nothing_has_happened_yet_has_a_place_too(alice: Client) -> None:
    async with alice.stream(EVENTS) as stream:
        frame = await anext(stream)
    conversation = await alice.create()
    async with alice.stream(EVENTS, last_event_id=frame.id) as stream:
        assert changes_in(await some(stream, 1)) == [("conversation", "created", conversation)]


async def test_a_second_tab_hears_of_everything(alice: Client) -> None:
    async with alice.stream(EVENTS) as stream:
        conversation = await alice.create()
        turn = (await alice.say(conversation, "hello")).turn["turn_id"]
        frames = await some(stream, 3)
        await alice.ask("PATCH", f"/api/conversations/{conversation}", {"title": "Renamed"})
        await alice.ask("DELETE", f"/api/chat/history/{conversation}")
        await alice.ask("DELETE", f"/api/conversations/{conversation}")
        frames += await some(stream, 3)
    assert changes_in(frames) == [
        ("conversation", "created", conversation),
        ("turn", "started", conversation),
        ("turn", "ended", conversation),
        ("conversation", "changed", conversation),
        ("conversation", "changed", conversation),
        ("conversation", "deleted", conversation),
    ]
    assert [frame.data.get("turn_id") for frame in frames] == [None, turn, turn, None, None, None]
    assert stream.retry_ms is not None
    assert len({frame.id for frame in frames}) == 6


async def test_nothing_of_the_text_is_in_it(alice: Client) -> None:
    async with alice.stream(EVENTS) as stream:
        await alice.say(await alice.create(title="a secret title"), "a secret question")
        await some(stream, 3)
    assert b"secret" not in stream.raw


async def test_a_tab_that_comes_back_hears_what_it_has_missed(alice: Client) -> None:
    async with alice.stream(EVENTS) as stream:
        first = await alice.create()
        (seen,) = await some(stream, 1)
    second = await alice.create()
    async with alice.stream(EVENTS, last_event_id=seen.id) as stream:
        third = await alice.create()
        frames = await some(stream, 2)
    assert changes_in(frames) == [("conversation", "created", second), ("conversation", "created", third)]
    assert first not in (second, third)


@pytest.mark.parametrize("missed", ["1-1", "99999999999999-0", "nonsense", ""])
async def test_a_tab_that_has_missed_too_much_has_to_read_the_list(alice: Client, missed: str) -> None:
    await alice.create()
    async with alice.stream(EVENTS, last_event_id=missed) as stream:
        (anything,) = await some(stream, 1)
        conversation = await alice.create()
        (created,) = await some(stream, 1)
    assert (anything.name, anything.data) == ("conversation", ANYTHING)
    assert changes_in([created]) == [("conversation", "created", conversation)]


async def test_nobody_hears_of_anothers_conversations(alice: Client, bob: Client) -> None:
    async with alice.stream(EVENTS) as stream:
        theirs = await bob.create()
        await bob.say(theirs, "hello")
        mine = await alice.create()
        frames = await some(stream, 1)
    assert changes_in(frames) == [("conversation", "created", mine)]


async def test_many_tabs_hear_the_same(alice: Client) -> None:
    async def tab(ready: asyncio.Event) -> list[Frame]:
        async with alice.stream(EVENTS) as stream:
            ready.set()
            return await some(stream, 3)

    opened = [asyncio.Event() for _ in range(20)]
    tabs = [asyncio.create_task(tab(ready)) for ready in opened]
    await asyncio.gather(*(ready.wait() for ready in opened))
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[long]")
    await alice.ask("POST", f"{turns(conversation)}/{turn}/stop")
    seen = await asyncio.gather(*tabs)
    assert all(frames == seen[0] for frames in seen)
    assert [change for _, change, _ in changes_in(seen[0])] == ["created", "started", "ended"]
