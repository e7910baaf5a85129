"""An upstream at its worst, as a person meets it: real server, real sockets, every fault ends in one typed `end`."""

import asyncio
import gzip
import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.client import PATIENCE_S, Client, Shown, events, shown, text_of, turns
from tests.support.server_log import met_no_bug, never_wrote
from tests.support.server_process import ServerProcess
from tests.support.servers.ports import free_port
from tests.support.stillness import Stopwatch
from tests.support.upstream import DONE, FIN, HANG, RST, Answer, Cut, Pause, answer, chunk, raw, text, until_closed
from tests.support.upstream import events as streamed
from tests.support.upstream_at import (
    FINISH,
    HELLO,
    Reply,
    UpstreamAt,
    base_url,
    cut,
    data,
    failed,
    goes_on,
    is_kept,
    one_turn,
    reply_of,
    said,
)

KEY = "sk-KEY-THAT-NOBODY-SEES"
UNAVAILABLE, LIMITED = "model_unavailable", "model_rate_limited"
# Limits of the server that waits for little, in seconds. `LATE_S` is for what else a turn takes.
CONNECT_S, FIRST_BYTE_S, DELTA_S, REPLY_S = 1.0, 2.0, 2.0, 9.0
LATE_S = 4.0
# Tries are 0.5 to 1.5 s and 1 to 3 s apart.
WAITS_S = (1.5, 4.5)


@dataclass(frozen=True)
class Place:
    """A server and the port at which it looks for its model."""

    server: ServerProcess
    port: int


def start(folder: Path, **settings: str) -> Iterator[Place]:
    port = free_port()
    server = ServerProcess(folder, OPENAI_BASE_URL=base_url(port), OPENAI_API_KEY=KEY, **settings)
    yield Place(server, port)
    server.stop()
    server.kill()
    never_wrote(server, KEY)
    met_no_bug(server)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that waits as long as it takes by default."""
    yield from start(tmp_path_factory.mktemp("patient"))


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server that waits for little."""
    yield from start(
        tmp_path_factory.mktemp("hurried"),
        LIANHUA_CONNECT_TIMEOUT_S=str(CONNECT_S),
        LIANHUA_FIRST_BYTE_TIMEOUT_S=str(FIRST_BYTE_S),
        LIANHUA_DELTA_TIMEOUT_S=str(DELTA_S),
        LIANHUA_REPLY_TIMEOUT_S=str(REPLY_S),
    )


Meet = Callable[[Place], Client]


@pytest.fixture
def person(session: aiohttp.ClientSession) -> Meet:
    return lambda place: Client(session, place.server.url, "alice")


# Nobody there, or nothing said


async def test_nobody_listening_is_tried_three_times_and_said(person: Meet, hurried: Place) -> None:
    alice = person(hurried)
    conversation = await alice.create()
    watch = Stopwatch()
    whole = await alice.say(conversation, "a question")
    assert watch.within(WAITS_S[1] + LATE_S), watch.took()
    assert reply_of(whole) == failed(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE)
    assert all(notice["retry_in_s"] > 0 for notice in whole.notices)
    await is_kept(alice, conversation, whole)
    async with UpstreamAt(hurried.port, HELLO):
        await goes_on(alice, conversation, whole)


async def test_somebody_who_comes_late_still_answers(person: Meet, hurried: Place) -> None:
    alice = person(hurried)
    conversation = await alice.create()
    turn = await alice.begin(conversation, "a question")
    async with alice.stream(events(conversation, turn)) as stream:
        frames = await stream.until(lambda frames: frames[-1].name == "notice")
        async with UpstreamAt(hurried.port, HELLO):
            frames += [frame async for frame in stream]
    assert reply_of(shown(frames)).text == "Hello"
    assert shown(frames).end["status"] == "done"


async def test_a_connection_that_never_comes_about_is_given_up(person: Meet, hurried: Place) -> None:
    alice = person(hurried)
    conversation = await alice.create()
    # A full accept queue: the kernel completes no further handshake.
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.1", hurried.port))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(deaf.getsockname())
            watch = Stopwatch()
            whole = await alice.say(conversation, "a question")
            took = watch.took()
        finally:
            for client in waiting:
                client.close()
    assert took.s > 3 * CONNECT_S
    assert took.within(3 * CONNECT_S + WAITS_S[1] + LATE_S), took
    assert reply_of(whole) == failed(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE)
    await is_kept(alice, conversation, whole)
    async with UpstreamAt(hurried.port, HELLO):
        await goes_on(alice, conversation, whole)


SILENT = {
    "nothing at all": raw(HANG),
    "a status line": raw(b"HTTP/1.1 200 OK\r\n", HANG),
    "headers": streamed(HANG),
    "headers, byte by byte": raw(
        b"HTTP/1.1 200 OK\r\nX-Slow: ", *(step for _ in range(1_000) for step in (b"x", Pause(0.05)))
    ),
    "an event without text": streamed(chunk({"role": "assistant", "content": ""}), HANG),
    "comments for ever": streamed(*(step for _ in range(1_000) for step in (b": ping\n\n", Pause(0.05)))),
    "events without text for ever": streamed(*(step for _ in range(1_000) for step in (chunk({}), Pause(0.05)))),
}


