"""What a model's server refuses, and in which words."""

import json
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from lianhua.chat.texts import has
from lianhua.errors import (
    ContextTooLong,
    ModelAuthFailed,
    ModelBadResponse,
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
)
from lianhua.models.openai.model import OpenAIModel
from lianhua.models.port import Finish, TextDelta
from tests.support.models.asking import KEY, PLAIN, PROMPT, Ask, said, taken
from tests.support.upstream import DONE, HANG, Answer, Upstream, answer, chunk, events, raw, text, until_closed


def data(content: Any) -> bytes:
    """An event whose data is not one of the well-formed chunks."""
    return b"data: " + json.dumps(content).encode() + b"\n\n"


CONTEXT_WORDS = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens.",
    "the request exceeds the available context size, try increasing it",
    "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "Context size has been exceeded.",
    "Requested tokens (2285) exceed context window of 2048",
    "the input length exceeds the context length",
    "Trying to keep the first 6547 tokens when context the overflows. However, the model is loaded with context "
    "length of only 4096 tokens, which is not enough.",
    "The number of tokens to keep from the initial prompt is greater than the context length.",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "Input is too long for requested model.",
    "The input token count (582632) exceeds the maximum number of tokens allowed (131072).",
    "Please reduce the length of the messages or completion.",
    "Your request exceeded model token limit: 8192",
    "Range of input length should be [1, 30720]",
]


@pytest.mark.parametrize("words", CONTEXT_WORDS)
async def test_a_context_too_long_is_known_by_its_words(ask: Ask, words: str) -> None:
    for body in ({"error": {"message": words, "code": None}}, {"error": words}, {"detail": words}, words):
        with pytest.raises(ContextTooLong):
            await ask(answer(400, body))
    with pytest.raises(ContextTooLong):
        await ask(events(b'event: error\ndata: {"error":{"message":"' + words.encode() + b'"}}\n\n'))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"code": "context_length_exceeded", "message": "no"}}),
        (400, {"error": {"code": 400, "type": "exceed_context_size_error", "message": "no"}}),
        (500, {"error": {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}}),
        (413, {"error": {"message": "maximum context length"}}),
        (400, {"object": "error", "message": "maximum context length is 4096", "type": "BadRequestError"}),
        (400, {"error": {"message": "Provider returned error", "metadata": {"raw": "maximum context length"}}}),
        (400, '[{"error": {"message": "input token count exceeds"}}]'),
    ],
)
async def test_a_context_too_long_is_known_in_every_form(ask: Ask, status: int, body: Any) -> None:
    with pytest.raises(ContextTooLong):
        await ask(answer(status, body))


