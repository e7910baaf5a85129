"""How a model is asked again after its server has refused how it was asked, and what is remembered of that."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lianhua.chat.messages import ContextAccount, ContextEntry
from lianhua.chat.prompt import Prompt, PromptMessage
from lianhua.errors import ContextTooLong, ModelRateLimited, ModelRefused, ModelUnavailable, PrefillRefused
from lianhua.models.openai.model import OpenAIModel
from lianhua.models.port import GenerationOptions, ModelInfo, TextDelta
from lianhua.models.tries import RETRY_S, Tries
from tests.support.models.asking import HELLO, HELLO_DELTAS, INFO, KEY, PLAIN, PROMPT, QUICK, said
from tests.support.models.prompts import prompt_of
from tests.support.strict_template import NO_SYSTEM, llama_cpp_error, refusal_of
from tests.support.upstream import DONE, Answer, Request, Upstream, answer, chunk, events

Models = Callable[..., OpenAIModel]
FOLDED = [{"role": "user", "content": "You are kind.\n\nSECRET-PROMPT"}]
# Everything a test of a model's window needs: 2,000 tokens of history and a question.
LONG = Prompt(
    PROMPT.messages,
    ContextAccount(
        6_000,
        2_100,
        0,
        (
            ContextEntry("m0", "user", 2_000, included=True, reason="fits"),
            ContextEntry("q", "user", 100, included=True, reason="last_message"),
        ),
    ),
)
ALONE = Prompt(PROMPT.messages, msgspec.structs.replace(LONG.context, messages=LONG.context.messages[1:]))


def template(*, system: bool, status: int = 400, inside: bool = False) -> Callable[[Request], Answer]:
    """A llama.cpp whose model has a strict template."""

    def answer_to(request: Request) -> Answer:
        words = refusal_of(request.json["messages"], system=system)
        if words is None:
            return HELLO
        body = llama_cpp_error(words)
        return events(chunk({}, error=body["error"]), DONE) if inside else answer(status, body)

    return answer_to


@pytest.fixture
def guessed(models: list[OpenAIModel]) -> Models:
    """A model of whose window nothing is known."""

    def build(base_url: str, **more: Any) -> OpenAIModel:
        info = ModelInfo("test-model", "Test", "openai", 128_000, window="guessed", **more)
        models.append(OpenAIModel(info, base_url, KEY, QUICK))
        return models[-1]

    return build


# AvailablePersonas


@pytest.mark.parametrize(("status", "inside"), [(400, False), (422, False), (500, False), (200, True)])
async def test_a_refused_system_role_is_folded_into_the_question_from_then_on(
    model_at: Models, status: int, inside: bool
) -> None:
    async with Upstream(template(system=False, status=status, inside=inside)) as upstream:
        model = model_at(upstream.base_url)
        assert await said(model) == HELLO_DELTAS
        assert await said(model, PLAIN, prompt_of("a", "b", "c")) == HELLO_DELTAS
        first, *later = [request.json["messages"] for request in upstream.requests]
    assert first[0]["role"] == "system"
    assert later[0] == FOLDED
    assert [message["content"] for message in later[1]] == ["You are kind.\n\na", "b", "c"]
    assert len(later) == 2


async def test_a_server_that_takes_the_system_role_is_given_it(model_at: Models) -> None:
    async with Upstream(template(system=True)) as upstream:
        assert await said(model_at(upstream.base_url), PLAIN, prompt_of("a", "b", "c")) == HELLO_DELTAS
        assert len(upstream.requests) == 1


async def test_what_did_not_help_is_not_remembered(model_at: Models) -> None:
    async with Upstream(answer(400, {"error": {"message": NO_SYSTEM}})) as upstream:
        model = model_at(upstream.base_url)
        for _ in range(2):
            with pytest.raises(ModelRefused):
                await said(model)
        roles = [request.json["messages"][0]["role"] for request in upstream.requests]
    assert roles == ["system", "user"] * 2


# Going on


@pytest.mark.parametrize("status", [400, 500])
async def test_a_server_that_lets_nobody_go_on_is_known_from_then_on(models: list[OpenAIModel], status: int) -> None:
    words = "Assistant response prefill is incompatible with enable_thinking."
    async with Upstream(answer(status, {"error": {"code": status, "message": words}}), HELLO) as upstream:
        info = msgspec.structs.replace(INFO, prefill="last")
        models.append(OpenAIModel(info, upstream.base_url, KEY, QUICK))
        cut = Prompt((*PROMPT.messages, PromptMessage("assistant", "One, two, ")), PROMPT.context)
        with pytest.raises(PrefillRefused):
            await said(models[0], PLAIN, cut)
        assert models[0].info.prefill is None
        assert len(upstream.requests) == 1


# The window


def listing(**entry: Any) -> Answer:
    return answer(200, {"object": "list", "data": [{"id": "test-model", **entry}]})


async def test_the_size_of_a_window_is_asked_once_it_matters(guessed: Models) -> None:
    async with Upstream(HELLO, listing(meta={"n_ctx": 4_096}), HELLO) as upstream:
        model = guessed(upstream.base_url)
        assert await said(model) == HELLO_DELTAS
        assert (model.info.context_tokens, model.info.window) == (128_000, "guessed")
        assert await said(model, PLAIN, LONG) == HELLO_DELTAS
        assert (model.info.context_tokens, model.info.window) == (4_096, "told")
        assert await said(model, PLAIN, LONG) == HELLO_DELTAS
        asked = [(request.method, request.path) for request in upstream.requests]
        assert upstream.requests[1].headers["authorization"] == f"Bearer {KEY}"
    post = ("POST", "/v1/chat/completions")
    assert asked == [post, ("GET", "/v1/models"), post, post]


async def test_a_prompt_that_its_server_has_no_room_for_is_not_sent(guessed: Models) -> None:
    async with Upstream(listing(max_model_len=2_048), HELLO) as upstream:
        model = guessed(upstream.base_url)
        with pytest.raises(ContextTooLong):
            await said(model, PLAIN, LONG)
        # A question alone is for the server to judge: our count may be too high.
        assert await said(model, PLAIN, ALONE) == HELLO_DELTAS
        assert len(upstream.requests) == 2


async def test_ollama_is_asked_what_the_loaded_model_has(guessed: Models) -> None:
    loaded = answer(200, {"models": [{"name": "test-model", "context_length": 4_096}]})
    async with Upstream(listing(owned_by="library"), loaded, HELLO) as upstream:
        model = guessed(upstream.base_url)
        assert await said(model, PLAIN, LONG) == HELLO_DELTAS
        assert (model.info.context_tokens, upstream.requests[1].path) == (4_096, "/api/ps")


@pytest.mark.parametrize("script", [answer(404), answer(200, "<html>"), answer(401), listing(), HELLO])
async def test_a_server_that_does_not_tell_is_asked_three_times_at_most(guessed: Models, script: Answer) -> None:
    def answer_to(request: Request) -> Answer:
        return script if request.method == "GET" else HELLO

    async with Upstream(answer_to) as upstream:
        model = guessed(upstream.base_url)
        for _ in range(5):
            assert await said(model, PLAIN, LONG) == HELLO_DELTAS
        assert model.info.window == "guessed"
        assert [request.method for request in upstream.requests].count("GET") == 3


@pytest.mark.parametrize(
    ("words", "tokens"),
    [
        ("request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it", 4_096),
        ("Please reduce the length of the messages or completion.", 2_100),
    ],
)
async def test_the_size_of_a_window_is_learnt_from_a_refusal(guessed: Models, words: str, tokens: int) -> None:
    async with Upstream(answer(404), answer(400, {"error": {"message": words}})) as upstream:
        model = guessed(upstream.base_url)
        with pytest.raises(ContextTooLong):
            await said(model, PLAIN, LONG)
        assert (model.info.context_tokens, model.info.window) == (tokens, "learnt")


async def test_a_window_that_was_set_is_not_asked_for(model_at: Models) -> None:
    async with Upstream(HELLO) as upstream:
        assert await said(model_at(upstream.base_url), PLAIN, LONG) == HELLO_DELTAS
        assert len(upstream.requests) == 1


# One budget for a turn


async def test_all_that_a_turn_asks_counts_against_one_budget(model_at: Models) -> None:
    tries = Tries(calls=4)
    options = GenerationOptions(tries=tries)
    async with Upstream(answer(503)) as upstream:
        for asked in (3, 4, 4):
            with pytest.raises(ModelUnavailable):
                await said(model_at(upstream.base_url), options)
            assert len(upstream.requests) == asked


async def test_another_dialect_counts_as_well(model_at: Models) -> None:
    words = "stream_options temperature top_p max_completion_tokens: System role not supported"
    async with Upstream(answer(400, words)) as upstream:
        with pytest.raises(ModelRefused):
            await said(
                model_at(upstream.base_url), GenerationOptions(temperature=1, max_tokens=5, tries=Tries(calls=3))
            )
        assert len(upstream.requests) == 3


async def test_a_retry_says_which_it_is(model_at: Models) -> None:
    async with Upstream(answer(429), answer(429), HELLO) as upstream:
        deltas = await said(model_at(upstream.base_url))
        assert [(delta.attempt, delta.attempts) for delta in deltas if hasattr(delta, "attempt")] == [(2, 3), (3, 3)]
        assert deltas[-2] == TextDelta("Hello")
        assert upstream.requests[0].headers["x-litellm-num-retries"] == "0"


async def test_a_server_that_says_not_to_try_again_is_obeyed(model_at: Models) -> None:
    async with Upstream(answer(429, X_Should_Retry="false")) as upstream:
        with pytest.raises(ModelRateLimited):
            await said(model_at(upstream.base_url))
        assert len(upstream.requests) == 1


def test_a_try_is_repeated_only_if_its_answer_is_due_in_time() -> None:
    slow = Tries()
    assert slow.begin(100)
    assert slow.may_repeat(100 + 23, 1)  # a gateway that tries again by itself takes so long
    assert slow.begin(124)
    assert not slow.may_repeat(124 + 23, 1)
    quick = Tries()
    assert quick.begin(0)
    assert quick.may_repeat(0, RETRY_S)
    assert not quick.may_repeat(0, RETRY_S + 1)
    assert not Tries(seconds=0).may_repeat(0, 0)


def test_calls_are_kept_back_for_models_that_were_not_asked_yet() -> None:
    tries = Tries(calls=3)
    tries.kept_back = 2
    assert tries.begin(0)
    assert not tries.may_repeat(0, 1)
    tries.kept_back = 1
    assert tries.begin(1)
    assert not tries.may_repeat(1, 1)
    tries.kept_back = 0
    assert tries.may_repeat(1, 1)
    assert tries.begin(2)
    assert not tries.begin(3)
