"""What single servers and gateways do that others do not, each as it comes over the line."""

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lianhua.chat.messages import Usage
from lianhua.errors import ModelBadResponse, ModelRateLimited, ModelUnavailable
from lianhua.models.openai.model import OpenAIModel
from lianhua.models.port import Corrected, Delta, Finish, ReasoningDelta, TextDelta
from tests.support.models.asking import Ask, said
from tests.support.models.prompts import prompt_of
from tests.support.upstream import DONE, FIN, Answer, Pause, Upstream, answer, chunk, events, raw, text, until_closed


def seen(deltas: list[Delta]) -> tuple[str, str, str | None]:
    """Reasoning, text and the reason of the end, as somebody has them who follows the deltas."""
    reasoning = shown = ""
    for delta in deltas:
        match delta:
            case TextDelta(piece):
                shown += piece
            case ReasoningDelta(piece):
                reasoning += piece
            case Corrected(right_text, right_reasoning):
                shown, reasoning = right_text, right_reasoning
    last = deltas[-1]
    return reasoning, shown, last.reason if isinstance(last, Finish) else None


def parts(*content: Any) -> bytes:
    return chunk({"content": list(content)})


def thinking(words: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": words}]}


def lines(*objects: Mapping[str, Any]) -> Answer:
    """A stream of one object a line, each in a read of its own."""
    steps = [step for found in objects for step in (json.dumps(found).encode() + b"\n", Pause(0.01))]
    return events(*steps, content_type="application/x-ndjson")


def choice(delta: Any, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def growing(field: str, *pieces: str) -> list[bytes]:
    return [chunk({field: piece}) for piece in pieces]


STOP = chunk(finish="stop")
WHOLE = {"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]}
HEADERS = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n"
# By what it is: an answer, and reasoning, text and reason that are to be read from it.
PECULIAR: dict[str, tuple[Answer, tuple[str, str, str | None]]] = {
    # Pieces that hold all before them
    "each piece is all so far (MiniMax)": (
        events(*growing("content", "Hel", "Hello", "Hello wor", "Hello world"), STOP, DONE),
        ("", "Hello world", "stop"),
    ),
    "the same in one read": (
        events(b"".join(growing("content", "Hel", "Hello", "Hello wor", "Hello world")), STOP, DONE),
        ("", "Hello world", "stop"),
    ),
    "two long pieces": (
        events(*growing("content", "It was a dark night.", "It was a dark night. And so"), STOP, DONE),
        ("", "It was a dark night. And so", "stop"),
    ),
    "all so far, the end again": (
        events(*growing("content", "你好", "你好，我是", "你好，我是莲花", "你好，我是莲花"), STOP, DONE),
        ("", "你好，我是莲花", "stop"),
    ),
    "reasoning that grows, then text that does": (
        events(*growing("reasoning_content", "I th", "I think", "I think so"),
               *growing("content", "Hel", "Hello", "Hello you"), STOP, DONE),
        ("I think so", "Hello you", "stop"),
    ),
    "reasoning_details that grow": (
        events(*(chunk({"reasoning_details": [{"text": words}]}) for words in ("I th", "I think", "I think so")),
               text("ab"), STOP, DONE),
        ("I think so", "ab", "stop"),
    ),
    "thoughts in tags that grow": (
        events(*growing("content", "<think>h", "<think>hm", "<think>hm</think>", "<think>hm</think>ab"), STOP, DONE),
        ("hm", "ab", "stop"),
    ),
    "tokens that only look so": (events(*map(text, ["1", "11", "111", "1"]), STOP, DONE), ("", "1111111", "stop")),
    "a refrain": (events(*map(text, ["ha", "ha", "haha", "!"]), STOP, DONE), ("", "hahahaha!", "stop")),
    "two short ones": (events(text("a"), text("ab"), STOP, DONE), ("", "aab", "stop")),
    # Reasoning under other names and in other places
    "reasoning_details beside reasoning (OpenRouter)": (
        events(chunk({"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h"}]}),
               chunk({"reasoning": None, "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}),
               chunk({"content": "ab", "reasoning_details": []}), STOP, DONE),
        ("h", "ab", "stop"),
    ),
    "reasoning_details alone": (
        events(chunk({"reasoning_details": [{"type": "reasoning.summary", "summary": "h"}]}), text("ab"), STOP, DONE),
        ("h", "ab", "stop"),
    ),
    "thinking": (events(chunk({"thinking": "h"}), text("ab"), STOP, DONE), ("h", "ab", "stop")),
    "thinking_blocks beside it (LiteLLM)": (
        events(chunk({"reasoning_content": "h", "thinking_blocks": [{"type": "thinking", "thinking": "h"}]}),
               text("ab"), STOP, DONE),
        ("h", "ab", "stop"),
    ),
    "parts of two kinds (Magistral)": (
        events(parts(thinking("h")), parts(thinking("m")), parts({"type": "text", "text": "a"}), text("b"), STOP, DONE),
        ("hm", "ab", "stop"),
    ),
    "both kinds in one list": (
        events(parts(thinking("h"), {"type": "text", "text": "ab"}), STOP, DONE), ("h", "ab", "stop"),
    ),
    "parts with a reference": (
        events(parts({"type": "text", "text": "a"}, {"type": "reference", "reference_ids": [1]}), text("b"), STOP),
        ("", "ab", "stop"),
    ),
    "the same reasoning apart and in tags": (
        events(chunk({"reasoning_content": "h"}), chunk({"reasoning_content": "m"}),
               text("<think>"), text("hm"), text("</think>ab"), STOP, DONE),
        ("hm", "ab", "stop"),
    ),
    "other reasoning apart and in tags": (
        events(chunk({"reasoning_content": "h"}), text("<think>x</think>ab"), STOP, DONE), ("hx", "ab", "stop"),
    ),
    "harmony without its marks": (
        events(text("analysis"), text("We greet."), text("assistant"), text("final"), text("ab"), STOP, DONE),
        ("We greet.", "ab", "stop"),
    ),
    "analysis, the word": (events(text("analysis"), text("Result = 1"), STOP, DONE),
                           ("", "analysisResult = 1", "stop")),
    # Text in other forms
    "strings in a list": (events(parts("a", "b"), STOP, DONE), ("", "ab", "stop")),
    "one part that is no list": (events(chunk({"content": {"type": "text", "text": "ab"}}), STOP), ("", "ab", "stop")),
    "a number": (events(text("a"), chunk({"content": 5}), STOP, DONE), ("", "a5", "stop")),
    "a delta that is a string": (events(b'data: {"choices":[{"delta":"ab"}]}\n\n', DONE), ("", "ab", "stop")),
    "text of the older completions": (
        events(*(chunk(choices=[{"text": piece, "index": 0}]) for piece in "ab"), DONE), ("", "ab", "stop"),
    ),
    "an answer in sound": (
        events(chunk({"audio": {"id": "x", "transcript": "a"}}), chunk({"audio": {"transcript": "b", "data": "AAAA"}}),
               STOP, DONE),
        ("", "ab", "stop"),
    ),
    "a refusal in pieces": (events(*(chunk({"refusal": piece}) for piece in "ab"), STOP, DONE), ("", "ab", "stop")),
    "annotations and citations": (
        events(chunk({"content": "ab", "annotations": [{"type": "url_citation"}]}, citations=["https://a.example"]),
               STOP, DONE),
        ("", "ab", "stop"),
    ),
    "ids that are numbers": (
        events(chunk({"content": "ab"}, id=7, created="now", model=None), STOP), ("", "ab", "stop"),
    ),
    "a prefix said twice": (events(b"data: " + text("ab"), STOP, DONE), ("", "ab", "stop")),
    "choices that are no list": (events(b'data: {"choices":{"delta":{"content":"ab"}}}\n\n', DONE), ("", "ab", "stop")),
    "two objects in an event": (
        events(text("a").rstrip() + text("b").removeprefix(b"data: "), STOP, DONE), ("", "ab", "stop"),
    ),
    "a refusal that is the content": (events(chunk({"content": "ab", "refusal": "ab"}), STOP), ("", "ab", "stop")),
    "reasoning_text (Copilot)": (events(chunk({"reasoning_text": "h"}), text("ab"), STOP), ("h", "ab", "stop")),
    "an end mark in quotes": (events(text("ab"), b'data: "[DONE]"\n\n'), ("", "ab", "stop")),
    "an end mark in small letters": (events(text("ab"), b"data: [done]\n\n"), ("", "ab", "stop")),
    "an end mark that is no event": (events(text("ab"), b"[DONE]\n\n"), ("", "ab", "stop")),
    "an event of that name": (events(text("ab"), b"event: done\ndata: {}\n\n"), ("", "ab", "stop")),
    "a role in every chunk": (
        events(*(chunk({"role": "assistant", "content": piece}) for piece in "ab"), STOP, DONE), ("", "ab", "stop"),
    ),
    "a call and no text": (
        events(chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}), STOP, DONE),
        ("", "", "tool_calls"),
    ),
    "a call beside text": (
        events(text("ab"), chunk({"tool_calls": [{"index": 0}]}), STOP, DONE), ("", "ab", "stop"),
    ),
    "logprobs, fingerprints and obfuscation": (
        events(chunk({"content": "ab"}, system_fingerprint="fp", obfuscation="xyz", service_tier="x"), STOP, DONE),
        ("", "ab", "stop"),
    ),
    # Bodies
    "JSON behind a byte order mark": (answer(200, b"\xef\xbb\xbf" + json.dumps(WHOLE).encode()), ("", "ab", "stop")),
    "JSON behind a mark and white space": (
        answer(200, b"\xef\xbb\xbf\r\n  " + json.dumps(WHOLE, indent=2).encode() + b"\n"), ("", "ab", "stop"),
    ),
    "a mark cut in two": (events(b"\xef", b"\xbb\xbf" + json.dumps(WHOLE).encode()), ("", "ab", "stop")),
    "chunks one a line": (lines(choice({"content": "a"}), choice({"content": "b"}), choice({}, "length")),
                          ("", "ab", "length")),
    "Ollama's own lines": (
        lines({"message": {"role": "assistant", "content": "", "thinking": "h"}, "done": False},
              {"message": {"content": "a"}, "done": False}, {"message": {"content": "b"}, "done": False},
              {"message": {"content": ""}, "done": True, "done_reason": "length", "eval_count": 2}),
        ("h", "ab", "length"),
    ),
    "response (Workers AI)": (
        events(b'data: {"response":"a","p":"x"}\n\n', b'data: {"response":"b"}\n\n', DONE), ("", "ab", "stop"),
    ),
    "HTTP/1.0, ended by its close": (raw(HEADERS + b"\r\n", text("ab"), STOP, FIN), ("", "ab", "stop")),
    "gzip, although asked not to": (
        raw(HEADERS + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(text("a") + text("b") + STOP + DONE), FIN),
        ("", "ab", "stop"),
    ),
    "comments in great number": (
        events(*[b": keep-alive\n\n"] * 200, text("ab"), *[b": keep-alive\n\n"] * 200, STOP, DONE), ("", "ab", "stop"),
    ),
    "event names that are the objects'": (
        events(b"event: completion\nid: 1\n" + text("a"), b"event: chat.completion.chunk\n" + text("b"), STOP, DONE),
        ("", "ab", "stop"),
    ),
    "empty choices with usage in the middle": (
        events(text("a"), chunk(choices=[], usage={"prompt_tokens": 1}), text("b"), STOP, DONE), ("", "ab", "stop"),
    ),
    "a message at the end, trimmed and with reasoning": (
        events(chunk({"reasoning_content": "h"}), text("a"), text("b\n"),
               chunk(choices=[{"message": {"content": "ab", "reasoning_content": "h"}, "finish_reason": "stop"}])),
        ("h", "ab\n", "stop"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "expected"), PECULIAR.values(), ids=PECULIAR)
async def test_what_one_server_does_is_read_as_it_means_it(
    ask: Ask, script: Answer, expected: tuple[str, str, str | None]
) -> None:
    assert seen(await ask(script)) == expected


async def test_where_marks_are_talked_about_one_alone_is_text(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(events(text("It is\n</think>\nin full"), STOP, DONE)) as upstream:
        model = model_at(upstream.base_url)
        assert seen(await said(model)) == ("It is", "in full", "stop")
        asked = prompt_of("what does </think> mean?")
        assert seen(await said(model, prompt=asked)) == ("", "It is\n</think>\nin full", "stop")


async def test_lines_are_shown_as_they_come_and_a_cut_is_one(ask: Ask) -> None:
    whole = b'{"choices":[{"delta":{"content":"a"}}]}\n{"choices":[{"delta":{"con'
    assert await ask(until_closed(whole)) == [TextDelta("a")]
    with pytest.raises(ModelUnavailable):
        await ask(*[until_closed(b'{"error":{"code":503,"message":"x"}}\n')] * 3)


async def test_a_list_of_an_error_in_place_of_events_is_one(ask: Ask) -> None:
    body = json.dumps([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}])
    with pytest.raises(ModelRateLimited):
        await ask(*[answer(200, body)] * 3)
    with pytest.raises(ModelBadResponse):
        await ask(answer(200, "[]"))


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({}, None),
        ({"prompt_tokens": "7", "completion_tokens": "2"}, Usage(7, 2)),
        ({"prompt_tokens": 7.9, "completion_tokens": 2.0}, Usage(7, 2)),
        ({"prompt_tokens": -1, "completion_tokens": 2}, Usage(0, 2)),
        ({"prompt_tokens": True, "completion_tokens": False}, None),
        ({"prompt_tokens": "7 tokens", "completion_tokens": None}, None),
        ({"prompt_tokens": 0, "input_tokens": 7, "output_tokens": 2}, Usage(7, 2)),
        ({"prompt_tokens": [7], "completion_tokens": 2}, Usage(0, 2)),
    ],
)
async def test_figures_of_any_type_are_read_or_left_out(ask: Ask, usage: Any, read: Usage | None) -> None:
    assert (await ask(events(text("a"), STOP, chunk(choices=[], usage=usage), DONE)))[-1] == Finish("stop", read)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("eos", "stop"), ("STOP_SEQUENCE", "stop"), ("end-turn", "stop"), ("FINISH_REASON_STOP", "stop"),
        ("max_new_tokens", "length"), ("MAX-TOKENS", "length"), ("SAFETY", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"), ("Tool_Call", "tool_calls"), ("done", "stop"),
    ],
)  # fmt: skip
async def test_reasons_are_known_in_the_spelling_of_others(ask: Ask, word: str, reason: str) -> None:
    assert (await ask(events(text("a"), chunk(finish=word), DONE)))[-1] == Finish(reason)


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "internal_exception", "engine_aborted"])
async def test_a_reason_that_is_a_failure_is_one(ask: Ask, word: str) -> None:
    with pytest.raises(ModelUnavailable):
        await ask(*[events(chunk(finish=word), DONE)] * 3)