@pytest.mark.parametrize(
    "words",
    [
        "Unknown parameter: context_length",
        "max_tokens is too large: 99. This model supports at most 16 completion tokens.",
        "messages: at least one message is required",
        "x" * 5_000 + "maximum context length",
    ],
)
async def test_other_refusals_are_no_context_too_long(ask: Ask, words: str) -> None:
    with pytest.raises(ModelRefused):
        await ask(answer(400, {"error": {"message": words}}))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ModelRefused),
        (401, ModelAuthFailed),
        (402, ModelRefused),
        (403, ModelAuthFailed),
        (404, ModelUnavailable),
        (405, ModelRefused),
        (413, ModelRefused),
        (422, ModelRefused),
        (302, ModelBadResponse),
    ],
)
async def test_a_refusal_is_not_asked_again(
    model_at: Callable[..., OpenAIModel], status: int, error: type[ModelError]
) -> None:
    body = {"error": {"message": "max_tokens is too large: 99. This model supports at most 16 completion tokens."}}
    async with Upstream(answer(status, body)) as upstream:
        with pytest.raises(error) as caught:
            await said(model_at(upstream.base_url))
        assert type(caught.value) is error
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 429, "message": "x"}, ModelRateLimited),
        ({"code": "rate_limit_exceeded"}, ModelRateLimited),
        ({"type": "rate_limit_error", "code": None}, ModelRateLimited),
        ({"code": "context_length_exceeded"}, ContextTooLong),
        ({"code": 401}, ModelAuthFailed),
        ({"code": "invalid_api_key"}, ModelAuthFailed),
        ({"code": 502, "message": "Provider disconnected"}, ModelUnavailable),
        ({"type": "overloaded_error"}, ModelUnavailable),
        ({"message": "something else"}, ModelBadResponse),
        ({"code": 7}, ModelBadResponse),
        ("Internal error", ModelBadResponse),
        ({"code": 400, "message": "no"}, ModelRefused),
        ({"code": "1302", "message": "您当前使用该API的并发数过高"}, ModelRateLimited),
        ({"type": "engine_overloaded_error", "message": "x"}, ModelUnavailable),
        ({"type": "exceeded_current_quota_error"}, ModelRefused),
        ({"message": "Rate limit reached for requests"}, ModelRateLimited),
        ({"message": "The server is overloaded"}, ModelUnavailable),
        ("Model is overloaded", ModelUnavailable),
    ],
)
async def test_an_error_inside_a_200_fails_before_and_after_text(
    model_at: Callable[..., OpenAIModel], error: Any, expected: type[ModelError]
) -> None:
    event = chunk({}, "error", error=error)
    async with Upstream(events(event)) as upstream:
        with pytest.raises(expected):
            await said(model_at(upstream.base_url))
    async with Upstream(events(text("a"), event, DONE)) as upstream:
        async with aclosing(model_at(upstream.base_url).stream(PROMPT, PLAIN)) as stream:
            assert await taken(stream) == [TextDelta("a")]
            with pytest.raises(expected):
                await taken(stream)
        assert len(upstream.requests) == 1, "asked again after text was shown"


async def test_text_next_to_an_error_is_shown_before_it(model_at: Callable[..., OpenAIModel]) -> None:
    async with (
        Upstream(events(text("a") + chunk({"content": "b"}, error={"message": "x"}))) as upstream,
        aclosing(model_at(upstream.base_url).stream(PROMPT, PLAIN)) as stream,
    ):
        assert await taken(stream) == [TextDelta("ab")]
        with pytest.raises(ModelBadResponse):
            await taken(stream)


OVERFLOW = "the request exceeds the available context size"
# What servers send in place of a reply, inside a 200, and what it means.
SHAPES: dict[str, tuple[bytes, type[ModelError]]] = {
    "a field (llama.cpp)": (f'error: {{"code":400,"message":"{OVERFLOW}"}}\n\n'.encode(), ContextTooLong),
    "a field with one line end": (f'error: {{"code":400,"message":"{OVERFLOW}"}}\n'.encode(), ContextTooLong),
    "a field of words": (b"error: Service Unavailable\n\n", ModelUnavailable),
    "an object (vLLM, SGLang)": (data({"object": "error", "message": "no", "code": 500}), ModelUnavailable),
    "an object of a context": (data({"object": "error", "message": OVERFLOW, "code": 400}), ContextTooLong),
    "an object without a code": (data({"object": "error", "message": "no"}), ModelBadResponse),
    "an event (Groq, LM Studio)": (b'event: error\ndata: {"error":{"message":"no","code":503}}\n\n', ModelUnavailable),
    "an event of an object": (b'event: error\ndata: {"message":"no","code":429}\n\n', ModelRateLimited),
    "an event of words": (b"event: error\ndata: overloaded\n\n", ModelUnavailable),
    "an event of nothing": (b"event: error\ndata: {}\n\n", ModelBadResponse),
    "words (Ollama, TGI)": (data({"error": "Model is overloaded", "error_type": "overloaded"}), ModelUnavailable),
    "words in place of JSON": (b"data: Error: upstream timed out\n\n", ModelUnavailable),
    "a detail (FastAPI)": (data({"detail": "Internal Server Error"}), ModelUnavailable),
    "a detail that is a list": (data({"detail": [{"loc": ["body"], "msg": "no"}]}), ModelBadResponse),
    "message and code (DashScope)": (data({"code": "Throttling.RateQuota", "message": "no"}), ModelRateLimited),
    "message and a number": (data({"code": 503, "message": "no", "data": None}), ModelUnavailable),
    "base_resp (MiniMax)": (data({"choices": None, "base_resp": {"status_code": 1002}}), ModelRateLimited),
    "base_resp, no credit": (data({"base_resp": {"status_code": 1008, "status_msg": "x"}}), ModelRefused),
    "error_msg (Qianfan)": (data({"error_code": 336_501, "error_msg": "Rate limit reached for RPM"}), ModelRateLimited),
    "errors (Cloudflare)": (data({"success": False, "errors": [{"code": 429, "message": "x"}]}), ModelRateLimited),
    "a list (Gemini)": (data([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}]), ModelRateLimited),
    "in the choice (OpenRouter)": (
        chunk(choices=[{"delta": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "x"}}]),
        ModelUnavailable,
    ),
    "in the choice, of a limit": (
        chunk(choices=[{"delta": {}, "finish_reason": "error", "error": {"code": 429, "message": "x"}}]),
        ModelRateLimited,
    ),
    "in the choice, unknown": (
        chunk(choices=[{"delta": {}, "finish_reason": "error", "error": {"message": "x"}}]),
        ModelUnavailable,
    ),
    "in x_groq": (chunk({}, x_groq={"id": "req", "error": "over_capacity"}), ModelRateLimited),
    **{
        f"the reason {word}": (chunk({}, word), ModelUnavailable)
        for word in ("error", "network_error", "insufficient_system_resource", "abort", "ERROR_LIMIT", "timeout")
    },
}  # fmt: skip


