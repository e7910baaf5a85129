"""How large the window of a model is, as far as its server's list of models tells. Pure.

No part of the protocol says so, and each kind of server has words of its own for it.
"""

from typing import Any

import msgspec
from msgspec import Struct

from lianhua.models.openai.refusals import LARGEST_WINDOW_TOKENS, SMALLEST_WINDOW_TOKENS

# Where a model's entry holds it, what is given before what would be possible. llama.cpp (`meta.n_ctx` is what one slot
# has, `n_ctx_train` is not), LM Studio, vLLM and SGLang, OpenRouter (what the provider gives, then the model's own),
# Together, Fireworks and Moonshot, Groq, Mistral, Novita, DeepInfra, GitHub Models, Anthropic.
_PLACES: tuple[tuple[str, ...], ...] = (
    ("meta", "n_ctx"),
    ("loaded_context_length",),
    ("max_model_len",),
    ("top_provider", "context_length"),
    ("context_length",),
    ("context_window",),
    ("max_context_length",),
    ("context_size",),
    ("metadata", "context_length"),
    ("limits", "max_context_length"),
    ("limits", "max_input_tokens"),
    ("max_input_tokens",),
)
# Whoever owns a model tells which server it is, and where that says what the model has been given once it is loaded.
OLLAMA_OWNER, LM_STUDIO_OWNER = "library", "organization_owner"
MORE_TO_ASK = {OLLAMA_OWNER: "/api/ps", LM_STUDIO_OWNER: "/api/v0/models"}


class ListedSize(Struct, frozen=True):
    """What a list says of one model: its window in tokens, and who owns it; None for what it does not say."""

    tokens: int | None = None
    owner: str | None = None


class _List(Struct):
    data: list[dict[str, Any]] = []
    models: list[dict[str, Any]] = []  # Ollama's own list


def listed_size(body: bytes, model: str) -> ListedSize:
    """What `body`, a list of models in JSON, says of `model`. A server of one model knows it by any name."""
    try:
        found = msgspec.json.decode(body, type=_List)
    except (ValueError, RecursionError):
        return ListedSize()
    entries = found.data or found.models
    named = [entry for entry in entries if model in (entry.get("id"), entry.get("name"), entry.get("model"))]
    entry = (named or (entries if len(entries) == 1 else [{}]))[0]
    sizes = (_size(entry, place) for place in _PLACES)
    owner = entry.get("owned_by")
    return ListedSize(next(filter(None, sizes), None), owner if isinstance(owner, str) else None)


def _size(entry: dict[str, Any], place: tuple[str, ...]) -> int | None:
    value: Any = entry
    for name in place:
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, int) or not SMALLEST_WINDOW_TOKENS <= value <= LARGEST_WINDOW_TOKENS:
        return None
    return value
