"""What a model server's refusal means: its status and its words become one of our `ModelError`s. Pure.

Nothing of a body goes into an error's text: bodies quote prompts, and some quote keys.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from lianhua.errors import (
    ContextTooLong,
    ModelAuthFailed,
    ModelBadResponse,
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
)

# What servers call a prompt that is longer than the context window, by `code` or `type`: OpenAI, gateways, llama.cpp.
_CONTEXT_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"})
# The same in words. Both of the first two have to occur: OpenAI, vLLM, SGLang, OpenRouter, Mistral ("maximum context
# length is"), llama.cpp ("exceeds the available context size"), llama-cpp-python ("exceed context window of"), Ollama
# ("exceeds the context length"), LM Studio ("when context the overflows", "greater than the context length").
_CONTEXT = re.compile(r"context.?(?:length|window|size)")
_EXCESS = re.compile(r"exceed|maximum|overflow|too (?:long|large|small)|greater|longer|larger|reduce|not enough")
_PROMPT_TOO_LONG = re.compile(
    r"(?:prompt|input) (?:is|was) too long"  # Anthropic, Bedrock
    r"|longer than the maximum model length"  # vLLM
    r"|input token count .{0,40}exceeds"  # Gemini
    r"|maximum prompt length"  # xAI
    r"|reduce the length of the (?:messages|prompt|input)"  # Groq, OpenAI
    r"|exceeded model token limit"  # Moonshot
    r"|range of input length should be"  # DashScope
    r"|prompt exceeds max length"  # Zhipu
    r"|inputs?`? (?:must have less than|tokens \+)"  # text-generation-inference
)
# Errors are short. What is longer quotes something, and a prompt may hold any words.
WORDS_CHARS = 2_000
_RATE_CODES = frozenset({"rate_limit_exceeded", "rate_limit_error", "insufficient_quota"})
_AUTH_CODES = frozenset({"invalid_api_key", "authentication_error", "permission_error"})
_DOWN_CODES = frozenset({"server_error", "overloaded_error", "service_unavailable", "api_error"})
# An account without credit stays so for longer than a reply can wait.
_HOPELESS_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


@dataclass(frozen=True)
class Fault:
    """`passing`: the same request may well be answered a moment later. `complaint`: in the server's own words."""

    error: ModelError
    passing: bool = False
    complaint: "Complaint | None" = None


@dataclass(frozen=True)
class Complaint:
    """A server's error object in lower case. `codes` holds its `code`, `type` and `status`, whichever were given."""

    codes: frozenset[str] = frozenset()
    words: str = ""

    @property
    def of_context(self) -> bool:
        if not self.codes.isdisjoint(_CONTEXT_CODES) or _PROMPT_TOO_LONG.search(self.words):
            return True
        return bool(_CONTEXT.search(self.words) and _EXCESS.search(self.words))


def complaint_in(body: bytes) -> Complaint:
    """The complaint that an error body holds, JSON or plain text."""
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return read_complaint(body.decode("utf-8", "replace"))
    if isinstance(found, list) and found:  # Google's compatible endpoint wraps its error object in a list
        found = found[0]
    return read_complaint(found.get("error") or found if isinstance(found, dict) else found)


def read_complaint(error: Any) -> Complaint:
    """The complaint in a decoded error: an object with `message`, `code`, `type`, or a bare string."""
    if not isinstance(error, dict):
        return Complaint(words=error[:WORDS_CHARS].lower() if isinstance(error, str) else "")
    words = [error.get("message"), error.get("detail"), error.get("param")]
    if isinstance(error.get("n_ctx"), int):  # llama.cpp gives the window as a field
        words.append(f"n_ctx {error['n_ctx']}")
    if isinstance(error.get("metadata"), dict):  # OpenRouter keeps the provider's own words there
        words.append(error["metadata"].get("raw"))
    codes = (error.get("code"), error.get("type"), error.get("status"))
    return Complaint(
        codes=frozenset(str(code).lower() for code in codes if isinstance(code, str | int)),
        # `str`, for FastAPI's `detail` may be a list of objects.
        words="\n".join(str(word)[:WORDS_CHARS] for word in words if word).lower(),
    )


# The rest of 4xx is a refusal, the rest of 5xx an absence that passes.
_BY_STATUS: dict[int, type[ModelError]] = {401: ModelAuthFailed, 403: ModelAuthFailed, 404: ModelUnavailable}


def fault_of_status(status: int, complaint: Complaint) -> Fault:
    """What an answer other than 200 means."""
    detail = f"status {status}"
    if status == 429:
        return Fault(ModelRateLimited(detail), passing=complaint.codes.isdisjoint(_HOPELESS_CODES))
    if status in _BY_STATUS:
        return Fault(_BY_STATUS[status](detail))
    if status < 400:  # a redirect
        return Fault(ModelBadResponse(detail))
    if complaint.of_context:
        return Fault(ContextTooLong(detail))
    if status == 408 or status >= 500:
        return Fault(ModelUnavailable(detail), passing=True)
    return Fault(ModelRefused(detail))


def fault_of_event(complaint: Complaint) -> Fault:
    """What an error object inside a 200 means."""
    return replace(_fault_of_event(complaint), complaint=complaint)


def _fault_of_event(complaint: Complaint) -> Fault:
    if complaint.of_context:
        return Fault(ContextTooLong("error in the stream"))
    for code in complaint.codes:
        status = int(code) if code.isascii() and code.isdecimal() and len(code) == 3 else 0
        if status in (401, 403, 429) or 500 <= status <= 599:
            return fault_of_status(status, complaint)
    if not complaint.codes.isdisjoint(_RATE_CODES):
        return fault_of_status(429, complaint)
    if not complaint.codes.isdisjoint(_AUTH_CODES):
        return Fault(ModelAuthFailed("error in the stream"))
    if not complaint.codes.isdisjoint(_DOWN_CODES):
        return Fault(ModelUnavailable("error in the stream"), passing=True)
    return Fault(ModelBadResponse("error in the stream"))
