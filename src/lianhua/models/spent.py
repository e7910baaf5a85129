"""The token counts of a reply, as servers send them: each has its own idea of what adds up. Pure."""

from typing import Any

from lianhua.messages import Usage


def read_usage(usage: Any) -> Usage | None:
    """The tokens of one reply; None where there are no figures to trust.

    What the total has beyond its parts is reasoning that a server did not add to the completion (Gemini, xAI), or else
    the cached part of the prompt (Anthropic's figures behind a gateway).
    """
    if not isinstance(usage, dict):
        return None
    prompt = _tokens(usage.get("prompt_tokens") or usage.get("input_tokens"))
    completion = _tokens(usage.get("completion_tokens") or usage.get("output_tokens"))
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
        usage.get(name) for name in ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")
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
    return int(count) if isinstance(count, int | float) and 0 <= count < 1e12 else 0
