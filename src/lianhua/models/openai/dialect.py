"""What servers take of a request: they differ, and say so only when asked."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lianhua.chat.prompt import JOINT, Prompt, PromptMessage
from lianhua.models.openai.errors import Complaint
from lianhua.models.openai.refusals import SAMPLING, refused_sampling, refuses_roles, takes_no_sampling
from lianhua.models.port import GenerationOptions, Prefill

# How a server made with Starlette tells of an error of its own (500). `transformers serve` tells so of what the chat
# template refuses, where only the system role can still be the cause.
WORDLESS = "internal server error"


class Dialect(Struct, frozen=True):
    """Which optional parts of the request a server takes: all, until a refusal teaches otherwise.

    Without `system_role` the system prompt is the beginning of the first message of the user's. Without `sampling` none
    of `SAMPLING` is sent; `too_much` are those of it whose values were refused, in one request alone (`lasting`).
    """

    usage: bool = True
    sampling: bool = True
    system_role: bool = True
    max_tokens: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    too_much: frozenset[str] = frozenset()

    @property
    def lasting(self) -> "Dialect":
        """What holds for other requests too: another persona's values may be fine."""
        return msgspec.structs.replace(self, too_much=frozenset())

    def without(self, complaint: Complaint) -> "Dialect | None":
        """The dialect to ask in after a refusal; None where `complaint` names nothing that could be left out."""
        if self.usage and "stream_options" in complaint.words:
            return msgspec.structs.replace(self, usage=False)
        # OpenAI's reasoning models refuse the older name, and any temperature but their own.
        if self.max_tokens == "max_tokens" and "max_completion_tokens" in complaint.words:
            return msgspec.structs.replace(self, max_tokens="max_completion_tokens")
        refused = refused_sampling(complaint.words)
        if self.sampling and refused and takes_no_sampling(complaint.words):
            return msgspec.structs.replace(self, sampling=False)
        if self.sampling and not refused <= self.too_much:
            return msgspec.structs.replace(self, too_much=self.too_much | refused)
        return self._without_system_role(complaint)

    def after(self, status: int, complaint: Complaint) -> "Dialect | None":
        """The same for an answer of that status. Some servers fail (500) over a template, and so over roles alone."""
        if status in (400, 422):
            return self.without(complaint)
        return self._without_system_role(complaint) if status >= 500 else None

    def _without_system_role(self, complaint: Complaint) -> "Dialect | None":
        of_roles = refuses_roles(complaint.words) or complaint.words.strip() == WORDLESS
        refused = self.system_role and not complaint.of_context and of_roles
        return msgspec.structs.replace(self, system_role=False) if refused else None


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
    messages = prompt.messages if dialect.system_role else _folded(prompt.messages)
    body = {**extra, "model": model, "messages": messages, "stream": True}
    if prefill is not None and prompt.messages[-1].role == "assistant":
        _let_go_on(body, messages, prefill)
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if options.temperature is not None:
        body["temperature"] = options.temperature
    if options.top_p is not None:
        body["top_p"] = options.top_p
    for name in SAMPLING:
        if not dialect.sampling or name in dialect.too_much:
            body.pop(name, None)
    if options.max_tokens is not None:
        body[dialect.max_tokens] = options.max_tokens
    return msgspec.json.encode(body)


def _folded(messages: Sequence[PromptMessage]) -> Sequence[PromptMessage]:
    """The messages with the system prompt at the beginning of what the user says first."""
    if len(messages) < 2 or messages[0].role != "system" or messages[1].role != "user":
        return messages
    system, first, *rest = messages
    return (PromptMessage("user", f"{system.content}{JOINT}{first.content}"), *rest)


def _let_go_on(body: dict[str, Any], messages: Sequence[PromptMessage], prefill: Prefill) -> None:
    if prefill == "vllm":  # docs.vllm.ai, chat completions: the two go together
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    elif prefill == "prefix":  # DeepSeek's and Mistral's chat completions
        *before, last = messages
        body["messages"] = [*before, {"role": last.role, "content": last.content, "prefix": True}]