@pytest.mark.parametrize("script", SILENT.values(), ids=SILENT)
async def test_an_upstream_that_says_nothing_is_waited_for_so_long_and_no_longer(
    person: Meet, hurried: Place, script: Answer
) -> None:
    whole, took = await one_turn(person(hurried), script, port=hurried.port)
    assert reply_of(whole) == failed("model_timeout")
    assert took.s >= FIRST_BYTE_S
    assert took.within(FIRST_BYTE_S + LATE_S), took


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (streamed(text("half "), text("a"), HANG), cut("half a", "model_timeout")),
        (streamed(chunk({"reasoning": "hm"}), HANG), failed("model_timeout", reasoning="hm")),
        (streamed(text("half"), b'data: {"choices":[{"delta":{"content":" a', HANG), cut("half", "model_timeout")),
        (
            streamed(text("half"), *(step for _ in range(1_000) for step in (b": ping\n\n", Pause(0.05)))),
            cut("half", "model_timeout"),
        ),
    ],
    ids=["after text", "after reasoning", "in mid-event", "comments for ever"],
)
async def test_an_upstream_that_falls_silent_is_waited_for_so_long_and_no_longer(
    person: Meet, hurried: Place, script: Answer, expected: Reply
) -> None:
    whole, took = await one_turn(person(hurried), script, port=hurried.port)
    assert reply_of(whole) == expected
    assert took.s >= DELTA_S
    assert took.within(DELTA_S + LATE_S), took


async def test_a_slow_upstream_that_is_alive_comes_to_its_end(person: Meet, hurried: Place) -> None:
    pieces = [step for number in range(8) for step in (Pause(DELTA_S / 3), text(f"{number} "))]
    whole, took = await one_turn(person(hurried), streamed(*pieces, FINISH, DONE), port=hurried.port)
    assert reply_of(whole) == said("0 1 2 3 4 5 6 7 ")
    assert took.s > 2 * DELTA_S, "longer than any silence may be"


async def test_a_reply_that_never_ends_is_ended_when_its_time_is_up(person: Meet, hurried: Place) -> None:
    pieces = [step for _ in range(1_000) for step in (text("on and "), Pause(0.2))]
    whole, took = await one_turn(person(hurried), streamed(*pieces), port=hurried.port)
    assert (whole.end["status"], whole.end["code"]) == ("interrupted", "model_timeout")
    assert set(whole.text.split()) == {"on", "and"}
    assert took.s >= REPLY_S
    assert took.within(REPLY_S + LATE_S), took


# Stopped meanwhile


async def test_a_stop_ends_the_wait_for_an_upstream_and_closes_its_connection(person: Meet, patient: Place) -> None:
    alice = person(patient)
    for script in (raw(HANG), streamed(HANG), streamed(chunk({"reasoning": "hm"}), HANG)):
        conversation = await alice.create()
        async with UpstreamAt(patient.port, script, HELLO) as upstream:
            turn = await alice.begin(conversation, "a question")
            request = await upstream.asked()
            watch = Stopwatch()
            assert (await alice.stop(conversation, turn))["status"] == "stopped"
            assert watch.within(LATE_S), watch.took()
            async with asyncio.timeout(PATIENCE_S):
                await request.gone.wait()
            whole = shown(await alice.read(events(conversation, turn)))
            await is_kept(alice, conversation, whole)
            await goes_on(alice, conversation, whole)
            assert len(upstream.requests) == 2


async def test_a_stop_ends_the_wait_before_another_try(person: Meet, patient: Place) -> None:
    alice = person(patient)
    conversation = await alice.create()
    async with UpstreamAt(patient.port, answer(429, Retry_After="30"), HELLO) as upstream:
        turn = await alice.begin(conversation, "a question")
        async with alice.stream(events(conversation, turn)) as stream:
            frames = await stream.until(lambda frames: frames[-1].name == "notice")
            assert (await alice.stop(conversation, turn))["status"] == "stopped"
            frames += [frame async for frame in stream]
        whole = shown(frames)
        assert (whole.end["status"], whole.text) == ("stopped", "")
        await is_kept(alice, conversation, whole)
        await goes_on(alice, conversation, whole)
        assert len(upstream.requests) == 2


# Cut off


