"""From a page of the journal and a cursor to what a viewer gets: pure, no I/O."""

from typing import Final

from msgspec import Struct

from lianhua.chat.events import Cursor, Event, Snapshot, TurnStarted, to_frame
from lianhua.chat.turn import TurnRecord, TurnRef
from lianhua.store.journal.values import EventPage, SnapshotPage
from lianhua.streams.live import STEP_BYTES

FIRST: Final = Cursor(1, 0)  # of a turn's first event


class Replayed(Struct, frozen=True):
    """Frames for a viewer, where it stands when it has them, and whether that is the turn's end."""

    frames: bytes
    cursor: Cursor
    over: bool


def replay_events(ref: TurnRef, page: EventPage, cursor: Cursor) -> Replayed:
    """The page's events, or as many as make `STEP_BYTES`: the rest is read again, when the viewer has taken these."""
    frames: list[bytes] = []
    size = 0
    for event in page.events:
        frames.append(to_frame(ref.turn_id, event.cursor, event.event))
        cursor = event.cursor
        size += len(frames[-1])
        if size >= STEP_BYTES:
            break
    return Replayed(b"".join(frames), cursor, page.state == "ended" and cursor == page.record.end_cursor)


def covers_text(page: SnapshotPage) -> bool:
    """Whether a snapshot of the page shows a text: at the first event there is no text yet, and its id is taken."""
    return _covered(page) > FIRST


def replay_snapshot(ref: TurnRef, page: SnapshotPage, cursor: Cursor, so_far: Snapshot | None) -> Replayed:
    """The beginning for who has none, the text `so_far` (None unless `covers_text`), the end where there is one."""
    shown: list[tuple[Cursor, Event]] = []
    if cursor in (Cursor.START, Cursor.SNAPSHOT):
        shown.append((FIRST, _started(ref, page.record)))
    covered = _covered(page)
    if so_far is not None and covered > FIRST:
        shown.append((covered, so_far))
    if page.end:
        shown.append((page.end.cursor, page.end.event))
    frames = b"".join(to_frame(ref.turn_id, place, event) for place, event in shown)
    return Replayed(frames, shown[-1][0] if shown else covered, over=page.end is not None)


def _covered(page: SnapshotPage) -> Cursor:
    """The last event that the text holds. Before an end that is the place right before it: seq 0 of a turn's first
    epoch is its start, of later ones it is kept free.
    """
    return Cursor(page.end.cursor.epoch, page.end.cursor.seq - 1) if page.end else page.cursor


def _started(ref: TurnRef, record: TurnRecord) -> TurnStarted:
    ids = (record.user_message_id, record.reply_message_id)
    return TurnStarted(ref.turn_id, ref.conversation_id, *ids, record.model)
