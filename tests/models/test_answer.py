"""What a model's server answers, and how it is read: every oddity that real servers have."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

import pytest

from lianhua.chat.messages import Usage
from lianhua.errors import (
    ModelBadResponse,
    ModelRefused,
    ModelUnavailable,
)
from lianhua.models.openai.model import OpenAIModel
from lianhua.models.port import Corrected, Finish, PictureLeftOut, ReasoningDelta, TextDelta
from tests.support.models.asking import HELLO, HELLO_DELTAS, PLAIN, PROMPT, Ask, said, shown, taken
from tests.support.upstream import (
    DONE,
    FIN,
    HANG,
    RST,
    Answer,
    Pause,
    Step,
    Upstream,
    answer,
    chunk,
    events,
    raw,
    text,
    until_closed,
)
from tests.support.waiting import HANGS_S

# What is read


async def test_text_comes_in_order_and_ends_with_the_finish(ask: Ask) -> None:
    assert await ask(HELLO) == HELLO_DELTAS


async def test_all_that_one_read_brings_is_one_batch(model_at: Callable[..., OpenAIModel]) -> None:
    gate = asyncio.Event()
    async with (
        Upstream(events(text("a") + text("b") + text("c"), gate, text("d"), DONE)) as upstream,
        aclosing(model_at(upstream.base_url).stream(PROMPT, PLAIN)) as stream,
    ):
        assert await taken(stream) == [TextDelta("abc")]
        gate.set()
        assert await taken(stream) == [TextDelta("d")]


ODD = {
    "a role-only chunk": (chunk({"role": "assistant", "content": None}), text("a"), chunk(finish="stop"), DONE),
    "empty choices first": (b'data: {"choices":[],"prompt_filter_results":[]}\n\n', text("a"), DONE),
    "choices that are null": (b'data: {"choices":null}\n\n', text("a"), DONE),
    "no choices": (b'data: {"id":"x"}\n\n', text("a"), DONE),
    "a choice without delta": (b'data: {"choices":[{"index":0}]}\n\n', text("a"), DONE),
    "a delta that is null": (b'data: {"choices":[{"delta":null,"finish_reason":null}]}\n\n', text("a"), DONE),
    "empty content": (text(""), text("a"), text(""), DONE),
    "an empty finish reason in each chunk": (chunk({"content": "a"}, ""), chunk({}, ""), DONE),
    "comments between": (b": OPENROUTER PROCESSING\n\n", text("a"), b":\n\n", DONE),
    "CRLF": (text("a").replace(b"\n", b"\r\n"), DONE.replace(b"\n", b"\r\n")),
    "CR": (text("a").replace(b"\n", b"\r"), DONE.replace(b"\n", b"\r")),
    "no space after the colon": (text("a").replace(b"data: ", b"data:"), b"data:[DONE]\n\n"),
    "a byte order mark": (b"\xef\xbb\xbf" + text("a"), DONE),
    "blank lines first": (b"\n\n", b"\r\n" + text("a"), DONE),
    "event names and ids": (b"event: message\nid: 1\n" + text("a"), DONE),
    "tool calls": (chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}), text("a"), DONE),
    "an error that is null": (chunk({"content": "a"}, error=None), DONE),
    "words that are no JSON": (b"data: ping\n\n", b"data: null\n\n", text("a"), DONE),
    "a second choice": (b'data: {"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}\n\n', DONE),
    "a NUL": (text("\0a\0"), text("\0"), DONE),
    "a raw control character": (b'data: {"choices":[{"delta":{"content":"a"}}],"x":"\x01"}\n\n', DONE),
    "single line ends and no finish reason": (text("a")[:-1], DONE),
    "single line ends to the end mark": (text("a")[:-1], chunk(finish="stop")[:-1], DONE),
    "single line ends between events": (text("")[:-1] + text("a")[:-1] + chunk({})[:-1], b"\n", DONE),
    "content in parts": (chunk({"content": [{"type": "text", "text": "a"}]}), DONE),
    "a refusal": (chunk({"refusal": "a", "content": None}), DONE),
    "what follows the end mark": (text("a"), DONE, text("b")),
    "no blank line after the end mark": (text("a"), b"data: [DONE]"),
    "an end mark with more behind it": (text("a"), b"data: [DONE] \n\n"),
    "a finish reason of the wrong type": (text("a"), b'data: {"choices":[{"finish_reason":0}]}\n\n', DONE),
}


@pytest.mark.parametrize("steps", ODD.values(), ids=ODD.keys())
async def test_odd_streams_are_read_like_plain_ones(ask: Ask, steps: tuple[bytes, ...]) -> None:
    assert await ask(events(*steps)) == [TextDelta("a"), Finish("stop")]


@pytest.mark.parametrize("steps", ODD.values(), ids=ODD.keys())
async def test_odd_streams_may_be_cut_at_every_byte(ask: Ask, steps: tuple[bytes, ...]) -> None:
    whole = b"".join(steps)
    assert await ask(events(*(whole[at : at + 1] for at in range(len(whole))))) == [TextDelta("a"), Finish("stop")]


async def test_utf8_split_between_two_reads_is_put_together(ask: Ask) -> None:
    stream = 'data: {"choices":[{"delta":{"content":"连话🪷"}}]}\n\n'.encode() + DONE
    for cut in range(1, len(stream)):
        assert shown(await ask(events(stream[:cut], stream[cut:]))) == "连话🪷"


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (['"\\ud83e\\udeb7"'], "🪷"),
        (['"a\\ud83e"', '"\\udeb7b"'], "a🪷b"),
        (['"\\ud83e"', '""', '"\\udeb7"'], "🪷"),
        (['"a\\ud83e"', '"b"'], "a�b"),
        (['"\\udeb7a"'], "�a"),
        (['"\\ud83e\\ud83e\\udeb7"'], "�🪷"),
        (['"a\\ud83e"'], "a�"),
        (['"a\xff"'], "a�"),
    ],
)
async def test_halves_of_characters_are_joined_or_replaced(ask: Ask, pieces: list[str], whole: str) -> None:
    for field, kind in (("content", TextDelta), ("reasoning_content", ReasoningDelta)):
        steps = [f'data: {{"choices":[{{"delta":{{"{field}":{piece}}}}}]}}\n\n'.encode("latin-1") for piece in pieces]
        deltas = await ask(events(*steps, DONE))
        assert "".join(delta.text for delta in deltas if isinstance(delta, kind)) == whole
        whole.encode()


async def test_reasoning_under_either_name_and_under_both_is_said_once(ask: Ask) -> None:
    thinking = [
        chunk({"reasoning": "a"}),
        chunk({"reasoning_content": "b"}),
        chunk({"reasoning": "c", "reasoning_content": "c"}),
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "d"}]}]}),
        chunk({"reasoning": "e", "content": "f"}),
    ]
    assert await ask(events(*thinking, DONE)) == [
        ReasoningDelta("abcde"),
        TextDelta("f"),
        Finish("stop"),
    ]


@pytest.mark.parametrize("reason", ["length", "content_filter", "tool_calls", "stop", "a new one"])
async def test_the_finish_reason_is_passed_on(ask: Ask, reason: str) -> None:
    assert (await ask(events(text("a"), chunk(finish=reason), DONE)))[-1] == Finish(reason)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("eos_token", "stop"),
        ("end_turn", "stop"),
        ("MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("sensitive", "content_filter"),
        ("content_filter: SAFETY", "content_filter"),
        ("tool_use", "tool_calls"),
        ("x" * 500, "x" * 64),
    ],
)
async def test_other_words_for_a_reason_are_understood(ask: Ask, word: str, reason: str) -> None:
    assert (await ask(events(text("a"), chunk(finish=word), DONE)))[-1] == Finish(reason)


@pytest.mark.parametrize("word", ["", "null", "None", "NULL", "none", "FINISH_REASON_UNSPECIFIED"])
async def test_a_word_that_is_no_reason_ends_nothing(ask: Ask, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.models.openai.response.AFTER_FINISH_S", 0.0)
    steps = [chunk({"content": piece}, word) for piece in "ab"]
    assert await ask(events(*steps, Pause(0.05), text("c"), DONE)) == [TextDelta("abc"), Finish("stop")]
    with pytest.raises(ModelUnavailable):
        await ask(*[events(chunk({}, word), FIN)] * 3)


@pytest.mark.parametrize(
    "steps",
    [
        (chunk({"role": "assistant"}, "stop"), text("a"), Pause(0.2), text("b"), DONE),
        (chunk({"content": "a"}, "stop"), chunk({"content": "b"}, "stop"), DONE),
        (chunk({"role": "assistant"}, "stop"), Pause(0.3), text("a"), text("b"), DONE),
        (chunk({"content": "a"}, "stop"), Pause(0.3), chunk({"content": "b"}, "stop"), DONE),
        (chunk({"content": "a"}, "length"), text("b"), chunk(finish="stop")),
        (chunk({"reasoning": ""}, "stop"), text("a"), chunk({}), text("b"), DONE),
    ],
    ids=["first", "in each", "long before", "a pause after the first", "and another", "and nothing"],
)
async def test_a_reason_is_the_end_only_once_no_delta_follows(
    ask: Ask, steps: tuple[Step, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lianhua.models.openai.response.AFTER_FINISH_S", 0.1)
    assert await ask(events(*steps)) == [TextDelta("ab"), Finish("stop")]


async def test_a_reply_that_went_on_behind_its_reason_and_was_cut_is_not_complete(ask: Ask) -> None:
    assert await ask(events(chunk({}, "stop"), text("a"), FIN)) == [TextDelta("a")]


def message(content: str | None, **choice: Any) -> bytes:
    """A chunk with a whole message."""
    said = {"message": {"role": "assistant", "content": content}, "finish_reason": None, **choice}
    return chunk(choices=[said])


AGAIN = {
    "no delta": (text("Hel"), text("lo"), message("Hello")),
    "a null delta": (text("Hel"), text("lo"), message("Hello", delta=None)),
    "an empty delta": (text("Hel"), text("lo"), message("Hello", delta={"content": ""})),
    "the last piece beside it": (text("Hel"), message("Hello", delta={"content": "lo"})),
    "the last piece in it": (text("Hel"), message("Hello")),
    "in one read": (text("Hel") + text("lo") + message("Hello"),),
    "trimmed": (text(" Hello"), message("Hello")),
    "a message alone": (message("Hello"),),
    "messages that grow": (message("He"), message("Hell"), message("Hello"), message("Hello")),
    "messages of pieces": (message("Hel"), message("lo")),
    "an empty message": (text("Hello"), message(None), message("")),
    "behind the reason": (text("Hello"), chunk(finish="stop"), message("Hello")),
}


@pytest.mark.parametrize("steps", AGAIN.values(), ids=AGAIN.keys())
async def test_a_message_behind_its_pieces_is_said_once(ask: Ask, steps: tuple[bytes, ...]) -> None:
    deltas = await ask(events(*steps, DONE))
    assert (shown(deltas).strip(), deltas[-1]) == ("Hello", Finish("stop"))


async def test_a_last_piece_that_is_all_of_the_reply_is_said_once_and_other_repetitions_stay(ask: Ask) -> None:
    pieces = [text("It is "), text("a lotus")]
    assert shown(await ask(events(*pieces, chunk({"content": "It is a lotus"}, "stop"), DONE))) == "It is a lotus"
    assert shown(await ask(events(*pieces, text("It is a lotus"), DONE))) == "It is a lotus" * 2
    assert shown(await ask(events(text("ha"), text("ha"), chunk({"content": "haha"}, "stop"), DONE))) == "haha" * 2


async def test_thoughts_said_again_in_a_message_stay_thoughts(ask: Ask) -> None:
    whole = "<think>h</think>a"
    again = message(whole, delta={})
    assert await ask(events(text("<think>h"), text("</think>a"), again, DONE)) == [
        ReasoningDelta("h"),
        TextDelta("a"),
        Finish("stop"),
    ]


async def test_a_closing_tag_alone_puts_right_what_was_given(ask: Ask) -> None:
    deltas = await ask(events(text("h"), Pause(0.05), text("m</think>"), text("a"), DONE))
    assert deltas == [TextDelta("h"), Corrected("", "hm"), TextDelta("a"), Finish("stop")]
    alone = [chunk({"reasoning": "h"}), text("a</think>b")]
    assert await ask(events(*alone, DONE)) == [ReasoningDelta("h"), TextDelta("a</think>b"), Finish("stop")]


async def test_what_was_held_back_of_a_mark_is_given_when_the_line_is_cut(model_at: Callable[..., OpenAIModel]) -> None:
    for end in ((FIN,), (RST,), (chunk({}, error={"code": 500}),)):
        async with (
            Upstream(events(text("a <"), *end)) as upstream,
            aclosing(model_at(upstream.base_url).stream(PROMPT, PLAIN)) as stream,
        ):
            said_so_far: list[Any] = []
            with suppress(ModelUnavailable):
                async for batch in stream:
                    said_so_far += batch
            assert shown(said_so_far) == "a <"


PICTURE = "data:image/png;base64," + "iVBORw0KGgo/" * 130_000


@pytest.mark.parametrize(
    "picture",
    [
        chunk({"images": [{"type": "image_url", "image_url": {"url": PICTURE}}]}),
        chunk({"content": "", "images": [{"url": PICTURE}, {"url": PICTURE}]}),
        chunk({"images": [{"url": PICTURE}]}).replace(b"/", b"\\/"),
        chunk({"images": [{"url": PICTURE[:2_000]}]}),
        chunk({"content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}),
    ],
    ids=["1.5 MB", "two", "escaped slashes", "small", "in the content"],
)
async def test_a_picture_is_left_out_and_the_text_is_whole(ask: Ask, picture: bytes) -> None:
    deltas = await ask(events(text("be"), picture, text("hind"), chunk(finish="stop"), DONE))
    assert shown(deltas) == "behind"
    assert deltas.count(PictureLeftOut()) == 1
    assert deltas[-1] == Finish("stop")


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9, "x": {}}, Usage(7, 2)),
        ({"prompt_tokens": 7.0, "completion_tokens": None}, Usage(7, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": "many"}, None),
        ({"prompt_tokens": 21, "completion_tokens": 0, "total_tokens": 81}, Usage(21, 60)),
        ({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135}, Usage(32, 103)),
        ({"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 3}, Usage(7, 2)),
        ({"completion_tokens": 2, "total_tokens": 9}, Usage(7, 2)),
        ({"input_tokens": 7, "output_tokens": 2}, Usage(7, 2)),
        ({"total_tokens": 9}, None),
        (
            {"prompt_tokens": 7, "completion_tokens": 0, "completion_tokens_details": {"reasoning_tokens": 5}},
            Usage(7, 5),
        ),
        (
            {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 6}},
            Usage(7, 2, cached_tokens=6),
        ),
        (
            {"prompt_tokens": 7, "completion_tokens": 2, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 1},
            Usage(7, 2, cached_tokens=6),
        ),
        ({"prompt_tokens": 7, "completion_tokens": 2, "cached_tokens": 6}, Usage(7, 2, cached_tokens=6)),
        (
            {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 105, "cache_read_input_tokens": 100},
            Usage(103, 2, cached_tokens=100),
        ),
        ({"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(7, 2)),
        ([], None),
        ("none", None),
        (None, None),
    ],
)
async def test_usage_is_read_wherever_it_comes(ask: Ask, usage: Any, read: Usage | None) -> None:
    alone = chunk(choices=[], usage=usage)
    assert (await ask(events(text("a"), chunk(finish="stop"), alone, DONE)))[-1] == Finish("stop", read)
    assert (await ask(events(text("a"), chunk({}, "stop", usage=usage), DONE)))[-1] == Finish("stop", read)
    within = chunk(choices=[{"delta": {}, "finish_reason": "stop", "usage": usage}])
    assert (await ask(events(text("a"), within, DONE)))[-1] == Finish("stop", read)
    groq = chunk({}, "stop", x_groq={"id": "req", "usage": usage})
    assert (await ask(events(text("a"), groq, DONE)))[-1] == Finish("stop", read)
    beside_a_choice = chunk({"content": ""}, usage=usage)
    assert (await ask(events(text("a"), chunk(finish="stop"), beside_a_choice, DONE)))[-1] == Finish("stop", read)


async def test_of_many_usages_the_last_that_says_something_counts(ask: Ask) -> None:
    def spent(completion: int) -> dict[str, int]:
        return {"prompt_tokens": 7 if completion else 0, "completion_tokens": completion}

    steps = [chunk({"content": "a"}, usage=spent(number)) for number in (1, 2, 3)]
    assert (await ask(events(*steps, chunk({}, "stop", usage=None), chunk({}, usage=spent(0)), DONE)))[-1] == Finish(
        "stop", Usage(7, 3)
    )


async def test_an_end_mark_without_finish_reason_is_a_stop(ask: Ask) -> None:
    assert await ask(events(text("a"), DONE)) == [TextDelta("a"), Finish("stop")]


async def test_an_empty_finish_reason_is_none(ask: Ask) -> None:
    assert await ask(events(chunk({"content": "a"}, ""))) == [TextDelta("a")]


async def test_a_finish_reason_without_end_mark_is_an_end(ask: Ask) -> None:
    finished = (text("a"), chunk(finish="length"))
    for script in (events(*finished), until_closed(*finished), events(*finished, FIN), events(*finished, RST)):
        assert await ask(script) == [TextDelta("a"), Finish("length")]


async def test_a_server_that_keeps_the_connection_open_after_its_finish_is_not_waited_for(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lianhua.models.openai.response.AFTER_FINISH_S", 0.05)
    assert (await ask(events(text("a"), chunk(finish="stop"), HANG)))[-1] == Finish("stop")
    assert (await ask(events(text("a"), DONE, HANG)))[-1] == Finish("stop")


async def test_an_answer_that_does_not_stream_is_one_delta(ask: Ask) -> None:
    whole = {
        "choices": [{"message": {"role": "assistant", "content": "all at once"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    expected = [TextDelta("all at once"), Finish("length", Usage(3, 4))]
    assert await ask(answer(200, whole)) == expected
    split = b'\n {"choices":[{"message":{"cont', b'ent":"all"}}]}'
    assert await ask(events(*split, content_type="application/json")) == [TextDelta("all"), Finish("stop")]


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream", "text/html"])
async def test_a_stream_under_a_wrong_content_type_is_read_all_the_same(ask: Ask, content_type: str) -> None:
    assert await ask(events(text("a"), DONE, content_type=content_type)) == [TextDelta("a"), Finish("stop")]


# What a server must not answer


@pytest.mark.parametrize(
    "script",
    [
        answer(200, "<!doctype html><html>Sign in</html>", Content_Type="text/html"),
        answer(200, "\n\n <html>", Content_Type="text/event-stream"),
        answer(200, {"status": "ok"}),
        answer(200, {"choices": []}),
        answer(200, "{oops"),
        answer(200, "[]"),
        answer(200, "OK", Content_Type="text/plain"),
        events(b'data: {"choices":[{"delta"\n\n', DONE),
        raw(b"SSH-2.0-OpenSSH_9.9\r\n", HANG),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n", HANG),
    ],
)
async def test_what_is_no_completion_is_a_bad_response(ask: Ask, script: Answer) -> None:
    with pytest.raises(ModelBadResponse):
        await ask(script)


async def test_an_endless_line_and_an_endless_body_are_bounded(
    model_at: Callable[..., OpenAIModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lianhua.models.openai.response.JSON_BODY_BYTES", 256 * 1024)
    block = b"x" * 64 * 1024
    for first in (b"data: ", b"{"):
        async with Upstream(events(first, *[block] * 64, HANG)) as upstream:
            with pytest.raises(ModelBadResponse, match="endless"):
                await said(model_at(upstream.base_url))
            async with asyncio.timeout(HANGS_S):
                await upstream.requests[0].gone.wait()


async def test_json_that_is_too_deep_is_a_bad_response(ask: Ask) -> None:
    deep = b'{"choices":[{"delta":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}]}"
    with pytest.raises(ModelBadResponse):
        await ask(events(text("a"), b"data: " + deep + b"\n\n"))
    with pytest.raises(ModelRefused):
        await ask(answer(400, deep))


async def test_an_error_may_hold_half_a_character(ask: Ask) -> None:
    with pytest.raises(ModelBadResponse):
        await ask(events(b'data: {"error": {"message": {"x": "\\ud83e"}, "code": "\\ud83e"}}\n\n'))


async def test_text_is_never_left_out_in_silence(ask: Ask) -> None:
    with pytest.raises(ModelBadResponse, match="not JSON"):
        await ask(events(text("a"), b'data: {"choices":[{"delta":{"content":"lost', b"\n\n", text("b"), DONE))
