"""What a viewer gets of a page: exactly what follows its cursor, or a text that stands for it; once an end, last."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lianhua import sse
from lianhua.chat.context_report import ContextReport
from lianhua.chat.events import Cursor, End, Snapshot, TextPiece, parse_event_id
from lianhua.chat.turn import Numbered, TurnRecord, TurnRef
from lianhua.store.journal.values import EventPage, SnapshotPage
from lianhua.streams.live import STEP_BYTES
from lianhua.streams.replay import FIRST, covers_text, replay_events, replay_snapshot

REF = TurnRef("5f0c5a0e-0000-4000-8000-000000000001", "ab12")
RECORD = TurnRecord("q", "r", "model", "assistant", ContextReport(10, 5, 0))
END = End("done", "stop", 2, "0" * 64)


def read(frames: bytes) -> list[tuple[str, Cursor, Any]]:
    found = []
    for event in sse.Decoder().feed(frames):
        parsed = parse_event_id(event.id or "")
        assert parsed is not None and parsed[0] == REF.turn_id
        found.append((event.name or "piece", parsed[1], json.loads(event.data)))
    return found


pieces = st.lists(st.text(max_size=30_000), max_size=20)


@given(pieces, st.booleans())
def test_a_page_is_given_in_steps_without_gap_or_double(texts: list[str], ended: bool) -> None:
    events = [Numbered(Cursor(1, seq), TextPiece(text)) for seq, text in enumerate(texts, 1)]
    if ended:
        events.append(Numbered(Cursor(1, len(texts) + 1), END))
    record = msgspec.structs.replace(RECORD, end=END, end_cursor=events[-1].cursor) if ended else RECORD
    cursor, given_out = FIRST, []
    while cursor != (events[-1].cursor if events else FIRST):
        rest = tuple(event for event in events if event.cursor > cursor)
        step = replay_events(REF, EventPage("ended" if ended else "running", record, rest), cursor)
        seen = read(step.frames)
        assert seen, "each step goes on"
        assert sum(len(data["content"]) for _, _, data in seen[:-1]) < STEP_BYTES
        given_out += seen
        cursor = step.cursor
        assert step.over == (ended and cursor == events[-1].cursor)
    assert [place for _, place, _ in given_out] == [event.cursor for event in events]
    assert [data["content"] for name, _, data in given_out if name == "piece"] == texts


@given(
    st.sampled_from([Cursor.START, Cursor.SNAPSHOT, Cursor(1, 3)]),
    st.integers(1, 4),
    st.integers(0, 900),
    st.booleans(),
)
def test_a_snapshot_stands_for_all_before_it_and_ids_rise(cursor: Cursor, epoch: int, seq: int, ended: bool) -> None:
    end = Numbered(Cursor(epoch, seq + 1), END) if ended else None
    page = SnapshotPage("ended" if ended else "running", RECORD, Cursor(epoch, seq), "text", "", end)
    step = replay_snapshot(REF, page, cursor, Snapshot("text", "") if covers_text(page) else None)
    seen = read(step.frames)
    names = [name for name, _, _ in seen]
    assert ("turn" in names) == (cursor in (Cursor.START, Cursor.SNAPSHOT))
    assert ("snapshot" in names) == (Cursor(epoch, seq) > FIRST)
    assert ("end" in names) == step.over == ended
    places = [place for _, place, _ in seen]
    assert places == sorted(set(places))
    assert step.cursor == (places[-1] if places else Cursor(epoch, seq))