@pytest.mark.parametrize("how", [FIN, RST], ids=["FIN", "RST"])
@pytest.mark.parametrize("tokens", [1, 2, 7, 300])
async def test_a_cut_after_text_keeps_it_and_asks_nobody_again(
    person: Meet, patient: Place, how: Cut, tokens: int
) -> None:
    alice = person(patient)
    conversation = await alice.create()
    gate = asyncio.Event()
    pieces = [f"{number} 话 " for number in range(tokens)]
    # What a reset finds in a socket is lost, so the cut waits until all has been seen.
    async with UpstreamAt(patient.port, streamed(*map(text, pieces), gate, how), HELLO) as upstream:
        turn = await alice.begin(conversation, "a question")
        async with alice.stream(events(conversation, turn)) as stream:
            frames = await stream.until(lambda frames: text_of(frames) == "".join(pieces))
            gate.set()
            frames += [frame async for frame in stream]
        whole = shown(frames)
        assert reply_of(whole) == cut("".join(pieces), UNAVAILABLE)
        assert len(upstream.requests) == 1
        await is_kept(alice, conversation, whole)
        await goes_on(alice, conversation, whole)
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("how", [FIN, RST], ids=["FIN", "RST"])
async def test_a_cut_after_reasoning_alone_keeps_that_and_asks_nobody_again(
    person: Meet, patient: Place, how: Cut
) -> None:
    alice = person(patient)
    conversation = await alice.create()
    gate = asyncio.Event()
    async with UpstreamAt(patient.port, streamed(chunk({"reasoning": "hm"}), gate, how), HELLO) as upstream:
        turn = await alice.begin(conversation, "a question")
        async with alice.stream(events(conversation, turn)) as stream:
            frames = await stream.until(lambda frames: frames[-1].name == "reasoning")
            gate.set()
            frames += [frame async for frame in stream]
        whole = shown(frames)
        assert reply_of(whole) == failed(UNAVAILABLE, reasoning="hm")
        assert len(upstream.requests) == 1
        await is_kept(alice, conversation, whole)
        await goes_on(alice, conversation, whole)


BEFORE_TEXT = {
    "closed at once": raw(FIN),
    "reset at once": raw(RST),
    "in the headers": raw(b"HTTP/1.1 200 OK\r\nContent-Ty", FIN),
    "after the headers": streamed(FIN),
    "an empty answer": streamed(),
    "after an event without text": streamed(chunk({"role": "assistant"}), FIN),
    "reset after an event without text": streamed(chunk({"role": "assistant"}), RST),
    "in the first text": streamed(b'data: {"choices":[{"delta":{"content":"ha', FIN),
}


@pytest.mark.parametrize("script", BEFORE_TEXT.values(), ids=BEFORE_TEXT)
async def test_a_cut_before_text_is_tried_again_and_said(person: Meet, patient: Place, script: Answer) -> None:
    whole, _ = await one_turn(person(patient), script, HELLO, port=patient.port)
    assert reply_of(whole) == said("Hello", "", UNAVAILABLE)


async def test_nothing_but_cuts_ends_after_three_tries(person: Meet, patient: Place) -> None:
    whole, _ = await one_turn(person(patient), raw(FIN), raw(RST), streamed(FIN), port=patient.port)
    assert reply_of(whole) == failed(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE)


# Refused


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "at_least_s"),
    [
        (lambda: "3", 3.0),
        (lambda: in_seconds(4), 2.5),  # a date has no fractions
        (lambda: "0", 0.0),
        (lambda: "-99999999", 0.0),
        (lambda: "soon", 0.0),
        (lambda: "", 0.0),
        (lambda: in_seconds(-3_600), 0.0),
        (lambda: "Wed, 21 Oct 99999999999 07:28:00 GMT", 0.0),
    ],
    ids=["seconds", "date", "zero", "negative", "garbage", "empty", "past", "no date"],
)
async def test_a_limit_that_passes_is_waited_for_as_long_as_it_asks(
    person: Meet, patient: Place, header: Callable[[], str], at_least_s: float
) -> None:
    limited = answer(429, {"error": {"message": f"{KEY} is asked too often"}}, Retry_After=header())
    whole, took = await one_turn(person(patient), limited, HELLO, port=patient.port)
    assert reply_of(whole) == said("Hello", "", LIMITED)
    (notice,) = whole.notices
    assert at_least_s <= notice["retry_in_s"] < at_least_s + 2.5
    assert took.s >= at_least_s


async def test_a_limit_without_a_time_is_tried_three_times(person: Meet, patient: Place) -> None:
    whole, _ = await one_turn(person(patient), answer(429), answer(429), answer(429), port=patient.port)
    assert reply_of(whole) == failed(LIMITED, LIMITED, LIMITED)
    whole, _ = await one_turn(person(patient), answer(429), answer(429), HELLO, port=patient.port)
    assert reply_of(whole) == said("Hello", "", LIMITED, LIMITED)


