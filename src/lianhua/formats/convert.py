"""What all foreign formats come to: a conversation of ours, made of what each of them says about one."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from lianhua.chat.messages import Usage
from lianhua.chat.personas import DEFAULT_ROLE
from lianhua.chat.plain_text import CONTROL_CHARACTERS, MADE_TITLE_CHARS, NAME_CHARS, TITLE_CHARS
from lianhua.errors import InvalidRequest
from lianhua.formats.branches import grown as with_branches
from lianhua.formats.identity import key_after, name_of
from lianhua.formats.report import Tally
from lianhua.formats.sanitize import mended_usage
from lianhua.formats.tree import Draft, Grown, hang, within_rows
from lianhua.formats.values import BRANCHES, CONVERSATION_MESSAGES, PortableConversation, PortableMessage

Found = PortableConversation


def made(
    source: str,
    drafts: Sequence[Draft],
    tally: Tally,
    now: float,
    *,
    raw_id: object,
    title: object,
    current: object = None,
    created_at: float | None = None,
    updated_at: float | None = None,
    pinned: bool = False,
) -> Found | None:
    """A conversation of the drafts of a file of the format `source`; None where no message of it could be kept.

    `now` stands for a beginning that nobody tells. Raises `InvalidRequest` where it is too long.
    """
    times = [draft.time for draft in drafts if draft.time is not None]
    began_at = created_at or min(times, default=None)
    name = name_of(source, raw_id, _fingerprint(drafts, began_at))
    return whole(
        hang(drafts, current, began_at or now, tally, name),
        tally,
        conversation_id=name,
        title=title,
        created_at=began_at,
        updated_at=updated_at,
        pinned=pinned,
    )


def _fingerprint(drafts: Sequence[Draft], began_at: float | None) -> Iterator[str]:
    """By what a conversation without an id is known again: when and how it began, or else all that it says."""
    said = [draft for draft in drafts if draft.role]
    if began_at is not None:
        yield repr(began_at)
        said = said[:1]
    for draft in said:
        yield str(draft.role)
        yield draft.content


def chained(drafts: Sequence[Draft]) -> Sequence[Draft]:
    """Drafts of a file that has its messages in order: each below the one before it, with a key where it has none."""
    before: str | None = None
    for draft in drafts:
        draft.parent = before
        draft.key = draft.key or key_after(before, draft.role, draft.content)
        before = draft.key
    return drafts


def fields_of(value: object) -> dict[str, Any]:
    """The object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items_in(value: object) -> list[Any]:
    """The list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def string(value: object) -> str:
    """The string, or an empty one for anything else."""
    return value if isinstance(value, str) else ""


def joined(texts: Sequence[str], between: str = "\n\n") -> str:
    """Those of the texts that say something."""
    return between.join(text for text in texts if text.strip())


def parts_of(content: object, draft: Draft, tally: Tally) -> str:
    """The text of a message's content as OpenAI's interface has it: a string or parts; what is no text is counted."""
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in items_in(content):
        fields = fields_of(part)
        kind = str(fields.get("type"))
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(fields.get("text"), str):
            texts.append(fields["text"])
        elif isinstance(fields_of(fields.get("text")).get("value"), str):
            texts.append(fields["text"]["value"])
        elif known := next((word for word in ("image", "audio", "video", "file") if word in kind), None):
            tally.skip("part", known)
        elif part is not None:
            draft.leave_out(tally, "part", "tool_call" if "tool" in kind else "not_understood", part)
    return "\n".join(text for text in texts if text)


def whole(
    grown: Grown,
    tally: Tally,
    *,
    conversation_id: str,
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
    messages, branches = with_branches([_clean(message, tally) for message in kept])
    check_branches(len(branches), shown)
    current = grown.current if any(message.id == grown.current for message in messages) else messages[-1].id
    name = _title(shown, tally)
    return PortableConversation(
        id=conversation_id,
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
    content, removed = CONTROL_CHARACTERS.subn("", message.content)
    reasoning, also = CONTROL_CHARACTERS.subn("", message.reasoning)
    if not removed + also:
        return message
    tally.skip("character", "control", count=removed + also)
    return replace(message, content=content, reasoning=reasoning)


def _title(title: str, tally: Tally) -> str:
    shown = CONTROL_CHARACTERS.sub("", title).strip()
    if len(shown) > TITLE_CHARS:
        tally.skip("title", "shortened", shown)
    return shown[:TITLE_CHARS]


def text_or(value: object) -> str | None:
    """A model's name, where the value could be one."""
    if not isinstance(value, str):
        return None
    return " ".join(CONTROL_CHARACTERS.sub("", value).split())[:NAME_CHARS] or None


def usage_of(value: Any, prompt: str, completion: str, tally: Tally) -> Usage | None:
    """The tokens of a reply, where both figures are there."""
    if not isinstance(value, dict):
        return None
    counts = [count for name in (prompt, completion) if type(count := value.get(name)) is int]
    return mended_usage(Usage(counts[0], counts[1]), tally) if len(counts) == 2 else None
