"""Bodies as the OpenAPI document shows them. Fields that are None are left out where the contract marks them
optional.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lianhua.api.deps import Name, PlainText, Title


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


class NewTurnBody(In):
    message: PlainText
    role: Name | None = None
    model: Name | None = None


class UsageOut(Out):
    prompt_tokens: int
    completion_tokens: int
    estimated: bool


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


class ConversationPageOut(Out):
    conversations: list[ConversationOut]
    next: str | None


class MessageOut(Out):
    id: str
    parent_id: str | None
    role: Literal["user", "assistant"]
    content: str
    timestamp: float
    status: Literal["done", "stopped", "failed", "interrupted"]
    code: str | None = None
    reasoning: str | None = None
    model: str | None = None
    persona: str | None = None
    usage: UsageOut | None = None
    turn_id: str | None = None
    siblings: list[str]


class MessagePageOut(Out):
    messages: list[MessageOut]
    total: int
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
    model: str
    role: str
    code: str | None
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