@pytest.mark.parametrize("header", ["61", "99999999999999999999999", "1e400", "inf"])
async def test_a_limit_that_would_take_too_long_is_said_at_once(person: Meet, patient: Place, header: str) -> None:
    whole, took = await one_turn(person(patient), answer(429, Retry_After=header), port=patient.port)
    assert reply_of(whole) == failed(LIMITED)
    assert took.within(LATE_S), took


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_that_is_ill_for_a_moment_is_asked_again(person: Meet, patient: Place, status: int) -> None:
    ill = answer(status, "<html><body>Bad Gateway</body></html>", Content_Type="text/html")
    whole, _ = await one_turn(person(patient), ill, HELLO, port=patient.port)
    assert reply_of(whole) == said("Hello", "", UNAVAILABLE)


async def test_a_server_that_stays_ill_is_said_after_three_tries(person: Meet, patient: Place) -> None:
    whole, took = await one_turn(person(patient), answer(500), answer(502), answer(503), port=patient.port)
    assert reply_of(whole) == failed(UNAVAILABLE, UNAVAILABLE, UNAVAILABLE)
    assert took.s >= WAITS_S[0]
    assert took.within(WAITS_S[1] + LATE_S), took


async def test_a_key_that_is_refused_is_said_and_not_shown(person: Meet, patient: Place) -> None:
    complaint = {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}
    alice = person(patient)
    async with UpstreamAt(patient.port, answer(401, complaint), HELLO) as upstream:
        conversation = await alice.create()
        turn = await alice.begin(conversation, "a question")
        async with alice.stream(events(conversation, turn)) as stream:
            frames = [frame async for frame in stream]
        whole = shown(frames)
        assert reply_of(whole) == failed("model_auth_failed")
        assert KEY.encode() not in stream.raw
        assert len(upstream.requests) == 1
        assert upstream.requests[0].headers["authorization"] == f"Bearer {KEY}"
        await is_kept(alice, conversation, whole)
        await goes_on(alice, conversation, whole)


TOO_LONG = answer(
    400,
    {"error": {"message": "This model's maximum context length is 99 tokens.", "code": "context_length_exceeded"}},
)


async def test_a_conversation_that_is_too_long_is_asked_again_with_less_of_it(person: Meet, patient: Place) -> None:
    alice = person(patient)
    conversation = await alice.create()
    async with UpstreamAt(patient.port, HELLO, HELLO, TOO_LONG, HELLO, TOO_LONG) as upstream:
        for question in ("one", "two"):
            assert (await alice.say(conversation, question)).text == "Hello"
        assert reply_of(await alice.say(conversation, "three")) == said("Hello", "", "context_too_long")
        sent = [len(request.json["messages"]) for request in upstream.requests]
        assert sent[3] < sent[2]
        assert upstream.requests[3].json["messages"][-1]["content"] == "three"

        whole = await alice.say(conversation, "four")
        assert reply_of(whole) == failed("context_too_long", "context_too_long")
        assert len(upstream.requests) == 6
    async with UpstreamAt(patient.port, HELLO):
        await goes_on(alice, conversation, whole)


async def test_a_question_that_is_too_long_by_itself_is_said_at_once(person: Meet, patient: Place) -> None:
    whole, took = await one_turn(person(patient), TOO_LONG, port=patient.port)
    assert reply_of(whole) == failed("context_too_long")
    assert took.within(LATE_S), took


@pytest.mark.parametrize(
    ("status", "code"), [(400, "model_refused"), (403, "model_auth_failed"), (404, UNAVAILABLE), (422, "model_refused")]
)
async def test_any_other_refusal_is_said_at_once(person: Meet, patient: Place, status: int, code: str) -> None:
    whole, took = await one_turn(person(patient), answer(status, {"error": {"message": "no"}}), port=patient.port)
    assert reply_of(whole) == failed(code)
    assert took.within(LATE_S), took


# A 200 that is none


async def test_an_error_at_the_beginning_of_a_200_counts_as_its_status(person: Meet, patient: Place) -> None:
    alice = person(patient)
    whole, _ = await one_turn(alice, answer(200, {"error": {"code": 503}}), HELLO, port=patient.port)
    assert reply_of(whole) == said("Hello", "", UNAVAILABLE)
    whole, _ = await one_turn(alice, streamed(chunk({}, error={"code": 429})), HELLO, port=patient.port)
    assert reply_of(whole) == said("Hello", "", LIMITED)
    whole, _ = await one_turn(alice, streamed(data('{"error": {"message": "odd"}}'), DONE), port=patient.port)
    assert reply_of(whole) == failed("model_bad_response")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 502, "message": "gone"}, UNAVAILABLE),
        ({"code": 429}, LIMITED),
        ({"message": "?"}, "model_bad_response"),
    ],
    ids=["ill", "limited", "unknown"],
)
async def test_an_error_in_mid_stream_keeps_the_text_and_asks_nobody_again(
    person: Meet, patient: Place, error: dict[str, object], code: str
) -> None:
    script = streamed(text("half "), text("a"), chunk({}, "error", error=error), text("never"), DONE)
    whole, _ = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == cut("half a", code)


