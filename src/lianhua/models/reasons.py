"""What servers say why a reply ended: their words become OpenAI's, a failure, or nothing. Pure.

From the API references of the providers (2026-11): OpenAI, Azure, DeepSeek, Zhipu, Moonshot, MiniMax, Baidu,
OpenRouter, Mistral, Groq, xAI, Together, Cohere, Anthropic, Bedrock, Gemini, vLLM, SGLang, Ollama and
text-generation-inference.
"""

import re
from typing import Final

# A word that some servers put into every chunk.
_NONE: Final = frozenset(
    {"", "null", "none", "nil", "undefined", "unspecified", "finish_reason_unspecified", "not_finished", "in_progress"}
)
_STOP: Final = frozenset(
    {"stop", "end_turn", "eos", "eos_token", "stop_sequence", "stop_sequence_reached", "complete", "completed",
     "finish", "finished", "end", "normal"}
)  # fmt: skip
_LENGTH: Final = frozenset(
    {"length", "max_tokens", "max_length", "max_output_tokens", "model_length", "length_limit", "token_limit",
     "model_context_window_exceeded", "context_length_exceeded", "incomplete"}
)  # fmt: skip
_FILTER = re.compile(
    r"content.?filter|safety|sensitive|recitation|blocklist|prohibited|spii|guardrail|refusal|toxic|moderation"
)
# DeepSeek's `insufficient_system_resource`, Zhipu's `network_error`, Cohere's `error_limit`, vLLM's `abort`.
_FAILURE = re.compile(r"error|fail|abort|cancel|time.?out|overload|unavailable|insufficient|disconnect|interrupt|crash")
REASON_CHARS: Final = 64

FAILED: Final = "error"


def read_reason(word: str) -> str | None:
    """Why a reply ended: a word of OpenAI's where it means the same, `FAILED`, or the server's own word in lower case.

    None for a word that is no reason.
    """
    said = word.strip().lower()[:REASON_CHARS]
    if said in _NONE:
        return None
    if said in _STOP:
        return "stop"
    if said in _LENGTH:
        return "length"
    if _FILTER.search(said):
        return "content_filter"
    if said == "tool_use":
        return "tool_calls"
    return FAILED if _FAILURE.search(said) else said
