"""Bodies as the OpenAPI document shows them. Fields that are None are left out where the contract marks them
optional.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from lianhua.api.deps import Name, PlainText, Title
from lianhua.formats.kinds import Format


class In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class NewConversation(In):
    role: Name | None = None
    model: Name | None = None
    title: Title = ""


class ConversationPatch(In):
    """At least one field; what is left out stays. A `model` of null follows the server's default again."""

    role: Name | None = None
    model: Name | None = None
    title: Annotated[Title, Field(min_length=1)] | None = None
    pinned: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> "ConversationPatch":
        if not self.model_fields_set:
            raise ValueError("name at least one of title, role, model, pinned")
        return self

    @field_validator("title")
    @classmethod
    def _visible(cls, title: str | None) -> str | None:
        if title is not None and not title.strip():
            raise ValueError("must not be blank")
        return title


class _TurnBody(In):
    role: Name | None = None
    model: Name | None = None


class SendBody(_TurnBody):
    """The next message: below `parent_id` ("" is the beginning), else below the newest one."""

    message: PlainText
    parent_id: Annotated[PlainText, Field(max_length=200)] | None = None


class RetryBody(_TurnBody):
    """Another reply beside this one, or one to this message of the user's."""

    retry: Name


class EditBody(_TurnBody):
    """Another message beside this one of the user's: a new branch from there."""

    edit: Name
    message: PlainText


class ContinueBody(_TurnBody):
    """A reply that goes on from where this one was cut."""

    continue_: Annotated[Name, Field(alias="continue")]


_TAG: Final = "~"  # marks the kinds of a body in the places of its faults, where nobody needs them


def _kind_of_turn(body: Any) -> str:
    """By the field that only one kind has; everything else is a message."""
    if isinstance(body, _TurnBody):
        return _TAG + type(body).__name__
    kinds = {"retry": RetryBody, "edit": EditBody, "continue": ContinueBody}
    fields = body if isinstance(body, dict) else {}
    return _TAG + next((kind.__name__ for field, kind in kinds.items() if field in fields), SendBody.__name__)


NewTurnBody = Annotated[
    Annotated[SendBody, Tag(_TAG + "SendBody")]
    | Annotated[RetryBody, Tag(_TAG + "RetryBody")]
    | Annotated[EditBody, Tag(_TAG + "EditBody")]
    | Annotated[ContinueBody, Tag(_TAG + "ContinueBody")],
    Discriminator(_kind_of_turn),
]


class BranchBody(In):
    message_id: Name


class MessagePatch(In):
    pinned: bool


def _is_none(value: object) -> bool:
    return value is None


class UsageOut(Out):
    """`cached_tokens` of the prompt were in the provider's cache; left out where it says nothing of them."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cached_tokens: Annotated[int | None, Field(exclude_if=_is_none)] = None
    cost: float | None = None


class SpentOut(Out):
    """A sum over turns. `estimated_tokens` of the tokens were counted by the server; `cost` is null without a price."""

    turns: int
    prompt_tokens: int
    completion_tokens: int
    estimated_tokens: int
    cost: float | None


class ConversationOut(Out):
    id: str
    title: str
    role: str
    model: str | None
    created_at: float
    updated_at: float
    expires_at: float | None
    pinned: bool
    message_count: int
    running_turn_id: str | None
    usage: SpentOut


class MatchOut(Out):
    """Where something was found; `message_id` is null for the title. Offsets count characters of the excerpt."""

    message_id: str | None
    excerpt: str
    highlights: list[tuple[int, int]]


class ListedConversationOut(ConversationOut):
    """A row of the list; one of a search has its matches."""

    matches: list[MatchOut] = []


class ConversationPageOut(Out):
    conversations: list[ListedConversationOut]
    next: str | None


class MessageOut(Out):
    id: str
    parent_id: str | None
    role: Literal["user", "assistant"]
    content: str
    timestamp: float
    status: Literal["done", "stopped", "failed", "interrupted"]
    finish_reason: str | None = None
    code: str | None = None
    reasoning: str | None = None
    model: str | None = None
    persona: str | None = None
    usage: UsageOut | None = None
    turn_id: str | None = None
    pinned: bool | None = None
    dropped_before: int | None = None
    siblings: list[str]


class MessagePageOut(Out):
    """`total` counts all messages that the branch ever had, `dropped` those between these that retention has taken."""

    messages: list[MessageOut]
    total: int
    dropped: int
    next: str | None


class HistoryOut(Out):
    messages: list[MessageOut]
    total: int


class SessionOut(Out):
    session_id: str
    welcome_message: str


class ClearedOut(Out):
    message: str


class RoleOut(Out):
    name: str
    icon: str
    description: str
    prompt: str
    welcome: str
    suggestions: list[str]
    model: str | None = None
    own: bool


class RolesOut(Out):
    roles: dict[str, RoleOut]
    default_role: str


class TurnStartedOut(Out):
    turn_id: str
    user_message_id: str
    reply_message_id: str
    events_url: str


class ContextEntryOut(Out):
    id: str
    role: Literal["system", "user", "assistant"]
    tokens: int
    included: bool
    reason: str


class ContextOut(Out):
    budget_tokens: int
    used_tokens: int
    older_left_out: int
    messages: list[ContextEntryOut]


class TurnOut(Out):
    status: Literal["running", "done", "stopped", "failed", "interrupted"]
    stopping: bool
    model: str
    role: str
    code: str | None
    finish_reason: str | None
    usage: UsageOut | None
    started_at: float | None
    first_token_at: float | None
    ended_at: float | None
    attempts: int
    context: ContextOut


class ModelOut(Out):
    id: str
    name: str
    kind: Literal["openai", "local", "demo", "scripted"]
    images: bool
    context_tokens: int
    note: str


class DownloadOut(Out):
    """The small model on its way to this computer."""

    state: Literal["waiting", "running", "done", "stopped", "skipped", "failed"]
    received_bytes: int
    total_bytes: int
    reason: str | None


class ModelsOut(Out):
    models: list[ModelOut]
    default_model: str
    download: DownloadOut | None


class HealthOut(Out):
    status: str


class ProblemOut(Out):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]] | None = None
    running_turn_id: str | None = None


# What a user has chosen for good


class PreferencesOut(Out):
    default_role: str | None
    default_model: str | None
    language: Literal["zh", "en"] | None


class StartOut(Out):
    roles: RolesOut
    models: ModelsOut
    settings: PreferencesOut
    conversations: ConversationPageOut


class PreferencesPatch(In):
    """At least one field; what is left out stays, null takes a choice back."""

    default_role: Name | None = None
    default_model: Name | None = None
    language: Literal["zh", "en"] | None = None

    @model_validator(mode="after")
    def _something(self) -> "PreferencesPatch":
        if not self.model_fields_set:
            raise ValueError("name at least one of default_role, default_model, language")
        return self


# Import


class ImportedOut(Out):
    conversations: int
    messages: int
    personas: int
    extended: int | None = None


class SkippedOut(Out):
    """So many things of a kind that were left out or changed, and one of them."""

    what: str
    reason: str
    count: int
    example: str | None = None


class ImportReportOut(Out):
    format: Format
    imported: ImportedOut
    skipped: list[SkippedOut]
