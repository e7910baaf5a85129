"""Where a reply goes on: what is said twice is shown once, and nothing else is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianhua.chat.continuation import LONGEST_REPEAT_CHARS, NOTHING, Continuation, OverlapFilter
from lianhua.chat.messages import Message


def joined(kept: str, *pieces: str) -> str:
    overlap = OverlapFilter(kept)
    return "".join([*(overlap.feed(piece) for piece in pieces), overlap.close()])


@pytest.mark.parametrize(
    ("kept", "pieces", "new"),
    [
        ("The quick brown", (" fox",), " fox"),
        ("The quick brown fox", ("brown fox jumps",), " jumps"),
        ("The quick brown fox", ("bro", "wn f", "ox ju", "mps"), " jumps"),
        ("The quick brown fox", ("brown fax",), "brown fax"),
        ("今天我们去爬山，天气很好", ("我们去爬山，天气很好，", "风也不大"), "，风也不大"),
        ("I had had", (" had enough",), " had enough"),
        ("a\n\n```py\nx = 1\n", ("```py\nx = 1\ny = 2",), "y = 2"),
        ("", ("anything",), "anything"),
        ("The quick brown fox", ("brown fo",), "brown fo"),
    ],
)
def test_what_repeats_the_end_is_left_out(kept: str, pieces: tuple[str, ...], new: str) -> None:
    assert joined(kept, *pieces) == new


@given(st.text("ab ", max_size=30), st.text("ab ", max_size=30), st.integers(1, 5))
def test_only_a_repetition_is_ever_left_out(kept: str, text: str, size: int) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    new = joined(kept, *pieces)
    assert text.endswith(new)
    assert kept.endswith(text[: len(text) - len(new)])
    assert new == joined(kept, text), "how it was cut into pieces makes no difference"


def test_no_more_than_a_possible_repetition_is_held_back() -> None:
    overlap = OverlapFilter("x" * 10_000)
    held = 0
    while not overlap.feed("x"):
        held += 1
    assert held <= LONGEST_REPEAT_CHARS


def test_what_a_reply_goes_on_with_is_kept_apart_from_what_the_model_adds() -> None:
    reply = Message("r", "assistant", "Roses are red, ", reasoning="A poem.\n")
    goes_on = Continuation.of(reply)
    assert goes_on == Continuation("r", "Roses are red, ", "A poem.\n")
    assert goes_on.opening_reasoning == "A poem.\n\n"
    assert goes_on.added("Roses are red, violets", "A poem.\n\nGo on.") == ("violets", "Go on.")
    assert goes_on.is_all_of(15, 9)
    assert not goes_on.is_all_of(16, 9)
    assert not goes_on.is_all_of(15, 10)


def test_a_reply_that_begins_at_its_beginning_goes_on_with_nothing() -> None:
    assert NOTHING.opening_reasoning == ""
    assert NOTHING.added("all", "of it") == ("all", "of it")
    assert NOTHING.is_all_of(0, 0)
    assert not NOTHING.is_all_of(1, 0)
