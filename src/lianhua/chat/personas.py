"""The AI roles: what each tells the model, and how it presents itself. Parsing is pure; whoever starts the server
reads the files.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from lianhua.chat.messages import Language
from lianhua.errors import UnknownRole, WrongSettings

DEFAULT_ROLE: Final = "assistant"
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_OWN_ID = re.compile(r"own-[0-9a-f]{10}")
PROMPT_CHARS: Final = 16_000  # a persona that fills a small model's window leaves no room to talk
MAX_TOKENS: Final = (16, 1_000_000)


class PersonaText(Struct, frozen=True, forbid_unknown_fields=True):
    """A persona in one language. `suggestions` are questions that an empty page offers."""

    name: str
    description: str
    prompt: str
    welcome: str
    suggestions: tuple[str, ...] = ()


class Persona(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One AI role in at least one language.

    `model` is the id of the model that answers where neither the message nor the conversation names one. What of it and
    of `temperature`, `top_p` and `max_tokens` is None is left to the server or to the model.
    """

    id: str
    icon: str
    zh: PersonaText | None = None
    en: PersonaText | None = None
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None

    def text(self, language: Language) -> PersonaText:
        """The persona in `language`, or in the one it has."""
        first, second = (self.zh, self.en) if language == "zh" else (self.en, self.zh)
        text = first or second
        assert text is not None, "parse_personas lets none without a text pass"  # noqa: S101
        return text


class OwnPersona(Struct, frozen=True, omit_defaults=True):
    """A persona that a user has made, in that user's words whatever the language. Times are Unix seconds by the store's
    clock.
    """

    id: str
    name: str
    icon: str
    description: str
    prompt: str
    welcome: str = ""
    suggestions: tuple[str, ...] = ()
    model: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    created_at: float = 0.0
    updated_at: float = 0.0

    def as_persona(self) -> Persona:
        """The role that it is."""
        text = PersonaText(self.name, self.description, self.prompt, self.welcome, self.suggestions)
        return Persona(self.id, self.icon, text, text, self.model, self.temperature, self.top_p, self.max_tokens)


def new_own_id() -> str:
    """An id for a persona that a user makes: no other persona of the server has such a one."""
    return f"own-{secrets.token_hex(5)}"


def is_own_id(role: str) -> bool:
    """Whether a persona of that id, if there is one, is some user's own."""
    return _OWN_ID.fullmatch(role) is not None


class _File(Struct, forbid_unknown_fields=True):
    persona: list[Persona]


class Personas:
    """Every persona of this server by id, in order."""

    def __init__(self, personas: Mapping[str, Persona]) -> None:
        self._personas = dict(personas)

    def __iter__(self) -> Iterator[Persona]:
        return iter(self._personas.values())

    def __contains__(self, role: str) -> bool:
        return role in self._personas

    def get(self, role: str) -> Persona:
        """Raises `UnknownRole`."""
        try:
            return self._personas[role]
        except KeyError:
            raise UnknownRole(f"{len(role)} characters") from None


def parse_personas(toml: str, source: str) -> dict[str, Persona]:
    """The personas of a TOML text by id. Raises `WrongSettings` with one line that names `source` and the fault."""
    try:
        personas = msgspec.toml.decode(toml, type=_File).persona
    except (msgspec.MsgspecError, ValueError) as exc:
        raise WrongSettings(f"{source}: {' '.join(str(exc).split())}") from exc
    for persona in personas:
        _check(persona, source)
    by_id = {persona.id: persona for persona in personas}
    if len(by_id) != len(personas):
        raise WrongSettings(f"{source}: two personas have the same id")
    return by_id


def _check(persona: Persona, source: str) -> None:
    if not _ID.fullmatch(persona.id):
        raise WrongSettings(f"{source}: a persona's id is 1 to 32 of a-z, 0-9, _ and -")
    if is_own_id(persona.id):
        raise WrongSettings(f"{source}: {persona.id} has an id that is kept for users' own personas; choose another")
    texts = [text for text in (persona.zh, persona.en) if text]
    if not texts:
        raise WrongSettings(f"{source}: persona {persona.id} needs [persona.zh] or [persona.en]")
    for text in texts:
        if not text.name.strip() or not text.prompt.strip():
            raise WrongSettings(f"{source}: persona {persona.id} needs a name and a prompt")
        if len(text.prompt) > PROMPT_CHARS:
            raise WrongSettings(f"{source}: persona {persona.id} has a prompt of more than {PROMPT_CHARS} characters")
    if persona.temperature is not None and not 0 <= persona.temperature <= 2:
        raise WrongSettings(f"{source}: persona {persona.id} has a temperature outside 0 to 2")
    if persona.top_p is not None and not 0 < persona.top_p <= 1:
        raise WrongSettings(f"{source}: persona {persona.id} has a top_p that is not above 0 and at most 1")
    if persona.max_tokens is not None and not MAX_TOKENS[0] <= persona.max_tokens <= MAX_TOKENS[1]:
        raise WrongSettings(f"{source}: persona {persona.id} has max_tokens outside {MAX_TOKENS[0]} to {MAX_TOKENS[1]}")
