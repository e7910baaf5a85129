"""What a model's server refuses, and in which words."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from lianhua.errors import (
    ContextTooLong,
    ModelAuthFailed,
    ModelBadResponse,
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
)
from lianhua.models.openai import OpenAIModel
from lianhua.models.port import TextDelta
from tests.models.asking import PLAIN, PROMPT, Ask, said, taken
from tests.upstream import DONE, Upstream, answer, chunk, events, text

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
async def test_a_context_too_long_is_known_in_every_shape(ask: Ask, status: int, body: Any) -> None:
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
