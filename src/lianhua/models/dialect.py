"""What servers take of a request: they differ, and say so only when asked."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lianhua.models.faults import Complaint
from lianhua.models.port import GenerationOptions, Prefill
from lianhua.prompt import Prompt


class Dialect(Struct, frozen=True):
    """Which optional parts of the request a server takes: all, until a refusal teaches otherwise."""

    usage: bool = True
    sampling: bool = True
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    def without(self, complaint: Complaint) -> "Dialect | None":
        """The dialect to ask in after a refusal; None where `complaint` names nothing that could be left out."""
        if self.usage and "stream_options" in complaint.words:
            return msgspec.structs.replace(self, usage=False)
        # OpenAI's reasoning models refuse the older name, and any temperature but their own.
        if self.max_tokens == "max_tokens" and "max_completion_tokens" in complaint.words:
            return msgspec.structs.replace(self, max_tokens="max_completion_tokens")
        if self.sampling and ("temperature" in complaint.words or "top_p" in complaint.words):
            return msgspec.structs.replace(self, sampling=False)
        return None


def request_body(
    model: str,
    prompt: Prompt,
    options: GenerationOptions,
    dialect: Dialect,
    extra: Mapping[str, Any],
    prefill: Prefill | None = None,
) -> bytes:
    """The JSON of one request. `options` outrank `extra`, and nothing outranks what a stream needs.

    A prompt that ends with the model's own words is to be gone on with, in the way that `prefill` names.
    """
    body = {**extra, "model": model, "messages": prompt.messages, "stream": True}
    if prefill is not None and prompt.messages[-1].role == "assistant":
        _let_go_on(body, prompt, prefill)
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.top_p is not None:
        body["top_p"] = options.top_p
    if not dialect.sampling:
        body.pop("temperature", None)
        body.pop("top_p", None)
    if options.max_tokens is not None:
        body[dialect.max_tokens] = options.max_tokens
    return msgspec.json.encode(body)


def _let_go_on(body: dict[str, Any], prompt: Prompt, prefill: Prefill) -> None:
    if prefill == "vllm":  # docs.vllm.ai, chat completions: the two go together
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    elif prefill == "prefix":  # DeepSeek's and Mistral's chat completions
        *before, last = prompt.messages
        body["messages"] = [*before, {"role": last.role, "content": last.content, "prefix": True}]
