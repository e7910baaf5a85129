"""The models that the operator lists (`LIANHUA_MODELS`), as plain values."""

import msgspec
from msgspec import Struct

from lianhua.errors import WrongSettings
from lianhua.models.port import Prefill

# Whole context windows by the beginning of a model's name, from the providers' own model pages (2026-11). What is not
# here counts as UNKNOWN_CONTEXT_TOKENS: too small costs some memory of the talk, too large costs a refused request.
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
UNKNOWN_CONTEXT_TOKENS = 8_192


class ListedModel(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One `[[model]]`: `model` is its name at the server (the id where None), `api_key_env` names an environment
    variable, `prefill` says how its server lets it go on with a reply of its own.
    """

    id: str
    name: str | None = None
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    context_tokens: int | None = None
    images: bool = False
    prefill: Prefill | None = None


class _File(Struct, forbid_unknown_fields=True):
    model: list[ListedModel]


def parse_models_file(toml: str, source: str) -> list[ListedModel]:
    """The models of a TOML text. Raises `WrongSettings` with one line that names `source` and the fault."""
    try:
        models = msgspec.toml.decode(toml, type=_File).model
    except (msgspec.MsgspecError, ValueError) as exc:
        raise WrongSettings(f"{source}: {' '.join(str(exc).split())}") from exc
    if not models:
        raise WrongSettings(f"{source}: lists no [[model]]")
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


def _distinct(models: list[ListedModel], source: str) -> list[ListedModel]:
    if len({model.id for model in models}) != len(models):
        raise WrongSettings(f"{source}: two models have the same id")
    if any(not model.id.isprintable() or len(model.id) > 200 for model in models):
        raise WrongSettings(f"{source}: a model's id is 1 to 200 printable characters")
    return models
