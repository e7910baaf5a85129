"""Event streams, in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianhua.sse import Decoder, Event, EventTooLong, comment, frame, retry


def decoded(*chunks: bytes) -> list[Event]:
    decoder = Decoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.close()


LINE = st.sampled_from(
    [
        b"data: one",
        b"data:two",
        b"data",
        b"data: ",
        b'data:  {"a": 1}',
        "data: 连话 🪷".encode(),
        b": ping",
        b":",
        b"event: end",
        b"event",
        b"id: 1-2",
        b"id",
        b"id: a\0b",
        b"retry: 10",
        b"unknown: x",
        b"",
        b"",
        b"",
        b"\xef\xbb\xbfdata: not a mark here",
        b"data: \xff\xfe",
    ]
)
END = st.sampled_from([b"\n", b"\r\n", b"\r"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    stream += b"".join(draw(st.lists(st.builds(lambda line, end: line + end, LINE, END), max_size=12)))
    stream += draw(st.sampled_from([b"", b"data: half", b"data"]))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return stream, [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@given(streams())
def test_any_cut_gives_the_same_events(case: tuple[bytes, list[bytes]]) -> None:
    whole, pieces = case
    assert decoded(*pieces) == decoded(whole)


OBJECTS = st.sampled_from(
    [b"{}", b'{"a": 1}', b"{}{}", b'{"a":[{}', b"{}]}", b"{", b"}", b"x", b"", '{"连":"🪷"}'.encode()]
).map(lambda data: b"data: " + data + b"\n\n")


@given(st.lists(OBJECTS | st.builds(lambda line, end: line + end, LINE, END), max_size=12), st.data())
def test_objects_are_what_is_fed_or_nothing_was_taken(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    short, exact = Decoder(), Decoder()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        chunk = stream[start:end]
        lines, count = short.objects(chunk)
        read = [event.data for event in exact.feed(chunk)]
        if count:
            assert lines.split(b"\n") == read
            assert len(read) == count
            assert all(line.startswith(b"{") for line in read)
            assert all(line.endswith(b"}") for line in read[:-1])
        else:
            assert [event.data for event in short.feed(chunk)] == read
    assert [event.data for event in short.close()] == [event.data for event in exact.close()]


def test_objects_are_found_in_what_nearly_every_server_sends() -> None:
    event, decoder = b'data: {"a":"b"}\n\n', Decoder()
    assert decoder.objects(event) == (b'{"a":"b"}', 1)
    assert decoder.objects(event * 3 + event[:7]) == (b'{"a":"b"}\n{"a":"b"}\n{"a":"b"}', 3)
    assert decoder.objects(event[7:]) == (b'{"a":"b"}', 1)
    assert decoder.objects(b": ping\n\n") == (b"", 0)


def test_an_object_of_many_pieces_is_joined_but_once() -> None:
    decoder = Decoder(max_event_bytes=1000)
    assert decoder.objects(b'data: {}\n\ndata: {"a') == (b"{}", 1)
    assert [decoder.objects(piece) for piece in (b"b", b"c")] == [(b"", 0)] * 2
    assert decoder.feed(b"b") == decoder.feed(b"c") == []
    assert decoder.objects(b'":1}\n\n') == (b"", 0)
    assert decoder.feed(b'":1}\n\n') == [Event(b'{"abc":1}')]
    with pytest.raises(EventTooLong):
        decoder.feed(b"x" * 1001)


@given(streams())
def test_all_three_line_ends_mean_the_same(case: tuple[bytes, list[bytes]]) -> None:
    whole, _ = case
    lf = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert decoded(lf) == decoded(lf.replace(b"\n", b"\r\n")) == decoded(lf.replace(b"\n", b"\r")) == decoded(whole)


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\r\n")),
            st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0")),
            st.text(st.characters(codec="utf-8")),
        )
    )
)
def test_what_was_framed_is_read_back(sent: list[tuple[str | None, str | None, str]]) -> None:
    expected, last_id = [], None
    for name, id_, data in sent:
        last_id = id_ if id_ is not None else last_id
        lines = data.replace("\r\n", "\n").replace("\r", "\n")
        expected.append(Event(lines.encode(), name or "", last_id))
    assert decoded(b"".join(frame(*event) for event in sent)) == expected


def test_data_of_many_lines_is_joined_with_line_feeds() -> None:
    assert decoded(b"data: a\ndata:\ndata: b\n\n") == [Event(b"a\n\nb")]


def test_names_belong_to_one_event_and_ids_to_all_that_follow() -> None:
    stream = b"event: turn\nid: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"
    assert decoded(stream) == [Event(b"a", "turn", "7"), Event(b"b", "", "7"), Event(b"c", "", "")]


def test_an_event_without_data_is_none() -> None:
    assert decoded(b"event: turn\n\n: ping\n\nid: 3\n\ndata: a\n\n") == [Event(b"a", "", "3")]


def test_only_the_first_space_and_a_mark_at_the_very_start_are_dropped() -> None:
    assert decoded(b"\xef\xbb\xbfdata:  a\n\n", b"\xef\xbb\xbfdata: b\n\n") == [Event(b" a")]


def test_events_leave_as_soon_as_their_blank_line_is_there() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\r\n\r") == [Event(b"a")]
    assert decoder.feed(b"\ndata: b") == []
    assert decoder.feed(b"\n") == []
    assert decoder.feed(b"\n") == [Event(b"b")]


def test_the_last_event_is_kept_though_its_blank_line_never_came() -> None:
    assert decoded(b"data: a\n\ndata: [DONE]") == [Event(b"a"), Event(b"[DONE]")]


@pytest.mark.parametrize("piece", [b"x", b"data: x\n"])
def test_what_has_no_end_is_refused(piece: bytes) -> None:
    decoder = Decoder(max_event_bytes=1000)
    with pytest.raises(EventTooLong):
        for _ in range(1001):
            decoder.feed(piece)


def test_an_endless_line_costs_no_more_memory_than_its_bound() -> None:
    decoder, fed = Decoder(max_event_bytes=64 * 1024), 0
    with pytest.raises(EventTooLong):
        while fed < 1024 * 1024:
            decoder.feed(b"x" * 1000)
            fed += 1000
    assert fed <= 65 * 1024


def test_many_events_in_one_piece_are_not_too_long() -> None:
    assert len(Decoder(max_event_bytes=64).feed(b"data: 0123456789\n\n" * 1000)) == 1000


@pytest.mark.parametrize(("event", "id_"), [("a\nb", None), ("a\r", None), (None, "1\n2"), (None, "1\0")])
def test_a_frame_cannot_be_broken_out_of(event: str | None, id_: str | None) -> None:
    with pytest.raises(ValueError):
        frame(event, id_, "{}")


def test_frames_comments_and_retries_as_they_are_encoded() -> None:
    assert frame("end", "t:1-2", '{"a":1}') == b'event: end\ndata: {"a":1}\nid: t:1-2\n\n'
    assert frame(None, "t:1-2", "a\nb") == b"data: a\ndata: b\nid: t:1-2\n\n"
    assert frame(None, None, b"") == b"data: \n\n"
    assert comment() == b": \n"
    assert comment("ping") == b": ping\n"
    assert retry(1500) == b"retry: 1500\n"


def test_a_comment_and_a_retry_go_before_an_event_and_make_none() -> None:
    whole = retry(1500) + comment() + comment() + frame(None, "t:1-2", "a")
    assert Decoder().feed(whole) == [Event(b"a", "", "t:1-2")]


URL = b"data:image/png;base64,"


def cut_in(stream: bytes, size: int) -> list[bytes]:
    return [stream[start : start + size] for start in range(0, len(stream), size)]


@pytest.mark.parametrize("size", [7_001, 65_536, 250_000, 10_000_000])
@pytest.mark.parametrize("letters", [b"Ab+/", b"Ab+\\/"], ids=["plain", "escaped"])
def test_a_large_picture_is_emptied_and_nothing_else(size: int, letters: bytes) -> None:
    picture, text = URL + letters * 500_000 + b"==", b'"x":"' + "话".encode() * 30_000 + b'"'
    stream = b'data: {"a":"%b",%b,"b":"%b","c":1}\n\ndata: next\n\n' % (picture, text, picture)
    decoder = Decoder()
    events = [event.data for chunk in cut_in(stream, size) for event in decoder.feed(chunk)]
    assert events == [b'{"a":"%b",%b,"b":"%b","c":1}' % (URL, text, URL), b"next"]
    assert decoder.has_emptied


def test_letters_outside_of_a_picture_are_kept_and_bounded() -> None:
    for text in (b"A" * 300_000, b"base64," + b"A" * 300_000, URL + b"A" * 9_000 + b'", "' + b"A" * 300_000):
        decoder = Decoder()
        events = [event.data for chunk in cut_in(b"data: " + text + b"\n\n", 10_000) for event in decoder.feed(chunk)]
        assert (events, decoder.has_emptied) == ([text], False)
    with pytest.raises(EventTooLong):
        decoded(*cut_in(b"data: " + URL + b'",' + b"A" * 1_100_000, 50_000))


def test_a_picture_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.sse.PICTURE_BYTES", 3_000_000)
    with pytest.raises(EventTooLong, match="picture"):
        decoded(b"data: " + URL, *[b"A" * 100_000] * 32)


def test_a_line_named_error_is_an_event_of_that_name() -> None:
    stream = b'data: one\n\nerror: {"code": 400}\ndata: [DONE]\n\nerror:\nerror: null\n\n'
    expected = [Event(b"one"), Event(b'{"code": 400}', "error"), Event(b"[DONE]")]
    assert decoded(stream) == expected
    assert decoded(*cut_in(stream, 1)) == expected