@pytest.mark.parametrize(("event", "expected"), SHAPES.values(), ids=SHAPES)
async def test_a_failure_inside_a_200_is_one_in_every_form_and_behind_text(
    model_at: Callable[..., OpenAIModel], event: bytes, expected: type[ModelError]
) -> None:
    for script in (events(event, DONE), events(event + DONE), until_closed(event)):
        async with Upstream(script) as upstream:
            with pytest.raises(ModelError) as caught:
                await said(model_at(upstream.base_url))
            assert type(caught.value) is expected
    async with (
        Upstream(events(text("half") + event, text("never"), DONE)) as upstream,
        aclosing(model_at(upstream.base_url).stream(PROMPT, PLAIN)) as stream,
    ):
        assert await taken(stream) == [TextDelta("half")]
        with pytest.raises(expected):
            await taken(stream)
    if event.startswith(b"data: {"):
        body = event.removeprefix(b"data: ").strip()
        async with Upstream(answer(200, body, Content_Type="application/json")) as upstream:
            with pytest.raises(ModelError) as caught:
                await said(model_at(upstream.base_url))
            assert type(caught.value) is expected


@pytest.mark.parametrize(
    "event",
    [
        b"error: null\n\n",
        b"error:\n\n",
        data({"code": 0, "message": "Success"}),
        data({"status": "processing", "message": "queued"}),
        data({"type": "ping"}),
        data({"base_resp": {"status_code": 0, "status_msg": ""}}),
        data({"detail": None, "errors": [], "choices": []}),
        b"event: ping\ndata: {}\n\n",
        b"data: erroneous\n\n",
    ],
)
async def test_what_only_looks_like_a_failure_is_none(ask: Ask, event: bytes) -> None:
    assert await ask(events(text("a"), event, text("b"), DONE)) == [TextDelta("ab"), Finish("stop")]


