"""Bodies of the personas that users make."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from lianhua.api.deps import Name, PlainText
from lianhua.api.schemas.body import In, Out
from lianhua.chat.personas import MAX_TOKENS, PROMPT_CHARS


def _visible(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


PersonaName = Annotated[PlainText, Field(min_length=1, max_length=80), AfterValidator(_visible)]
Icon = Annotated[PlainText, Field(min_length=1, max_length=16), AfterValidator(_visible)]
Description = Annotated[PlainText, Field(max_length=200)]
PersonaPrompt = Annotated[PlainText, Field(min_length=1, max_length=PROMPT_CHARS), AfterValidator(_visible)]
Welcome = Annotated[PlainText, Field(max_length=2_000)]
Suggestion = Annotated[PlainText, Field(min_length=1, max_length=200), AfterValidator(_visible)]
Suggestions = Annotated[list[Suggestion], Field(max_length=6)]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(gt=0, le=1)]
MaxTokens = Annotated[int, Field(ge=MAX_TOKENS[0], le=MAX_TOKENS[1])]


class NewPersona(In):
    """What of `model`, `temperature`, `top_p` and `max_tokens` is null is left to the server or to the model."""

    name: PersonaName
    icon: Icon = "💬"
    description: Description = ""
    prompt: PersonaPrompt
    welcome: Welcome = ""
    suggestions: Suggestions = Field(default_factory=list)
    model: Name | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: MaxTokens | None = None


def _left_out() -> Any:
    """A field that need not be there and has no default either: what is not named stays as it is."""
    return Field(default_factory=str)


class PersonaPatch(In):
    """At least one field; what is left out stays."""

    name: PersonaName = _left_out()
    icon: Icon = _left_out()
    description: Description = _left_out()
    prompt: PersonaPrompt = _left_out()
    welcome: Welcome = _left_out()
    suggestions: Suggestions = _left_out()
    model: Name | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: MaxTokens | None = None

    @model_validator(mode="after")
    def _something(self) -> "PersonaPatch":
        if not self.model_fields_set:
            raise ValueError("name at least one field")
        return self


class OwnPersonaOut(Out):
    id: str
    name: str
    icon: str
    description: str
    prompt: str
    welcome: str
    suggestions: list[str]
    model: str | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    created_at: float
    updated_at: float


class OwnPersonasOut(Out):
    personas: list[OwnPersonaOut]
