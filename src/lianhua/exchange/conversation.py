"""What all foreign formats come to: a conversation of ours, made of what each of them says about one."""

from typing import Any, Final

from msgspec.structs import replace

from lianhua.errors import InvalidRequest
from lianhua.exchange.labels import grown as with_labels
from lianhua.exchange.mending import mended_usage
from lianhua.exchange.portable import (
    BRANCHES,
    CONVERSATION_MESSAGES,
    NAME_CHARS,
    TITLE_CHARS,
    UNWANTED,
    PortableConversation,
    PortableMessage,
    is_conversation_id,
)
from lianhua.exchange.report import Tally
from lianhua.exchange.tree import Grown, within_rows
from lianhua.messages import Usage
from lianhua.personas import DEFAULT_ROLE

MADE_TITLE_CHARS: Final = 40  # of one that is the beginning of the first message
NO_ID: Final = ""  # it gets one when it is stored
Found = PortableConversation


def whole(
    grown: Grown,
    tally: Tally,
    *,
    conversation_id: object,
    title: object,
    created_at: float | None,
    updated_at: float | None,
    pinned: bool,
) -> Found | None:
    """The conversation; None where no message of it could be kept. Raises `InvalidRequest` where it is too long."""
    shown = title if isinstance(title, str) else ""
    if not grown.messages:
        tally.skip("conversation", "empty", shown)
        return None
    check_length(len(grown.messages), shown)
    kept = within_rows(grown.messages, tally)
    messages, branches = with_labels([_clean(message, tally) for message in kept])
    check_branches(len(branches), shown)
    current = grown.current if any(message.id == grown.current for message in messages) else messages[-1].id
    name = _title(shown, tally)
    return PortableConversation(
        id=conversation_id if is_conversation_id(conversation_id) else NO_ID,  # type: ignore[arg-type]
        title=name or " ".join(messages[0].content.split())[:MADE_TITLE_CHARS],
        titled="user" if name else "",
        role=DEFAULT_ROLE,
        created_at=round(created_at or messages[0].timestamp, 6),
        updated_at=round(updated_at or messages[-1].timestamp, 6),
        pinned=pinned,
        current=current,
        branches=branches,
        messages=tuple(messages),
    )


def check_length(messages: int, title: str) -> None:
    """Raises `InvalidRequest` for a conversation that would be held for too long at once."""
    _check(messages, CONVERSATION_MESSAGES, "messages", title)


def check_branches(branches: int, title: str) -> None:
    """Raises `InvalidRequest` for a conversation in which every look would take the store too long."""
    _check(branches, BRANCHES, "branches", title)


def _check(count: int, limit: int, what: str, title: str) -> None:
    if count > limit:
        shown = " ".join(title.split())[:MADE_TITLE_CHARS]
        raise InvalidRequest("file", f"the conversation {shown!r} has more than {limit:,} {what}")


def shortened(conversation: PortableConversation, limit: int, tally: Tally) -> PortableConversation:
    """With no message longer than the longest reply, its reasoning included: whoever opens it reads all of it."""
    if all(len(message.content) + len(message.reasoning) <= limit for message in conversation.messages):
        return conversation
    messages = tuple(_shortened(message, limit, tally) for message in conversation.messages)
    return replace(conversation, messages=messages)


def _shortened(message: PortableMessage, limit: int, tally: Tally) -> PortableMessage:
    if len(message.content) + len(message.reasoning) <= limit:
        return message
    tally.skip("message", "shortened", message.content)
    content = message.content[:limit]
    return replace(message, content=content, reasoning=message.reasoning[: limit - len(content)])


def _clean(message: PortableMessage, tally: Tally) -> PortableMessage:
    content, removed = UNWANTED.subn("", message.content)
    reasoning, also = UNWANTED.subn("", message.reasoning)
    if not removed + also:
        return message
    tally.skip("character", "control", count=removed + also)
    return replace(message, content=content, reasoning=reasoning)


def _title(title: str, tally: Tally) -> str:
    shown = UNWANTED.sub("", title).strip()
    if len(shown) > TITLE_CHARS:
        tally.skip("title", "shortened", shown)
    return shown[:TITLE_CHARS]


def text_or(value: object) -> str | None:
    """A model's name, where the value could be one."""
    if not isinstance(value, str):
        return None
    return " ".join(UNWANTED.sub("", value).split())[:NAME_CHARS] or None


def usage_of(value: Any, prompt: str, completion: str, tally: Tally) -> Usage | None:
    """The tokens of a reply, where both figures are there."""
    if not isinstance(value, dict):
        return None
    counts = [count for name in (prompt, completion) if type(count := value.get(name)) is int]
    return mended_usage(Usage(counts[0], counts[1]), tally) if len(counts) == 2 else None
