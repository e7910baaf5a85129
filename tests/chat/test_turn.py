import hashlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from lianhua.chat.events import Cursor, End, Notice, ReasoningPiece, TextPiece
from lianhua.chat.turn import Turn, TurnRef

REF = TurnRef("conversation", "turn")


@given(st.lists(st.tuples(st.sampled_from("tr"), st.text(min_size=1)), max_size=30))
def test_the_end_carries_length_and_hash_of_the_text_shown(pieces: list[tuple[str, str]]) -> None:
    turn = Turn(REF)
    numbered = [turn.start("u", "r", "m")]
    numbered += [turn.text_piece(text) if kind == "t" else turn.reasoning_piece(text) for kind, text in pieces]
    end = turn.end("done", "stop")
    shown = "".join(n.event.content for n in numbered if isinstance(n.event, TextPiece))
    thought = "".join(n.event.content for n in numbered if isinstance(n.event, ReasoningPiece))
    assert (turn.text, turn.reasoning) == (shown, thought)
    assert isinstance(end.event, End)
    assert end.event.length == len(shown)
    assert end.event.sha256 == hashlib.sha256(shown.encode()).hexdigest()
    cursors = [n.cursor for n in [*numbered, end]]
    assert cursors == [Cursor(1, seq) for seq in range(len(cursors))]


def test_nothing_comes_after_the_end() -> None:
    turn = Turn(REF)
    turn.end("stopped", "stopped")
    for late in (lambda: turn.text_piece("x"), lambda: turn.notice(Notice("c", "m")), lambda: turn.end("done", "stop")):
        with pytest.raises(AssertionError):
            late()


def test_a_turn_taken_over_goes_on_from_its_text() -> None:
    turn = Turn(REF, epoch=2, next_seq=1, text="早上", reasoning="嗯")
    turn.text_piece("好")
    end = turn.end("done", "stop")
    assert end.cursor == Cursor(2, 2)
    assert isinstance(end.event, End)
    assert (turn.text, turn.reasoning, end.event.length) == ("早上好", "嗯", 3)
