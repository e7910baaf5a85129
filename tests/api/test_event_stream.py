"""Event streams: whoever comes, whenever, however often, sees the same reply."""

import asyncio
import hashlib
import json
import re

import pytest

from tests.support.client import Client, Frame, events, shown, text_of
from tests.support.waiting import until


async def a_reply(client: Client, message: str = "[think]") -> tuple[str, str, list[Frame]]:
    """Conversation, turn and all events of a reply that is over."""
    conversation = await client.create()
    turn = await client.begin(conversation, message)
    return conversation, turn, await client.read(events(conversation, turn))


async def test_a_stream_is_one_that_proxies_leave_alone(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "hello")
    async with alice.stream(events(conversation, turn)) as stream:
        assert stream.headers["Cache-Control"] == "no-store, no-transform"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert "Content-Length" not in stream.headers
        assert shown([frame async for frame in stream]).text
        assert stream.retry_ms == 1_500


async def test_a_stream_is_these_bytes(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[think]")
    async with alice.stream(events(conversation, turn)) as stream:
        frames = [frame async for frame in stream]
    blocks = [f"event: {frame.name}\n" if frame.name else "" for frame in frames]
    data = re.findall(rb"^data: (.*)$", stream.raw, re.MULTILINE)
    for place, frame in enumerate(frames):
        blocks[place] += f"data: {data[place].decode()}\nid: {turn}:1-{place}\n\n"
        assert json.loads(data[place]) == frame.data
    assert stream.raw.decode() == "retry: 1500\n" + "".join(blocks)


async def test_the_first_bytes_come_before_there_is_an_event(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[silent]")
    async with alice.stream(events(conversation, turn)) as stream:
        assert (await anext(stream)).name == "turn"
        cursor = f"{turn}:1-0"
    async with alice.stream(events(conversation, turn), last_event_id=cursor) as stream:
        reading = asyncio.ensure_future(anext(stream))
        await until(lambda: stream.raw == b"retry: 1500\n")
        reading.cancel()
    await alice.stop(conversation, turn)


async def test_events_have_the_promised_shapes(alice: Client) -> None:
    _, turn, frames = await a_reply(alice)
    assert [frame.name for frame in frames] == ["turn", "reasoning", "reasoning", "", "", "end"]
    assert frames[0].data.keys() == {"turn_id", "session_id", "user_message_id", "reply_message_id", "model"}
    assert all(frame.data.keys() == {"content"} for frame in frames[1:-1])
    assert all(frame.turn_id == turn for frame in frames)
    assert frames[-1].data == {
        "status": "done",
        "finish_reason": "stop",
        "length": 5,
        "sha256": hashlib.sha256(b"Seen.").hexdigest(),
        "usage": frames[-1].data["usage"],
    }


async def test_reasoning_is_shown_and_kept_apart_from_the_reply(alice: Client) -> None:
    conversation, _, frames = await a_reply(alice)
    whole = shown(frames)
    assert (whole.reasoning, whole.text) == ("Let me see. ", "Seen.")
    reply = (await alice.messages(conversation))[1]
    assert (reply["reasoning"], reply["content"]) == ("Let me see. ", "Seen.")


async def test_a_wait_for_another_try_is_announced(alice: Client) -> None:
    _, _, frames = await a_reply(alice, "[retry]")
    whole = shown(frames)
    assert whole.text == "at last"
    (notice,) = whole.notices
    assert notice["retry_in_s"] >= 0
    assert notice["message"]


async def test_length_counts_characters_and_nothing_is_lost_on_the_way(alice: Client) -> None:
    conversation, _, frames = await a_reply(alice, "[steady]")
    text = '连话 🪷\na\0é\r\n"}' * 6
    assert shown(frames).text == text
    assert frames[-1].data["length"] == len(text)
    assert (await alice.messages(conversation))[1]["content"] == text


async def test_a_replay_is_what_was_seen_live(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[steady]")
    live = await alice.read(events(conversation, turn))
    assert await alice.read(events(conversation, turn)) == live


@pytest.mark.parametrize("message", ["[think]", "[retry]", "hello"])
async def test_after_each_cursor_comes_the_rest_and_no_more(alice: Client, message: str) -> None:
    conversation, turn, frames = await a_reply(alice, message)
    path = events(conversation, turn)
    for seen in range(1, len(frames)):
        assert await alice.read(path, last_event_id=frames[seen - 1].id) == frames[seen:]
        assert await alice.read(path, after=frames[seen - 1].id) == frames[seen:]
    over = await alice.ask("GET", path, after=frames[-1].id)
    assert (over.status, over.body) == (204, b"")


async def test_the_header_counts_more_than_the_query(alice: Client) -> None:
    conversation, turn, frames = await a_reply(alice)
    path = events(conversation, turn)
    assert await alice.read(path, last_event_id=frames[2].id, after=frames[0].id) == frames[3:]


def foreign(turn: str) -> list[str]:
    """Cursors that are no event's id in this turn: foreign ones, and ones that were never given out."""
    return ["42", "", "null", f"other{turn}:1-1", f"{turn}:-1-0", f"{turn}:0-1", f"{turn}:9-9", f"{turn}:1-999999"]


def without_opening(frames: list[Frame]) -> list[Frame]:
    return frames[1:] if frames[0].name == "turn" else frames


async def test_a_foreign_cursor_counts_as_none(alice: Client) -> None:
    conversation, turn, frames = await a_reply(alice)
    for cursor in foreign(turn):
        seen = without_opening(await alice.read(events(conversation, turn), last_event_id=cursor))
        assert [frame.name for frame in seen] == ["snapshot", "end"], cursor
        assert seen[0].data == {"content": "Seen.", "reasoning": "Let me see. "}
        assert shown(seen).end == frames[-1].data


async def test_who_has_a_foreign_cursor_learns_which_turn_it_is(alice: Client) -> None:
    conversation, turn, frames = await a_reply(alice)
    seen = await alice.read(events(conversation, turn), last_event_id="42")
    assert seen[0] == frames[0]


async def test_a_foreign_cursor_gets_the_text_so_far_and_then_lives(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin_and_see(conversation, "[long]")
    texts = []
    for cursor in foreign(turn):
        async with alice.stream(events(conversation, turn), after=cursor) as stream:
            frames = without_opening(await stream.until(lambda frames: len(frames) >= 5))
        assert [frame.name for frame in frames[:3]] == ["snapshot", "", ""], cursor
        texts.append(text_of(frames))
    await alice.stop(conversation, turn)
    reply = (await alice.messages(conversation))[1]["content"]
    assert all(reply.startswith(text) for text in texts)


async def test_a_cursor_of_the_far_past_gets_a_snapshot(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[many]")
    live = await alice.read(events(conversation, turn))
    text = shown(live).text
    assert text == "<1>荷" * 450
    path = events(conversation, turn)

    old = next(frame for frame in live if frame.name == "")
    seen = await alice.read(path, last_event_id=old.id)
    assert [frame.name for frame in seen] == ["snapshot", "end"]
    assert shown(seen, before=old.data["content"]).text == text

    from_start = await alice.read(path)
    assert [frame.name for frame in from_start] == ["turn", "snapshot", "end"]
    assert shown(from_start).text == text

    recent = live[-100]
    assert await alice.read(path, last_event_id=recent.id) == live[-99:]


async def test_viewers_of_a_fast_and_long_reply_all_end_with_the_same_text(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[many]")

    async def drops_and_comes_back(every: int) -> str:
        seen: list[Frame] = []
        while not seen or seen[-1].name != "end":
            cursor = seen[-1].id if seen else None
            read = 0
            async with alice.stream(events(conversation, turn), last_event_id=cursor) as stream:
                async for frame in stream:
                    seen.append(frame)
                    read += 1
                    if read == every:
                        break
        return shown(seen).text

    texts = await asyncio.gather(*(drops_and_comes_back(every) for every in (7, 50, 211, 10_000)))
    assert set(texts) == {"<1>荷" * 450}


async def test_many_viewers_of_one_reply_see_the_same(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[steady]")

    async def comes_after(events_seen: int) -> list[Frame]:
        async with alice.stream(events(conversation, turn)) as stream:
            await stream.until(lambda frames: len(frames) > events_seen)
        return await alice.read(events(conversation, turn))

    early = [alice.read(events(conversation, turn)) for _ in range(20)]
    late = [comes_after(number) for number in range(0, 40, 4)]
    first, *others = await asyncio.gather(*early, *late)
    assert shown(first).end["status"] == "done"
    assert all(seen == first for seen in others)


async def test_a_dropped_viewer_resumes_without_gap_or_double(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[steady]")
    watched = asyncio.create_task(alice.read(events(conversation, turn)))
    seen: list[Frame] = []
    while not seen or seen[-1].name != "end":
        async with alice.stream(events(conversation, turn), after=seen[-1].id if seen else None) as stream:
            async for frame in stream:
                seen.append(frame)
                if len(seen) % 3 == 0:
                    break
    assert seen == await watched
    assert shown(seen).text == (await alice.messages(conversation))[1]["content"]


async def test_a_reply_is_made_with_nobody_watching(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[steady]")
    await until(lambda: alice.is_over(conversation, turn))
    whole = shown(await alice.read(events(conversation, turn)))
    assert (await alice.messages(conversation))[1]["content"] == whole.text


async def test_every_way_to_follow_a_turn_shows_the_same(alice: Client) -> None:
    conversation = await alice.create()
    first, second = await asyncio.gather(
        alice.read("/chat/stream", session_id=conversation, message="[steady]"),
        alice.read("/api/chat/stream", session_id=conversation, message="[steady]"),
    )
    assert first == second == await alice.read(events(conversation, first[0].turn_id))
