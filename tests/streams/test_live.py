"""A turn as its viewers here see it: what is pushed to whom, without gap or double."""

import asyncio

import pytest

from lianhua.chat.events import Cursor, End, TextPiece, to_frame
from lianhua.chat.turn import Numbered, TurnRef
from lianhua.streams.live import LiveTurn, Push

REF = TurnRef("conversation", "turn")


def piece(seq: int, epoch: int = 1) -> Numbered:
    return Numbered(Cursor(epoch, seq), TextPiece(f"piece {seq}"))


def frame(event: Numbered) -> bytes:
    return to_frame(REF.turn_id, event.cursor, event.event)


@pytest.fixture
async def live() -> LiveTurn:
    return LiveTurn(REF)


async def listening(live: LiveTurn, cursor: Cursor, push: Push | None) -> "asyncio.Task[Cursor]":
    task = asyncio.create_task(live.listen(cursor, push, 5))
    await asyncio.sleep(0)
    return task


def into(taken: list[bytes], room: int = 1000) -> Push:
    def push(frames: bytes) -> bool:
        if len(taken) == room:
            return False
        taken.append(frames)
        return True

    return push


async def test_a_viewer_who_has_seen_everything_is_pushed_to(live: LiveTurn) -> None:
    taken: list[bytes] = []
    task = await listening(live, Cursor(1, 0), into(taken))
    events = [piece(1), piece(2), piece(3)]
    for event in events:
        live.publish(event)
    await asyncio.sleep(0)
    assert taken == [frame(event) for event in events]
    assert not task.done(), "there was nothing to wake it for"
    live.publish(Numbered(Cursor(1, 4), End("done", "stop", 0, "")))
    assert await task == live.end == Cursor(1, 4)


async def test_what_is_not_taken_is_the_viewers_next(live: LiveTurn) -> None:
    taken: list[bytes] = []
    task = await listening(live, Cursor(1, 0), into(taken, room=2))
    for seq in (1, 2, 3, 4):
        live.publish(piece(seq))
    cursor = await task
    assert (cursor, len(taken)) == (Cursor(1, 2), 2)
    assert live.after(cursor) == (Cursor(1, 4), frame(piece(3)) + frame(piece(4)))


async def test_nothing_is_pushed_after_a_frame_that_was_refused(live: LiveTurn) -> None:
    taken: list[bytes] = []
    room = False

    def push(frames: bytes) -> bool:
        if room:
            taken.append(frames)
        return room

    task = await listening(live, Cursor(1, 0), push)
    live.publish(piece(1))
    room = True
    live.publish(piece(2))  # before its viewer has run: piece 1 would be missing
    assert (await task, taken) == (Cursor(1, 0), [])


async def test_a_viewer_behind_or_ahead_is_not_pushed_to(live: LiveTurn) -> None:
    taken: list[bytes] = []
    live.publish(piece(1))
    live.publish(piece(2))
    assert await live.listen(Cursor(1, 1), into(taken), 5) == Cursor(1, 1)
    ahead = await listening(live, Cursor(1, 3), into(taken))  # it has read the journal a moment ago
    live.publish(piece(3))
    assert (await ahead, taken) == (Cursor(1, 3), [])
    assert live.after(Cursor(1, 3)) == (Cursor(1, 3), b"")


async def test_a_jump_ends_the_pushing(live: LiveTurn) -> None:
    taken: list[bytes] = []
    task = await listening(live, Cursor(1, 0), into(taken))
    live.publish(piece(1))
    live.skip_to(Cursor(2, 5))
    live.publish(piece(6, epoch=2))
    assert (await task, len(taken)) == (Cursor(1, 1), 1)
    assert live.after(Cursor(1, 1)) is None, "only the journal knows what lies between"


async def test_listening_ends_with_its_time(live: LiveTurn) -> None:
    assert await live.listen(Cursor(1, 0), into([]), 0.01) == Cursor(1, 0)
    live.close()
    assert await live.listen(Cursor(1, 0), into([]), 60) == Cursor(1, 0)
