import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lianhua import sse
from lianhua.chat.events import (
    Cursor,
    End,
    Event,
    Notice,
    ReasoningPiece,
    Snapshot,
    TextPiece,
    TurnStarted,
    event_id,
    from_log,
    parse_cursor,
    parse_event_id,
    to_frame,
    to_log,
)
from lianhua.chat.messages import Usage

texts = st.text(max_size=50)
stored_events: st.SearchStrategy[Event] = st.one_of(
    st.builds(TextPiece, texts),
    st.builds(ReasoningPiece, texts),
    st.builds(Snapshot, texts, texts),
    st.builds(Notice, texts, texts, st.none() | st.floats(0, 100)),
    st.builds(TurnStarted, texts, texts, texts, texts, texts),
    st.builds(
        End, st.sampled_from(["done", "failed"]), texts, st.integers(0, 9), texts, st.none() | texts, st.none() | texts,
        st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.booleans()),
    ),
)  # fmt: skip


@given(stored_events)
def test_an_event_comes_back_from_the_log_as_it_went_in(event: Event) -> None:
    assert from_log(*to_log(event)) == event


@given(st.builds(TextPiece, texts), st.integers(1, 9), st.integers(0, 10_000))
def test_a_frame_is_one_event_with_its_id_whatever_the_text(event: TextPiece, epoch: int, seq: int) -> None:
    cursor = Cursor(epoch, seq)
    (read,) = sse.Decoder().feed(to_frame("turn1", cursor, event))
    assert json.loads(read.data) == {"content": event.content}
    assert (read.name, read.id) == ("", event_id("turn1", cursor))
    assert parse_event_id(read.id or "") == ("turn1", cursor)


@pytest.mark.parametrize(
    ("event", "name"),
    [(Snapshot("a", "b"), "snapshot"), (ReasoningPiece("r"), "reasoning"), (Notice("c", "m"), "notice")],
)
def test_events_have_their_names_when_encoded(event: Event, name: str) -> None:
    (read,) = sse.Decoder().feed(to_frame("t", Cursor(1, 1), event))
    assert read.name == name


@pytest.mark.parametrize(
    "text", ["", "x", "turn:1", "turn:1-", "turn:-1-1", "turn:1-1-1", "a b:1-1", "t:1-٣", "t:1-9" + "9" * 20]
)
def test_a_foreign_id_is_none(text: str) -> None:
    assert parse_event_id(text) is None


def test_a_bad_log_id_is_a_bug() -> None:
    with pytest.raises(ValueError, match="1"):
        parse_cursor("1")


def test_cursors_are_ordered_by_epoch_first() -> None:
    assert Cursor(1, 9) < Cursor(2, 0) < Cursor(2, 1)
