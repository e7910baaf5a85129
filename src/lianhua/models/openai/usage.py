"""The token counts of a reply, as servers send them: each has its own idea of what adds up. Pure."""

import re
from typing import Any, Final

from lianhua.chat.messages import Usage

# More than any reply: what is larger is no count.
MOST_TOKENS: Final = 1e12
_DIGITS = re.compile(r"[0-9]{1,12}")


def read_usage(usage: Any) -> Usage | None:
    """The tokens of one reply; None where there are no figures to trust.

    What the total has beyond its parts is reasoning that a server did not add to the completion (Gemini, xAI), or else
    the cached part of the prompt (Anthropic's figures behind a gateway).
    """
    if not isinstance(usage, dict):
        return None
    prompt = _tokens(usage.get("prompt_tokens")) or _tokens(usage.get("input_tokens"))
    completion = _tokens(usage.get("completion_tokens")) or _tokens(usage.get("output_tokens"))
    total, cached = _tokens(usage.get("total_tokens")), _cached(usage)
    if not prompt + completion:
        return None
    if cached > prompt:  # they count it beside the prompt
        prompt += cached
    beyond = total - prompt - completion
    if beyond > 0 and total:
        if not prompt or beyond == cached:
            prompt += beyond
        else:
            completion += beyond
    elif not completion:
        completion = _tokens(_within(usage, "completion_tokens_details").get("reasoning_tokens"))
    return Usage(prompt, completion, cached_tokens=cached)


def says_something(usage: Any) -> bool:
    """Whether there is a figure in it: some servers send one of zeros after the true one."""
    return isinstance(usage, dict) and any(
        _tokens(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")
    )


def _cached(usage: dict[str, Any]) -> int:
    """OpenAI's name and those who follow it; DeepSeek's, Moonshot's, Anthropic's behind gateways, Mistral's."""
    named = (
        _within(usage, "prompt_tokens_details").get("cached_tokens"),
        _within(usage, "input_tokens_details").get("cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cached_tokens"),
        usage.get("cache_read_input_tokens"),
        usage.get("num_cached_tokens"),
    )
    return max(map(_tokens, named))


def _within(usage: dict[str, Any], name: str) -> dict[str, Any]:
    details = usage.get(name)
    return details if isinstance(details, dict) else {}


def _tokens(count: Any) -> int:
    if isinstance(count, str) and _DIGITS.fullmatch(count):
        return int(count)
    is_number = isinstance(count, int | float) and not isinstance(count, bool)
    return int(count) if is_number and 0 <= count < MOST_TOKENS else 0
