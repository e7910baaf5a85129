"""What real servers say when they do not take a request as it is."""

import msgspec
import pytest

from lianhua.models.openai.errors import complaint_in
from lianhua.models.openai.refusals import (
    refused_sampling,
    refuses_prefill,
    refuses_roles,
    takes_no_sampling,
    window_in,
)
from lianhua.models.openai.window_size import ListedSize, listed_size
from tests.support.strict_template import ALTERNATE, NO_SYSTEM, llama_cpp_error

ROLES = [
    NO_SYSTEM,  # Gemma
    ALTERNATE,
    "After the optional system message, conversation roles must alternate user/assistant/user/assistant/...",  # Mistral
    "After the optional system message, conversation roles must alternate user and assistant roles except for tool"
    " calls and results.",
    "Only user and assistant roles are supported!",
    "Only user, assistant and tool roles are supported, got system.",
    "System message must be at the beginning.",  # Qwen
    "Unexpected message role.",
    "Developer instruction is not enabled for models/gemma-3-27b-it",  # Gemini
    "Please use a valid role: user, model.",
    "Please ensure that multiturn requests alternate between user and model.",
    "Unsupported value: 'messages[0].role' does not support 'system' with this model.",  # OpenAI
    "messages: roles must alternate between \"user\" and \"assistant\", but found multiple \"user\" roles in a row",
    "messages: first message must use the \"user\" role",  # Anthropic
    "messages: Unexpected role \"system\". The Messages API accepts a top-level `system` parameter",
    "This model doesn't support system messages. Try again without a system message.",  # Bedrock
    "A conversation must start with a user message. Try again with a conversation that starts with a user message.",
    "deepseek-reasoner does not support successive user or assistant messages (messages[1] and messages[2] in your"
    " input). You should interleave the user/assistant messages in the message sequence.",
    "The first message (except the system message) of deepseek-reasoner must be a user message",
    "After the (optional) system message(s), user or assistant messages should be alternating.",  # Perplexity
    "the role of first message must be user",  # Qianfan
    "invalid params, chat content has invalid role: system",  # MiniMax
    "Template error: template error: invalid operation: System role not supported (in <string>:1)",  # TGI
    "Error rendering prompt with jinja template: \"Unknown test: sequence\"",  # LM Studio
    "当前模型不支持 system 角色",
]  # fmt: skip
OTHER = [
    "Incorrect API key provided",
    "The model `gpt-9` does not exist",
    "Unsupported value: 'temperature' does not support 0.5 with this model.",
    "Your account does not have enough credit",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "The response was filtered due to the prompt triggering the content management policy.",
    "stream_options is not supported",
    "upstream connect error or disconnect/reset before headers",
    "The server is overloaded, please retry later",
    "Unsupported parameter: 'max_tokens' is not supported with this model.",
]


@pytest.mark.parametrize("words", ROLES)
def test_a_refusal_of_roles_is_recognised_however_it_is_wrapped(words: str) -> None:
    assert refuses_roles(words.lower())
    for body in (llama_cpp_error(words), {"object": "error", "message": words, "code": 400}, {"detail": words}):
        assert refuses_roles(complaint_in(msgspec.json.encode(body)).words)


@pytest.mark.parametrize("words", OTHER)
def test_other_refusals_are_not_about_roles(words: str) -> None:
    assert not refuses_roles(words.lower())


@pytest.mark.parametrize(
    "words",
    [
        "Cannot have 2 or more assistant messages at the end of the list.",  # llama.cpp
        "Assistant response prefill is incompatible with enable_thinking.",
        "This model does not support assistant message prefill. The conversation must end with a user message.",
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",  # Mistral
        "Cannot set `add_generation_prompt` to True when the last message is from the assistant.",  # vLLM
        "Please ensure that multiturn requests ends with a user role or a function response.",  # Gemini
        "Last message must have role `user`.",  # Perplexity
        "[{'type': 'extra_forbidden', 'msg': 'Extra inputs are not permitted', 'loc': ('messages', 2, 'prefix')}]",
    ],
)
def test_a_refusal_to_go_on_is_recognised(words: str) -> None:
    assert refuses_prefill(words.lower())