@pytest.mark.parametrize(
    "steps", [(DONE,), (chunk({"role": "assistant", "content": ""}), DONE), (b"data: ok\n\n", DONE)]
)
async def test_an_end_mark_and_nothing_before_it_is_no_reply(ask: Ask, steps: tuple[bytes, ...]) -> None:
    with pytest.raises(ModelBadResponse):
        await ask(events(*steps))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (413, {"error": {"message": "Request too large on tokens per minute", "code": "rate_limit_exceeded"}}),
        (400, {"code": "Throttling.AllocationQuota", "message": "x"}),
    ],
)
async def test_a_limit_under_another_status_is_one_and_not_tried_again(
    model_at: Callable[..., OpenAIModel], status: int, body: Any
) -> None:
    async with Upstream(answer(status, body)) as upstream:
        with pytest.raises(ModelRateLimited):
            await said(model_at(upstream.base_url))
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("script", "text_of_it"),
    [
        (answer(402), "no_credit"),
        (
            answer(429, {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}),
            "no_credit",
        ),
        (answer(400, {"error": {"message": "Your credit balance is too low"}}), "no_credit"),
        (answer(403, {"error": {"message": "Insufficient Balance"}}), "no_credit"),
        (answer(200, {"error": {"code": "1113", "message": "您的账户已欠费"}}), "no_credit"),
        (answer(400, {"error": {"code": "content_filter", "message": "x"}}), "filtered"),
        (answer(429, {"error": {"message": "x"}}, Retry_After="999"), ""),
        (answer(401), ""),
    ],
)
async def test_an_account_without_credit_and_a_filter_are_said(ask: Ask, script: Answer, text_of_it: str) -> None:
    with pytest.raises(ModelError) as caught:
        await ask(script)
    assert caught.value.text == text_of_it
    assert not text_of_it or has(text_of_it)


MODELS = {"object": "list", "data": [{"id": "gpt-4o"}, {"id": "test-model-2"}]}
UNKNOWN = [
    (404, {"error": {"message": "The model `test-model` does not exist", "code": "model_not_found"}}),
    (404, {"error": 'model "test-model" not found, try pulling it first'}),
    (404, ""),
    (400, {"error": {"message": "Model Not Exist"}}),
    (400, {"error": {"message": "test-model is not a valid model ID"}}),
    (404, {"error": {"code": "DeploymentNotFound", "message": "x"}}),
    (400, {"error": {"code": "1211", "message": "模型不存在"}}),
]


@pytest.mark.parametrize(("status", "body"), UNKNOWN)
async def test_a_model_that_the_server_does_not_know_is_named_and_those_that_it_has(
    model_at: Callable[..., OpenAIModel], status: int, body: Any
) -> None:
    async with Upstream(answer(status, body), answer(200, MODELS)) as upstream:
        with pytest.raises(ModelUnavailable if status == 404 else ModelRefused) as caught:
            await said(model_at(upstream.base_url))
        asked = upstream.requests[1]
    assert (asked.method, asked.path, asked.body) == ("GET", "/v1/models", b"")
    assert asked.headers["authorization"].endswith(KEY)
    assert caught.value.text == "other_models"
    assert caught.value.values == {"model": "test-model", "models": "test-model-2, gpt-4o"}


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (answer(404), "no_such_model"),
        (answer(200, "<html>"), "no_such_model"),
        (answer(200, {"data": [{"id": f"<{KEY}>"}, {"id": "a b"}]}), "no_such_model"),
        (raw(HANG), "no_such_model"),
        (answer(200, {"data": [{"id": "test-model"}]}), ""),
        (events(b'{"data":[', *[b" " * 65_536] * 64, HANG), "no_such_model"),
    ],
    ids=["none", "html", "no names", "silence", "it is there", "endless"],
)
async def test_a_list_of_models_that_is_none_tells_nothing(
    ask: Ask, listed: Answer, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lianhua.models.openai.offered.LIST_S", 0.3)
    with pytest.raises(ModelUnavailable) as caught:
        await ask(answer(*UNKNOWN[0]), listed)
    assert caught.value.text == words
    assert KEY not in str(caught.value.values)


async def test_of_hundreds_of_models_some_are_named_the_closest_first(ask: Ask) -> None:
    many = {"data": [{"id": f"model-{number}"} for number in range(500)] + [{"id": "test-models"}]}
    with pytest.raises(ModelUnavailable) as caught:
        await ask(answer(*UNKNOWN[0]), answer(200, many))
    names = caught.value.values["models"].split(", ")
    assert (names[0], names[-1], len(names)) == ("test-models", "…", 9)
