"""Reading a reply, without a socket: whatever a server sends, the reader stands."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lianhua.models.faults import complaint_in
from lianhua.models.patience import retry_after_s
from lianhua.models.port import Finish, ReasoningDelta, TextDelta
from lianhua.models.reply import ReplyReader
from lianhua.sse import Event

NAMES = st.sampled_from(
    [
        "choices",
        "delta",
        "message",
        "content",
        "reasoning",
        "reasoning_content",
        "refusal",
        "finish_reason",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "error",
        "code",
        "type",
        "metadata",
        "raw",
        "text",
        "thinking",
        "x",
    ]
)
SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["\ud83e", "\udeb7", "text", "thinking", "stop", "429"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
CHUNKS = st.builds(lambda delta, more: {"choices": [{"delta": delta}], **more}, VALUES, st.dictionaries(NAMES, VALUES))


@given(st.lists(CHUNKS | VALUES, max_size=4))
def test_any_json_is_read_without_an_error_and_as_valid_text(chunks: list[Any]) -> None:
    reader = ReplyReader()
    deltas = reader.read([Event(json.dumps(chunk).encode()) for chunk in chunks]) + reader.finish()
    assert isinstance(deltas[-1], Finish)
    for delta in deltas:
        if isinstance(delta, TextDelta | ReasoningDelta):
            assert delta.text
            assert "\0" not in delta.text
            delta.text.encode()


@given(st.lists(st.binary(max_size=60) | st.binary(max_size=60).map(b'{"choices":'.__add__), max_size=4))
def test_any_bytes_are_read_without_an_error(pieces: list[bytes]) -> None:
    reader = ReplyReader()
    reader.read([Event(piece) for piece in pieces])


@given(st.text(st.characters(exclude_categories=()), max_size=12))
def test_text_comes_through_whole_however_it_is_cut(text: str) -> None:
    """In UTF-16 units, one a chunk: how a server cuts that counts as JavaScript does."""
    units = text.encode("utf-16-le", "surrogatepass")
    reader, said = ReplyReader(), ""
    for at in range(0, len(units), 2):
        unit = int.from_bytes(units[at : at + 2], "little")
        said += "".join(
            delta.text
            for delta in reader.read([Event(b'{"choices":[{"delta":{"content":"\\u%04x"}}]}' % unit)])
            if isinstance(delta, TextDelta)
        )
    said += "".join(delta.text for delta in reader.finish() if isinstance(delta, TextDelta))
    assert said == units.decode("utf-16-le", "replace").replace("\0", "")


@given(VALUES)
def test_any_error_body_is_a_complaint(body: Any) -> None:
    for shape in (body, {"error": body}, [{"error": body}]):
        words = complaint_in(json.dumps(shape).encode()).words
        assert words == words.lower()


@given(st.binary(max_size=80))
def test_any_bytes_are_a_complaint(body: bytes) -> None:
    words = complaint_in(body).words
    assert words == words.lower()


DATES = st.from_regex(
    r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,9} [0-9]{1,3}:[0-9]{2}:[0-9]{2} ([+-][0-9]{2,9}|GMT)"
)


@given(st.text(max_size=30) | DATES | DATES.map(lambda date: date.replace(date[8:11], "Nov")))
def test_any_retry_after_is_some_wait(header: str) -> None:
    assert retry_after_s(header) >= 0