SIZES = [
    ("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 8_192),
    ("This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4500 in the messages, 500"
     " in the completion). Please reduce the length of the messages or completion.", 4_096),
    ("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", 4_096),
    ("request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it", 4_096),  # llama.cpp
    ("Requested tokens (5000) exceed context window of 2048", 2_048),  # llama-cpp-python
    ("The input (5000 tokens) is longer than the model's context length (4096 tokens).", 4_096),  # SGLang
    ("prompt is too long: 210000 tokens > 200000 maximum", 200_000),  # Anthropic
    ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", 200_000),
    ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", 32_768),
    ("This endpoint's maximum context length is 32,768 tokens. However, you requested about 40000 tokens", 32_768),
    ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", 1_048_576),  # Gemini
    ("This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 131_072),  # xAI
    ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens", 4_096),
    ("`inputs` must have less than 1024 tokens. Given: 2000", 1_024),
    ("Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)", 8_192),  # Moonshot
    ("Range of input length should be [1, 30720]", 30_720),  # DashScope
    ("The model is loaded with context length of only 4096 tokens, which is not enough. Trying to keep the first 5000"
     " tokens when context the overflows.", 4_096),  # LM Studio
    ("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.", 272_000),
    ("total number of tokens in the prompt cannot exceed 4081 - received 5000. Try using a shorter prompt", 4_081),
    ("The prompt is too long: 140000, model maximum context length: 131071", 131_071),  # Fireworks
    ("Please reduce the length of the messages or completion.", None),  # Groq
    ("the input length exceeds the context length", None),  # Ollama
    ("maximum context length is 99 tokens", None),
]  # fmt: skip


@pytest.mark.parametrize(("words", "tokens"), SIZES)
def test_the_size_of_a_window_is_read_out_of_a_refusal(words: str, tokens: int | None) -> None:
    assert window_in(words.lower()) == tokens


def test_the_size_of_a_window_is_a_field_at_llama_cpp() -> None:
    body = b'{"error":{"code":400,"message":"exceeds the available context size","n_prompt_tokens":5000,"n_ctx":4096}}'
    assert window_in(complaint_in(body).words) == 4_096


LISTS = {
    "llama.cpp": b'{"models":[{"name":"x.gguf"}],"data":[{"id":"x.gguf","meta":{"n_ctx_train":32768,"n_ctx":4096}}]}',
    "vLLM": b'{"data":[{"id":"other","max_model_len":1000},{"id":"m","max_model_len":4096}]}',
    "OpenRouter": b'{"data":[{"id":"m","context_length":9999,"top_provider":{"context_length":4096}},{"id":"n"}]}',
    "Groq": b'{"data":[{"id":"m","context_window":4096},{"id":"n","context_window":1024}]}',
    "Mistral": b'{"data":[{"id":"m","max_context_length":4096},{"id":"n"}]}',
    "LM Studio": b'{"data":[{"id":"m","loaded_context_length":4096,"max_context_length":131072},{"id":"n"}]}',
    "Ollama": b'{"models":[{"name":"m","model":"m","context_length":4096},{"name":"n"}]}',
}


@pytest.mark.parametrize("body", LISTS.values(), ids=LISTS)
def test_the_size_of_a_window_is_read_out_of_a_list(body: bytes) -> None:
    assert listed_size(body, "m").tokens == 4_096


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b'{"data": 7}', b'{"data":[]}', b'{"data":[{"id":"m"}]}',
        b'{"data":[{"id":"m","meta":7}]}',
        b'{"data":[{"id":"m","context_length":"4096"}]}', b'{"data":[{"id":"m","context_length":true}]}',
        b'{"data":[{"id":"m","context_length":-1}]}', b'{"data":[{"id":"a","context_length":4096},{"id":"b"}]}',
    ],
)  # fmt: skip
def test_a_list_that_does_not_say_it_says_nothing(body: bytes) -> None:
    assert listed_size(body, "m") == ListedSize()


UNSUPPORTED = (
    "Unsupported parameter: 'temperature' is not supported with this model.",
    "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
    "This model has beta-limitations: temperature, top_p and n are fixed at 1, while presence_penalty is fixed at 0.",
    "Unrecognized request argument supplied: temperature",
    "`temperature` is deprecated for this model.",
    "invalid temperature: only 1 is allowed for this model",
    "openai does not support parameters: ['temperature'], for model=o1. To drop these, set `litellm.drop_params=True`",
    "[{'type': 'extra_forbidden', 'loc': ('body', 'temperature'), 'msg': 'Extra inputs are not permitted'}]",
    'Invalid JSON payload received. Unknown name "top_p": Cannot find field.',
    "Model grok-4 does not support parameter top_p.",
    "该模型不支持 temperature 参数",
)
OUT_OF_RANGE = (
    "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
    "3 is greater than the maximum of 2 - 'temperature'",
    "Unable to submit request because it has a temperature value of 3 but the supported range is from 0 (inclusive) to "
    "2.0001 (exclusive). Update the value and try again.",
    "temperature must be non-negative, got -1.0.",
    "top_p must be in (0, 1], got 2.0.",
    "temperature: range: 0..1",
    "[{'loc': ('body', 'temperature'), 'msg': 'Input should be less than or equal to 1'}]",
    "invalid request: temperature must be between 0 and 5.0 inclusive.",
    "Temperature should be in [0.0, 2.0)",
    "Invalid temperature value, the valid range of temperature is [0, 2]",
    "temperature 3 is not supported: it must be at most 1.5",
    "temperature 参数不支持当前值，取值范围为 (0, 1)",
    "`temperature` must be strictly positive",
)


@pytest.mark.parametrize("words", UNSUPPORTED)
def test_a_parameter_that_no_model_of_the_server_takes_is_known_from_a_value(words: str) -> None:
    assert refused_sampling(words.lower())
    assert takes_no_sampling(words.lower())


@pytest.mark.parametrize("words", OUT_OF_RANGE)
def test_a_value_out_of_range_says_nothing_of_the_parameter(words: str) -> None:
    assert refused_sampling(words.lower())
    assert not takes_no_sampling(words.lower())


def test_of_two_that_do_not_go_together_one_is_left_out() -> None:
    words = "`temperature` and `top_p` cannot both be specified for this model. please use only one."
    assert refused_sampling(words) == {"top_p"}
    assert not takes_no_sampling(words)
