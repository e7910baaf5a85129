"""What a chat template demands of the roles, in its own words: the strict ones of Gemma, Mistral and others in one.

Reimplemented from what they refuse: a system message anywhere but first, an assistant before the user, the same speaker
twice in a row, a conversation that does not end with the user (or with what the assistant is to go on with).
"""

from collections.abc import Mapping, Sequence
from typing import Any

ALTERNATE = "Conversation roles must alternate user/assistant/user/assistant/..."
NO_SYSTEM = "System role not supported"


def refusal_of(messages: Sequence[Mapping[str, Any]], *, system: bool = True, prefill: bool = False) -> str | None:
    """What a template says of these messages; None where it takes them. Without `system` it knows no such role."""
    rest = list(messages)
    if rest and rest[0]["role"] == "system":
        if not system:
            return NO_SYSTEM
        rest = rest[1:]
    if any(message["role"] != ("assistant" if place % 2 else "user") for place, message in enumerate(rest)):
        return f"After the optional system message, {ALTERNATE[0].lower()}{ALTERNATE[1:]}" if system else ALTERNATE
    if any(not message["content"].strip() for message in messages):
        return "messages: text content blocks must contain non-whitespace text"
    if not rest or (rest[-1]["role"] == "assistant" and not prefill):
        return "This model does not support assistant message prefill. The conversation must end with a user message."
    return None


def llama_cpp_error(words: str) -> dict[str, Any]:
    """The body of llama.cpp's answer (status 400) when a template raises."""
    message = (
        "Unable to generate parser for this template. Automatic parser generation failed: \n------------\n"
        "While executing CallExpression at line 1, column 72 in source:\n...{{ raise_exception('"
        f"{words[:40]}...\n{' ' * 43}^\nError: Jinja Exception: {words}"
    )
    return {"error": {"code": 400, "message": message, "type": "invalid_request_error"}}