@pytest.mark.parametrize(
    "script",
    [
        answer(200, "<!doctype html><title>Log in</title>", Content_Type="text/html"),
        answer(200, "<!doctype html><title>Log in</title>", Content_Type="text/event-stream"),
        until_closed(b"<html>" + b"x" * 100_000, content_type="text/html"),
        answer(200, {"hello": "world"}),
        raw(b"SSH-2.0-OpenSSH_9.6\r\n", HANG),
    ],
    ids=["html", "html as events", "endless html", "other json", "not http"],
)
async def test_what_is_no_answer_is_said_and_never_shown(person: Meet, patient: Place, script: Answer) -> None:
    whole, took = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == failed("model_bad_response")
    assert took.within(LATE_S), took


# Odd, but an answer

LOTUS = "连话 🪷 é ﷽ 👩‍👩‍👧"


def utf8(content: str, finish: str | None = None) -> bytes:
    """An event whose text stands there in UTF-8, as most servers send it."""
    body = {"choices": [{"delta": {"content": content}, "finish_reason": finish}]}
    return data(json.dumps(body, ensure_ascii=False))


def bytewise(stream: bytes) -> Answer:
    """Each byte in a packet of its own."""
    return streamed(*(step for at in range(len(stream)) for step in (stream[at : at + 1], Pause(0.001))))


def compressed(body: bytes) -> Answer:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n"
    return raw(head, gzip.compress(body), FIN)


