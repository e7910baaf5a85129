"""A model over HTTP, against a server on a real socket that says what the test says."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from contextlib import aclosing

import pytest

from lianhua.errors import (
    ModelBadResponse,
    ModelError,
    ModelRefused,
    ModelUnavailable,
)
from lianhua.models.openai import model as openai
from lianhua.models.openai.model import OpenAIModel
from lianhua.models.port import Finish, GenerationOptions, TextDelta
from tests.support.models.asking import HELLO, HELLO_DELTAS, INFO, KEY, PLAIN, PROMPT, QUICK, Ask, said, taken
from tests.support.models.prompts import prompt_of
from tests.support.upstream import DONE, HANG, Answer, Upstream, answer, chunk, events, raw, text
from tests.support.waiting import HANGS_S, until

# What is asked


async def test_the_request_is_what_the_protocol_asks_for(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(HELLO) as upstream:
        model = model_at(upstream.base_url + "/", upstream_model="vendor/real", extra_body={"top_k": 20, "top_p": 0.1})
        prompt = prompt_of("你好", "嗨", "And?", system="Be brief.")
        options = GenerationOptions(temperature=0.5, top_p=0.8, max_tokens=100)
        assert await said(model, options, prompt) == HELLO_DELTAS
        (request,) = upstream.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "model": "vendor/real",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "你好"},
            {"role": "assistant", "content": "嗨"},
            {"role": "user", "content": "And?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "top_k": 20,
        "temperature": 0.5,
        "top_p": 0.8,
        "max_tokens": 100,
    }


async def test_without_a_key_none_is_sent_and_the_address_keeps_its_query(models: list[OpenAIModel]) -> None:
    async with Upstream(HELLO) as upstream:
        models.append(OpenAIModel(INFO, f"{upstream.base_url}?api-version=1", None, QUICK))
        assert await said(models[-1]) == HELLO_DELTAS
        (request,) = upstream.requests
    assert "authorization" not in request.headers
    assert request.path == "/v1/chat/completions?api-version=1"
    assert request.json["model"] == "test-model"


async def test_a_prompt_of_megabytes_arrives_whole(model_at: Callable[..., OpenAIModel]) -> None:
    long = "长" * 1_000_000
    async with Upstream(HELLO) as upstream:
        assert await said(model_at(upstream.base_url), PLAIN, prompt_of(long)) == HELLO_DELTAS
        assert upstream.requests[0].json["messages"][1]["content"] == long


async def test_proxies_of_the_environment_are_not_used(
    model_at: Callable[..., OpenAIModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Upstream(HELLO) as upstream:
        assert await said(model_at(upstream.base_url)) == HELLO_DELTAS


async def test_redirects_are_not_followed_and_cookies_not_kept(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(HELLO) as elsewhere:
        moved = answer(307, Location=elsewhere.base_url, Set_Cookie="a=1")
        async with Upstream(moved, HELLO) as upstream:
            # By name: cookies of a bare address are kept by nobody.
            model = model_at(upstream.base_url.replace("127.0.0.1", "localhost"))
            with pytest.raises(ModelBadResponse, match="307"):
                await said(model)
            assert await said(model) == HELLO_DELTAS
            assert "cookie" not in upstream.requests[1].headers
        assert not elsewhere.requests


async def test_a_connection_is_used_again_after_a_whole_reply(
    model_at: Callable[..., OpenAIModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lianhua.models.openai.response.DRAIN_S", 5)
    gate = asyncio.Event()
    async with Upstream(events(text("a"), DONE, gate)) as upstream:
        model = model_at(upstream.base_url)
        for _ in range(3):
            gate.clear()
            async for batch in model.stream(PROMPT, PLAIN):
                if isinstance(batch[-1], Finish):
                    gate.set()  # the body's end comes only after the reply's
        assert upstream.connections == 1


@pytest.mark.parametrize(
    ("words", "missing", "renamed"),
    [
        ("Unrecognized request argument supplied: stream_options", "stream_options", None),
        ("[{'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not permitted'}]", "stream_options", None),
        ("Unsupported parameter: 'max_tokens' ... Use 'max_completion_tokens' instead.", "max_tokens",
         "max_completion_tokens"),
        ("Unsupported value: 'temperature' does not support 0.5 with this model.", "temperature", None),
    ],
)  # fmt: skip
async def test_what_a_server_does_not_take_is_left_out_from_then_on(
    model_at: Callable[..., OpenAIModel], words: str, missing: str, renamed: str | None
) -> None:
    options = GenerationOptions(temperature=0.5, max_tokens=9)
    async with Upstream(answer(400, {"error": {"message": words}}), HELLO) as upstream:
        model = model_at(upstream.base_url)
        assert await said(model, options) == HELLO_DELTAS
        assert await said(model, options) == HELLO_DELTAS
        first, *later = [request.json for request in upstream.requests]
    assert missing in first
    assert len(later) == 2
    for body in later:
        assert missing not in body
        assert renamed is None or body[renamed] == 9


async def test_a_value_that_is_refused_is_left_out_of_its_own_request_only(
    model_at: Callable[..., OpenAIModel],
) -> None:
    words = "Invalid 'temperature': decimal above maximum value. Expected a value <= 1, but got 1.8 instead."
    async with Upstream(answer(400, {"error": {"message": words}}), HELLO) as upstream:
        model = model_at(upstream.base_url)
        assert await said(model, GenerationOptions(temperature=1.8, top_p=0.9)) == HELLO_DELTAS
        assert await said(model, GenerationOptions(temperature=0.5, top_p=0.9)) == HELLO_DELTAS
        _, again, another = [request.json for request in upstream.requests]
    assert "temperature" not in again
    assert again["top_p"] == 0.9
    assert (another["temperature"], another["top_p"]) == (0.5, 0.9)


async def test_a_value_of_the_operators_that_is_refused_is_left_out_too(model_at: Callable[..., OpenAIModel]) -> None:
    words = "temperature: Input should be less than or equal to 1"
    async with Upstream(answer(400, {"error": {"message": words}}), HELLO) as upstream:
        model = model_at(upstream.base_url, extra_body={"temperature": 1.8})
        assert await said(model) == HELLO_DELTAS
        assert [request.json.get("temperature") for request in upstream.requests] == [1.8, None]


async def test_what_a_server_refused_is_tried_again_after_a_while(
    model_at: Callable[..., OpenAIModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "DIALECT_S", 1.0)
    words = "Unsupported parameter: 'temperature' is not supported with this model."
    options = GenerationOptions(temperature=0.5)
    async with Upstream(answer(400, {"error": {"message": words}}), HELLO) as upstream:
        model = model_at(upstream.base_url)
        assert await said(model, options) == HELLO_DELTAS
        assert await said(model, options) == HELLO_DELTAS

        async def is_tried_again() -> bool:
            assert await said(model, options) == HELLO_DELTAS
            return "temperature" in upstream.requests[-1].json

        await until(is_tried_again, every_s=0.05)
    assert "temperature" not in upstream.requests[2].json


async def test_a_server_that_refuses_every_dialect_is_not_asked_for_ever(ask: Ask) -> None:
    with pytest.raises(ModelRefused):
        await ask(answer(400, "stream_options temperature top_p max_completion_tokens"))


# Closing


async def test_closing_the_iterator_closes_the_socket(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(events(text("a"), HANG)) as upstream:
        stream = model_at(upstream.base_url).stream(PROMPT, PLAIN)
        assert await taken(stream) == [TextDelta("a")]
        await stream.aclose()
        async with asyncio.timeout(HANGS_S):
            await upstream.requests[0].gone.wait()


@pytest.mark.parametrize("script", [raw(HANG), events(HANG), events(text("a"), HANG)])
async def test_cancelling_the_reader_closes_the_socket(model_at: Callable[..., OpenAIModel], script: Answer) -> None:
    async with Upstream(script) as upstream:
        reader = asyncio.create_task(said(model_at(upstream.base_url)))
        await upstream.asked()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        async with asyncio.timeout(HANGS_S):
            await upstream.requests[0].gone.wait()


async def test_closing_the_model_ends_the_replies_under_way(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(events(text("a"), HANG)) as upstream:
        model = model_at(upstream.base_url)
        async with aclosing(model.stream(PROMPT, PLAIN)) as stream:
            assert await taken(stream) == [TextDelta("a")]
            await model.close()
            async with asyncio.timeout(HANGS_S):
                assert [batch async for batch in stream] == []
                await upstream.requests[0].gone.wait()


@pytest.mark.parametrize("script", [raw(HANG), events(HANG)])
async def test_closing_the_model_before_any_text_opens_nothing_new(
    model_at: Callable[..., OpenAIModel], script: Answer
) -> None:
    async with Upstream(script) as upstream:
        model = model_at(upstream.base_url)
        reader = asyncio.create_task(said(model))
        await upstream.asked()
        await model.close()
        async with asyncio.timeout(HANGS_S):
            with pytest.raises(ModelUnavailable):
                await reader
        with pytest.raises(ModelUnavailable, match="closed"):
            await said(model)
        assert len(upstream.requests) == 1


async def test_many_replies_run_side_by_side(model_at: Callable[..., OpenAIModel]) -> None:
    gate = asyncio.Event()
    async with Upstream(events(text("a"), gate, text("b"), DONE)) as upstream:
        model = model_at(upstream.base_url)
        readers = [asyncio.create_task(said(model)) for _ in range(150)]
        await upstream.asked(150)
        gate.set()
        assert all(deltas == [TextDelta("ab"), Finish("stop")] for deltas in await asyncio.gather(*readers))


# Silence about what is nobody's business


LEAKS = [
    answer(500, "SECRET-BODY"),
    answer(400, {"error": {"message": "SECRET-BODY", "code": "SECRET-BODY"}}),
    answer(401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}),
    answer(429, {"error": "SECRET-BODY"}, Retry_After="SECRET-BODY"),
    answer(200, "<html>SECRET-BODY"),
    answer(200, {"SECRET-BODY": 1}),
    events(b'data: {"SECRET-BODY\n\n'),
    events(text("a"), b"data: {SECRET-BODY\n\n"),
    events(chunk({}, error={"message": "SECRET-BODY", "code": "SECRET-BODY"})),
    raw(b"SECRET-BODY\r\n\r\n", HANG),
    raw(b"HTTP/1.1 200 OK\r\nSECRET-BODY\r\n\r\n", HANG),
    raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nSECRET-BODY\r\n", HANG),
]


@pytest.mark.parametrize("script", LEAKS)
async def test_no_body_key_or_prompt_in_any_error_or_log(
    ask: Ask, script: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ModelError) as caught:
        await ask(script)
    logged: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        logged += traceback.format_exception_only(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "SECRET" not in "".join(logged)
    assert "SECRET" not in caplog.text


async def test_a_failure_without_words_is_met_once_without_the_system_role(
    model_at: Callable[..., OpenAIModel],
) -> None:
    wordless = answer(500, "Internal Server Error", Content_Type="text/plain")
    async with Upstream(wordless, HELLO) as upstream:
        model = model_at(upstream.base_url)
        for _ in range(2):
            assert await said(model) == HELLO_DELTAS
        roles = [[message["role"] for message in request.json["messages"]] for request in upstream.requests]
    assert roles == [["system", "user"], ["user"], ["user"]]
