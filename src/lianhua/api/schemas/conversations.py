"""Bodies of conversations, and of what a search has found."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from lianhua.api.deps import Name, Title
from lianhua.api.schemas.body import In, Out
from lianhua.api.schemas.usage import SpentOut, spent_out
from lianhua.chat.messages import Conversation
from lianhua.chat.prices import Prices
from lianhua.store.search.query import FoundConversation


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

    matches: list[MatchOut] = []  # noqa: RUF012 - pydantic copies it


class ConversationPageOut(Out):
    conversations: list[ListedConversationOut]
    next: str | None


def conversation_out(conversation: Conversation, prices: Prices) -> ConversationOut:
    return ConversationOut(
        id=conversation.id,
        title=conversation.title,
        role=conversation.role,
        model=conversation.model,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        expires_at=conversation.expires_at,
        pinned=conversation.pinned,
        message_count=conversation.message_count,
        running_turn_id=conversation.running_turn_id,
        usage=spent_out(list(conversation.usage.items()), prices),
    )


def listed_out(conversation: Conversation, prices: Prices, **more: Any) -> ListedConversationOut:
    return ListedConversationOut(**dict(conversation_out(conversation, prices)), **more)


def found_out(found: FoundConversation, prices: Prices) -> ListedConversationOut:
    matches = [
        MatchOut(message_id=match.message_id, excerpt=match.excerpt.text, highlights=list(match.excerpt.highlights))
        for match in found.matches
    ]
    return listed_out(found.conversation, prices, matches=matches)
