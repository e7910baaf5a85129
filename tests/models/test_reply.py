"""Reading a reply, without a socket: whatever a server sends, the reader stands."""

import json
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from lianhua.models.openai.errors import complaint_in
from lianhua.models.openai.reply import ReplyReader
from lianhua.models.openai.retry import retry_after_s
from lianhua.models.port import Finish, ReasoningDelta, TextDelta
from lianhua.models.thoughts import PAIRS
from lianhua.sse import Decoder, Event

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
    assume(
        "<|" not in text and not any(mark in text.lower() for pair in PAIRS.items() for mark in map(str.lower, pair))
    )
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
    for form in (body, {"error": body}, [{"error": body}]):
        words = complaint_in(json.dumps(form).encode()).words
        assert words == words.lower()


@given(st.binary(max_size=80))
def test_any_bytes_are_a_complaint(body: bytes) -> None:
    words = complaint_in(body).words
    assert words == words.lower()


PIECES = st.sampled_from(
    [
        b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n' * 5,
        'data: {"choices":[{"delta":{"content":"连话🪷"}}]}\n\n'.encode(),
        b'data: {"choices":[{"delta":{"reasoning":"r"}}]}\n\n',
        b'data: {"choices":[{"delta":{"reasoning":"r","content":"a"},"finish_reason":"stop"}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\ud83e"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\udeb7"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\u0000"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":7}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n',
        b'data: {"error":{"code":429}}\n\n',
        b'data: {"x":"}\\n{"}\n\n',
        b"data: {}\n\n",
        b"data: {}{}\n\n",
        b"data: {},{}\n\n",
        b'data: {"y":[1,\n\n',
        b'data: {"y":[{}\n\n',
        b"data: {}]}\n\n",
        b"data: {\n\n",
        b"data: }\n\n",
        b"data: " + b'{"x":' * 2000 + b"\n\n",
        b"data: [DONE]\n\n",
        b"data: \n\n",
        b'data:{"choices":[{"delta":{"content":"b"}}]}\n\n',
        b'data: {"choices":\ndata: [{"delta":{"content":"c"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"d"}}]}\r\n\r\n',
        b'data: {"choices":[{"delta":{"content":"e"}}]}\n',
        b"event: x\n",
        b": ping\n\n",
        b"\n",
        b"\r",
        b"\xef\xbb\xbf",
        b"data: {",
        b"\0",
    ]
)


# As many values as lines, and yet the first is of two lines and the last line of two values.
@example([b'data: {"y":[1,\n\n', b"data: 2]}\n\n", b"data: {}{}\n\n"], [])
@example([b'data: {"y":[{}\n\n', b"data: {}]}\n\n", b"data: {}{}\n\n"], [])
@given(st.lists(PIECES | st.binary(max_size=3), max_size=16), st.lists(st.integers(0, 900), max_size=16))
def test_the_short_way_reads_what_the_exact_one_does_whatever_comes_and_however_it_is_cut(
    pieces: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(pieces)
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    short, exact, decoder = ReplyReader(), ReplyReader(), Decoder()
    for start, end in zip([0, *ends], ends, strict=False):
        chunk = stream[start:end]
        assert short.feed(chunk) == exact.read(decoder.feed(chunk))
        assert _state(short) == _state(exact)
        if exact.done or exact.fault:  # nobody reads on
            return
    assert short.close() == exact.read(decoder.close(), cut_short=True)
    assert _state(short) == _state(exact)
    assert short.finish() == exact.finish()


def _state(reader: ReplyReader) -> tuple[object, ...]:
    fault = reader.fault and (type(reader.fault.error), str(reader.fault.error), reader.fault.passing)
    return reader.done, reader.heard, reader.saw_choices, reader.finish_reason, fault


def test_what_one_read_brings_is_one_delta_of_a_kind() -> None:
    content = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
    thought = content.replace(b"content", b"reasoning")
    stream = thought * 200 + content * 300
    reader = ReplyReader()
    assert reader.feed(stream[:-5]) == [ReasoningDelta("a" * 200), TextDelta("a" * 299)]
    assert reader.feed(stream[-5:]) == [TextDelta("a")]


DATES = st.from_regex(
    r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,9} [0-9]{1,3}:[0-9]{2}:[0-9]{2} ([+-][0-9]{2,9}|GMT)"
)


@given(st.text(max_size=30) | DATES | DATES.map(lambda date: date.replace(date[8:11], "Nov")))
def test_any_retry_after_is_some_wait(header: str) -> None:
    assert retry_after_s(header) >= 0