USAGE = {"prompt_tokens": 11, "completion_tokens": 2, "total_tokens": 13}
ODD = {
    "each byte by itself": (bytewise(utf8(LOTUS) + utf8(LOTUS, "stop") + DONE), said(LOTUS * 2)),
    "reasoning": (streamed(chunk({"reasoning": "h"}), chunk({"reasoning": "m"}), text("a"), FINISH), said("a", "hm")),
    "reasoning_content": (streamed(chunk({"reasoning_content": "hm"}), text("a"), FINISH, DONE), said("a", "hm")),
    "reasoning under both names": (
        streamed(chunk({"reasoning": "hm", "reasoning_content": "hm"}), text("a"), FINISH, DONE),
        said("a", "hm"),
    ),
    "empty choices": (streamed(data('{"choices": []}'), text("a"), data('{"choices": []}'), FINISH, DONE), said("a")),
    "null content": (streamed(chunk({"content": None}), text("a"), chunk({"content": None}), FINISH, DONE), said("a")),
    "null delta": (streamed(data('{"choices": [{"delta": null}]}'), text("a"), FINISH, DONE), said("a")),
    "nothing but a finish": (streamed(FINISH, DONE), said("")),
    "no end mark": (until_closed(text("a"), FINISH), said("a")),
    "no finish reason": (streamed(text("a"), DONE), said("a")),
    "CRLF": (streamed((text("a") + text("b") + FINISH + DONE).replace(b"\n", b"\r\n")), said("ab")),
    "CRLF, cut in two": (
        bytewise((utf8("连") + FINISH + DONE).replace(b"\n", b"\r\n")),
        said("连"),
    ),
    "CR": (streamed((text("a") + text("b") + FINISH + DONE).replace(b"\n", b"\r")), said("ab")),
    "a last event without its blank line": (until_closed(text("a"), FINISH.rstrip()), said("a")),
    "a byte order mark": (streamed(b"\xef\xbb\xbf" + text("a"), FINISH, DONE), said("a")),
    "a character in two halves": (
        streamed(chunk({"content": "\ud83e"}), chunk({"content": "\udeb7"}), FINISH, DONE),
        said("🪷"),
    ),
    "text after the end mark": (streamed(text("a"), FINISH, DONE, text("b")), said("a")),
    "compressed, although nobody asked": (compressed(text("a") + FINISH + DONE), said("a")),
    "one JSON text": (
        answer(200, {"choices": [{"message": {"content": "all of it"}, "finish_reason": "stop"}]}),
        said("all of it"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "expected"), ODD.values(), ids=ODD)
async def test_an_odd_answer_is_understood(person: Meet, patient: Place, script: Answer, expected: Reply) -> None:
    whole, _ = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == expected


async def test_a_chunk_with_usage_alone_is_taken_for_what_it_says(person: Meet, patient: Place) -> None:
    script = streamed(text("a"), FINISH, data(json.dumps({"choices": [], "usage": USAGE})), DONE)
    whole, _ = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == said("a")
    assert {name: whole.end["usage"][name] for name in ("prompt_tokens", "completion_tokens")} == {
        "prompt_tokens": 11,
        "completion_tokens": 2,
    }


THINKING = {
    "in tags": (streamed(text("<thi"), text("nk>h"), text("m</th"), text("ink>\n\na"), FINISH, DONE), said("a", "hm")),
    "in tags, byte by byte": (bytewise(utf8("<think>嗯</think>连") + FINISH + DONE), said("连", "嗯")),
    "in harmony": (
        streamed(text("<|channel|>analysis<|mess"), text("age|>hm<|end|><|start|>assistant"),
                 text("<|channel|>final<|message|>a"), FINISH, DONE),
        said("a", "hm"),
    ),
    "with the opening tag in the prompt": (
        streamed(text("h"), Pause(0.1), text("m\n</thi"), text("nk>a"), FINISH, DONE),
        said("a", "hm"),
    ),
    "tags in backticks": (streamed(text("`<think>`"), text(" and `</think>`"), FINISH, DONE),
                          said("`<think>` and `</think>`")),
    "one JSON text": (answer(200, {"choices": [{"message": {"content": "<think>hm</think>a"}}]}), said("a", "hm")),
}  # fmt: skip


@pytest.mark.parametrize(("script", "expected"), THINKING.values(), ids=THINKING)
async def test_thoughts_in_the_text_are_no_part_of_the_reply_nor_of_the_next_prompt(
    person: Meet, patient: Place, script: Answer, expected: Reply
) -> None:
    whole, _ = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == expected


async def test_thoughts_known_only_at_their_end_are_put_right_for_every_viewer(person: Meet, patient: Place) -> None:
    alice = person(patient)
    conversation = await alice.create()
    gates = [asyncio.Event(), asyncio.Event()]
    script = streamed(text("hm, "), text("yes"), gates[0], text("</think>a"), gates[1], text("b"), FINISH, DONE)
    async with UpstreamAt(patient.port, script):
        turn = await alice.begin(conversation, "a question")
        async with alice.stream(events(conversation, turn)) as stream:
            frames = await stream.until(lambda frames: text_of(frames) == "hm, yes")
            gates[0].set()
            frames += await stream.until(lambda frames: text_of(frames).endswith("a"))
            async with alice.stream(events(conversation, turn)) as late:
                late_frames = await late.until(lambda frames: frames[-1].name != "turn")
                gates[1].set()
                late_frames += [frame async for frame in late]
            frames += [frame async for frame in stream]
    (snapshot,) = [frame.data for frame in frames if frame.name == "snapshot"]
    assert snapshot == {"content": "", "reasoning": "hm, yes"}
    for seen in (shown(frames), shown(late_frames)):
        assert reply_of(seen) == said("ab", "hm, yes")
        await is_kept(alice, conversation, seen)


def whole_message(content: str, delta: Any = None) -> bytes:
    choice = {"delta": delta, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return data(json.dumps({"choices": [choice]}))


PICTURE = "data:image/png;base64," + "iVBORw0KGgoA" * 130_000
ONCE = {
    "each piece all so far": (
        streamed(text("Hel"), text("Hello"), Pause(0.1), text("Hello you"), text("Hello you two"), FINISH, DONE),
        said("Hello you two"),
    ),
    "thoughts apart and in tags": (
        streamed(chunk({"reasoning_content": "hm"}), text("<think>hm</think>a"), FINISH, DONE),
        said("a", "hm"),
    ),
    "said again as a message": (streamed(text("Hel"), text("lo"), whole_message("Hello"), DONE), said("Hello")),
    "a picture of 1.5 MB": (
        streamed(text("be"), chunk({"images": [{"image_url": {"url": PICTURE}}]}), text("hind"), FINISH, DONE),
        said("behind", "", "picture_left_out"),
    ),
}


@pytest.mark.parametrize(("script", "expected"), ONCE.values(), ids=ONCE)
async def test_the_text_is_shown_whole_and_once(person: Meet, patient: Place, script: Answer, expected: Reply) -> None:
    whole, _ = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == expected


# Failures that look like an end

OVERFLOW = (
    b'error: {"code":400,"message":"the request exceeds the available context size","type":"invalid_request"}\n\n'
)
HIDDEN = {
    "an end mark alone": (streamed(DONE), failed("model_bad_response")),
    "an error object": (streamed(data('{"object":"error","message":"no","code":400}')), failed("model_refused")),
    "an error field": (streamed(OVERFLOW, DONE), failed("context_too_long")),
    "an event of that name": (streamed(b"event: error\ndata: oops\n\n", DONE), failed("model_bad_response")),
    "a detail": (streamed(data('{"detail":"no"}'), DONE), failed("model_bad_response")),
    "a reason, half a text": (streamed(text("half"), chunk(finish="network_error"), DONE), cut("half", UNAVAILABLE)),
    "a filter": (streamed(chunk(finish="content_filter"), DONE), failed("model_refused")),
    "nothing but thoughts": (
        streamed(chunk({"reasoning": "hm"}), chunk(finish="length"), DONE),
        failed("model_bad_response", reasoning="hm"),
    ),
    "nothing but thoughts, to their end": (
        streamed(text("<think>hm</think>"), FINISH, DONE), failed("model_bad_response", reasoning="hm"),
    ),
    "nothing but a call": (
        streamed(chunk({"tool_calls": [{"index": 0, "function": {"name": "f"}}]}), chunk(finish="tool_calls"), DONE),
        failed("model_bad_response"),
    ),
    "nothing, for a reason of its own": (streamed(chunk(finish="OTHER"), DONE), failed("model_bad_response")),
    "more than a minute has": (
        answer(413, {"error": {"code": "rate_limit_exceeded", "message": "Request too large"}}), failed(LIMITED),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "expected"), HIDDEN.values(), ids=HIDDEN)
async def test_a_failure_inside_a_200_is_never_an_end(
    person: Meet, patient: Place, script: Answer, expected: Reply
) -> None:
    whole, _ = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == expected


async def test_a_context_too_long_inside_a_200_is_asked_again_with_less(person: Meet, patient: Place) -> None:
    alice = person(patient)
    conversation = await alice.create()
    async with UpstreamAt(patient.port, HELLO, HELLO, streamed(OVERFLOW, DONE), HELLO):
        for question in ("one", "two"):
            await alice.say(conversation, question)
        assert reply_of(await alice.say(conversation, "three")) == said("Hello", "", "context_too_long")


# Why a reply ended


async def go_on(client: Client, conversation: str, whole: Shown) -> Shown:
    """Asks for the rest of a reply and watches it."""
    begun = await client.ask("POST", turns(conversation), {"continue": whole.turn["reply_message_id"]})
    assert begun.status == 202, begun.body
    return shown(await client.read(events(conversation, begun.json["turn_id"])))


async def test_a_reply_that_was_cut_for_its_length_says_so_and_goes_on(person: Meet, patient: Place) -> None:
    alice = person(patient)
    conversation = await alice.create()
    cut_short = streamed(text("Hel"), chunk(finish="max_tokens"), DONE)
    only_thoughts = streamed(text("<think>hm"), chunk(finish="length"), DONE)
    async with UpstreamAt(patient.port, cut_short, HELLO, only_thoughts, HELLO) as upstream:
        whole = await alice.say(conversation, "a question")
        assert (whole.end["status"], whole.end["finish_reason"]) == ("done", "length")
        await is_kept(alice, conversation, whole)
        file = await alice.get(f"/api/conversations/{conversation}/export", format="json")
        assert file["conversations"][0]["messages"][1]["finish_reason"] == "length"
        assert (await go_on(alice, conversation, whole)).text.startswith("Hel")

        empty = await alice.say(conversation, "another")
        assert reply_of(empty) == failed("model_bad_response", reasoning="hm")
        assert empty.end["finish_reason"] == "length"
        after = await go_on(alice, conversation, empty)
        assert (after.text, after.reasoning.split()) == ("Hello", ["hm"])
        assert "hm" not in json.dumps(upstream.requests[-1].json)


async def test_an_account_without_credit_and_an_unknown_model_are_named(person: Meet, patient: Place) -> None:
    alice = person(patient)
    whole, _ = await one_turn(alice, answer(402, {"error": {"message": "no"}}), port=patient.port)
    assert reply_of(whole) == failed("model_refused")
    assert "余额" in whole.end["message"]
    unknown = {"error": {"message": f"The model `gpt-4o` does not exist {KEY}", "code": "model_not_found"}}
    listed = answer(200, {"data": [{"id": "gpt-4"}, {"id": "llama3"}, {"id": f"<b>{KEY}</b>"}]})
    whole, _ = await one_turn(alice, answer(404, unknown), listed, port=patient.port)
    assert reply_of(whole) == failed(UNAVAILABLE)
    assert {"gpt-4o", "gpt-4", "llama3"} <= set(re.findall(r"[\w.-]+", whole.end["message"]))
    assert KEY not in whole.end["message"]


@pytest.mark.parametrize(
    "script",
    [
        until_closed(text("whole"), b'data: {"choices":[{"delta":{"content":" ha'),
        streamed(text("whole"), b'data: {"choices":[{"delta":{"content":" ha'),
        streamed(text("whole"), 'data: {"choices":[{"delta":{"content":"连'.encode()[:-1], FIN),
        until_closed(text("whole"), b"da"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", text("whole"), FIN),
    ],
    ids=["of a closed connection", "of an orderly body", "in mid-character", "before its colon", "of a known length"],
)
async def test_half_a_line_at_the_end_is_not_shown_and_the_reply_not_complete(
    person: Meet, patient: Place, script: Answer
) -> None:
    whole, _ = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == cut("whole", UNAVAILABLE)


@pytest.mark.parametrize("content", [b'{"choices": [{', b"[" * 200_000], ids=["half", "nested for ever"])
async def test_an_event_that_is_no_json_ends_the_reply_and_keeps_the_text(
    person: Meet, patient: Place, content: bytes
) -> None:
    whole, _ = await one_turn(person(patient), streamed(text("a"), data(content), HANG), port=patient.port)
    assert reply_of(whole) == cut("a", "model_bad_response")


# Far too much

MIB = 1024 * 1024
MUCH_BYTES = 56 * MIB
ROOM_BYTES = 24 * MIB  # far below what is sent; what a single reply needs while it runs is a few MiB
REPLY_CHARS = 400_000
ONE_READ_CHARS = MIB  # what one read brought is shown whole


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server whose replies are bounded far below what is sent to it."""
    yield from start(tmp_path_factory.mktemp("bounded"), LIANHUA_REPLY_CHARS=str(REPLY_CHARS))


def resident_bytes(pid: int, field: str = "VmRSS") -> int:
    """Memory of a process that is in use now, or with `VmHWM` was at most (proc(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def forget_peak(pid: int) -> None:
    """Lets `VmHWM` begin again at what is in use now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def without_end(piece: bytes, before: bytes = b"") -> Answer:
    """`piece` again and again, several times what any test takes."""
    block = piece * max(MIB // len(piece), 1)
    return until_closed(before, *(block,) * (4 * MUCH_BYTES // MIB))


@pytest.mark.parametrize(
    ("piece", "chars"),
    [(utf8("荷" * 1_000), 1_000), (utf8("a"), 1), (chunk({"reasoning": "so"}), 2)],
    ids=["text", "tiny pieces", "reasoning"],
)
async def test_endless_output_is_stopped_at_its_bound_and_leaves_nothing_in_memory(
    person: Meet, bounded: Place, piece: bytes, chars: int
) -> None:
    alice, pid = person(bounded), bounded.server.pid

    async def stopped_reply() -> int:
        """How many bytes were taken."""
        async with UpstreamAt(bounded.port, without_end(piece), HELLO) as upstream:
            conversation = await alice.create()
            turn = await alice.begin(conversation, "a question")
            whole = shown(await alice.read(events(conversation, turn), patience_s=60))
            assert (whole.end["status"], whole.end["finish_reason"]) == ("stopped", "length")
            length = len(whole.text) + len(whole.reasoning)
            assert REPLY_CHARS <= length < REPLY_CHARS + ONE_READ_CHARS
            assert len(upstream.requests) == 1
            await is_kept(alice, conversation, whole)
            await goes_on(alice, conversation, whole)
        return length // chars * len(piece)

    await stopped_reply()  # what the first reply of its kind allocates may stay
    before = resident_bytes(pid)
    taken_bytes = 0
    while taken_bytes < MUCH_BYTES:
        taken_bytes += await stopped_reply()
    assert resident_bytes(pid) - before < ROOM_BYTES


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (without_end(b"x", before=b"data: "), failed("model_bad_response")),
        (without_end(b"x", before=text("half") + b"data: "), cut("half", "model_bad_response")),
        (without_end(b": x", before=text("half")), cut("half", "model_bad_response")),
        (without_end(b"data: x\n", before=text("half")), cut("half", "model_bad_response")),
        (without_end(b" ", before=b'{"choices": ['), failed("model_bad_response")),
        (raw(b"HTTP/1.1 200 OK\r\nX-Endless: ", *(b"x" * MIB,) * 100), failed("model_bad_response")),
        (compressed(b"data: " + b"x" * (100 * MIB)), failed("model_bad_response")),
        (raw(b"HTTP/1.1 400 No\r\n\r\n", *(b"x" * MIB,) * 100), failed("model_refused")),
    ],
    ids=["line", "line after text", "comment", "event of lines", "JSON", "header", "compressed line", "refusal"],
)
async def test_what_has_no_end_is_given_up_before_it_fills_the_memory(
    person: Meet, bounded: Place, script: Answer, expected: Reply
) -> None:
    pid = bounded.server.pid
    before = resident_bytes(pid)
    forget_peak(pid)
    whole, took = await one_turn(person(bounded), script, port=bounded.port)
    assert reply_of(whole) == expected
    assert took.within(LATE_S), took
    assert resident_bytes(pid, "VmHWM") - before < ROOM_BYTES


async def test_a_flood_of_comments_ends_with_the_time_for_a_first_byte(person: Meet, hurried: Place) -> None:
    pid = hurried.server.pid
    before = resident_bytes(pid)
    forget_peak(pid)
    flood = streamed(*(step for _ in range(2_000) for step in (b": ping\n\n" * 8_192, Pause(0.01))))
    whole, took = await one_turn(person(hurried), flood, port=hurried.port)
    assert reply_of(whole) == failed("model_timeout")
    assert took.within(FIRST_BYTE_S + LATE_S), took
    assert resident_bytes(pid, "VmHWM") - before < ROOM_BYTES


async def test_thousands_of_tiny_chunks_arrive_in_order_and_complete(person: Meet, patient: Place) -> None:
    pieces = [f"{number}荷" for number in range(20_000)]
    script = streamed(*map(utf8, pieces), FINISH, DONE)
    whole, _ = await one_turn(person(patient), script, port=patient.port)
    assert reply_of(whole) == said("".join(pieces))
