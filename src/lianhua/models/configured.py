"""The models that the operator lists (`LIANHUA_MODELS`), as plain values."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from lianhua.chat.plain_text import NAME_CHARS
from lianhua.errors import WrongSettings
from lianhua.models.port import Prefill

# Whole context windows by the beginning of a model's name, from the providers' own model pages (2026-11). What is not
# here counts as UNKNOWN_CONTEXT_TOKENS, generously: too small costs memory of the talk, too large one refused request,
# from which the true size is learnt.
CONTEXT_TOKENS = {
    "gpt-4o": 128_000,
    "gpt-4.1": 1_047_576,
    "gpt-5": 400_000,
    "o3": 200_000,
    "o4-mini": 200_000,
    "deepseek-": 64_000,
    "qwen-": 32_768,
    "qwen3": 32_768,
    "claude-": 200_000,
    "gemini-": 1_000_000,
}
UNKNOWN_CONTEXT_TOKENS = 128_000
# Models that nobody but their provider runs: their window is the same at every server, and most do not tell it.
PROVIDERS_OWN = ("gpt-4o", "gpt-4.1", "gpt-5", "o3", "o4-mini", "claude-", "gemini-")


class ListedModel(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One `[[model]]`: `model` is its name at the server (the id where None), `api_key_env` names an environment
    variable, `prefill` says how its server lets it go on with a reply of its own, `fallback` are the ids of those that
    are asked in its place when it cannot answer.
    """

    id: str
    name: str | None = None
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    context_tokens: int | None = None
    images: bool = False
    prefill: Prefill | None = None
    fallback: tuple[str, ...] = ()


class _File(Struct, forbid_unknown_fields=True):
    model: list[ListedModel]


def parse_models_file(toml: str, source: str) -> list[ListedModel]:
    """The models of a TOML text. Raises `WrongSettings` with one line that names `source` and the fault."""
    try:
        models = msgspec.toml.decode(toml, type=_File).model
    except (msgspec.MsgspecError, ValueError) as exc:
        raise WrongSettings(f"{source}: {' '.join(str(exc).split())}") from exc
    if not models:
        raise WrongSettings(f"{source}: add at least one [[model]]")
    return _distinct(models, source)


def parse_models_list(names: str) -> list[ListedModel]:
    """The models of a comma-separated list of names. Raises `WrongSettings`."""
    models = [ListedModel(name.strip()) for name in names.split(",") if name.strip()]
    if not models:
        raise WrongSettings("LIANHUA_MODELS: should be a .toml file or names separated by commas")
    return _distinct(models, "LIANHUA_MODELS")


def context_tokens_of(model: str) -> int:
    """The whole window of a model as far as its name tells."""
    name = model.rpartition("/")[2].lower()  # gateways put the provider in front
    known = [tokens for start, tokens in CONTEXT_TOKENS.items() if name.startswith(start)]
    return known[0] if known else UNKNOWN_CONTEXT_TOKENS


def is_providers_own(model: str) -> bool:
    """Whether the window of a model is what `context_tokens_of` says wherever it is asked."""
    return model.rpartition("/")[2].lower().startswith(PROVIDERS_OWN)


def check_fallbacks(fallbacks: Mapping[str, Sequence[str]], source: str) -> None:
    """Of all models by id. Raises `WrongSettings` for an id that none has, and for a chain that comes back."""
    for model, others in fallbacks.items():
        if unknown := next((other for other in others if other not in fallbacks), None):
            raise WrongSettings(
                f"{source}: the fallback {unknown!r} of {model!r} is not in the list; add it or leave it out"
            )

    def follow(way: tuple[str, ...]) -> None:
        for other in fallbacks[way[-1]]:
            if other in way:
                circle = " -> ".join((*way[way.index(other) :], other))
                raise WrongSettings(f"{source}: the fallbacks go round in a circle: {circle}")
            if other not in checked:
                follow((*way, other))
        checked.add(way[-1])

    checked: set[str] = set()
    for model in fallbacks:
        follow((model,))


def _distinct(models: list[ListedModel], source: str) -> list[ListedModel]:
    if len({model.id for model in models}) != len(models):
        raise WrongSettings(f"{source}: two models have the same id")
    if any(not model.id.isprintable() or len(model.id) > NAME_CHARS for model in models):
        raise WrongSettings(f"{source}: a model's id is 1 to {NAME_CHARS} printable characters")
    return models
