"""What servers say why a reply ended: their words become OpenAI's, a failure, or nothing. Pure.

The words are those met in the documentation and the code of OpenAI, Azure, DeepSeek, Zhipu, Moonshot, MiniMax, Baidu,
OpenRouter, Mistral, Groq, xAI, Together, Cohere, Anthropic, Bedrock, Gemini, vLLM, SGLang, Ollama and
text-generation-inference, of no single date; none of these lists is known to be complete.
"""

import re
from typing import Final

# A word that some servers put into every chunk.
_NONE: Final = frozenset({"", "null", "none", "nil", "undefined", "unspecified", "not_finished", "in_progress"})
_STOP: Final = frozenset(
    {"stop", "end_turn", "eos", "eos_token", "stop_sequence", "stop_sequence_reached", "complete", "completed",
     "finish", "finished", "end", "normal", "done", "ended", "eot", "eos_reached", "end_of_text", "stop_token",
     "stop_word", "stopped", "success", "succeeded", "natural_stop"}
)  # fmt: skip
_LENGTH: Final = frozenset(
    {"length", "max_tokens", "max_length", "max_output_tokens", "model_length", "length_limit", "token_limit",
     "model_context_window_exceeded", "context_length_exceeded", "incomplete", "max_new_tokens",
     "max_completion_tokens", "max_token", "limit", "truncated", "context_length", "max_length_reached", "too_long"}
)  # fmt: skip
_FILTER = re.compile(
    r"content.?filter|safety|sensitive|recitation|blocklist|prohibited|spii|guardrail|refusal|toxic|moderation"
)
# DeepSeek's `insufficient_system_resource`, Zhipu's `network_error`, Cohere's `error_limit`, vLLM's `abort`.
_FAILURE = re.compile(
    r"error|malformed|exception|fail|abort|cancel|time.?out|overload|unavailable|insufficient|disconnect|interrupt|crash"
)
REASON_CHARS: Final = 64

FAILED: Final = "error"


def read_reason(word: str) -> str | None:
    """Why a reply ended: a word of OpenAI's where it means the same, `FAILED`, or the server's own word in lower case.

    None for a word that is no reason.
    """
    own = word.strip().lower()[:REASON_CHARS]
    # Google's enumeration may come with its name: "FINISH_REASON_STOP".
    said = own.removeprefix("finish_reason_").replace("-", "_").replace(" ", "_")
    if said in _NONE:
        return None
    if said in _STOP:
        return "stop"
    if said in _LENGTH:
        return "length"
    if _FILTER.search(said):
        return "content_filter"
    if said in ("tool_use", "tool_call", "function_calls", "unexpected_tool_call"):
        return "tool_calls"
    return FAILED if _FAILURE.search(said) else own
