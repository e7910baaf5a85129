"""What LibreChat exports of a conversation as JSON: a list of messages that name their parents, or a tree of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from lianhua.exchange.conversation import Found, text_or, usage_of, whole
from lianhua.exchange.report import Tally
from lianhua.exchange.shape import SCALAR, Shape
from lianhua.exchange.tree import Draft, hang, seconds

NO_PARENT: Final = "00000000-0000-0000-0000-000000000000"
_PART: Final = Shape({"type": SCALAR, "text": Shape({"value": SCALAR}), "think": SCALAR})
_MESSAGE: Final = Shape(
    {
        **dict.fromkeys(("messageId", "parentMessageId", "createdAt", "isCreatedByUser", "text"), SCALAR),
        **dict.fromkeys(("model", "unfinished", "error", "tokenCount", "promptTokens"), SCALAR),
        "content": Shape(items=_PART),
        "files": Shape(items=SCALAR),
    }
)
assert _MESSAGE.fields is not None  # noqa: S101
_MESSAGE.fields["children"] = Shape(items=_MESSAGE)
SHAPE: Final = Shape(
    {
        **dict.fromkeys(("conversationId", "title"), SCALAR),
        "options": Shape({"promptPrefix": SCALAR}),
        "messages": Shape(items=_MESSAGE),
        "messagesTree": Shape(items=_MESSAGE),
    }
)


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """The conversation; None where it holds nothing that could be kept."""
    messages = raw.get("messagesTree") if isinstance(raw.get("messagesTree"), list) else raw.get("messages")
    drafts = [
        _draft(key, parent, message, tally)
        for key, parent, message in _flat(messages if isinstance(messages, list) else [])
    ]
    options = raw.get("options")
    if isinstance(options, dict) and options.get("promptPrefix"):
        tally.skip("instructions", "not_supported", str(options["promptPrefix"]))
    times = [draft.time for draft in drafts if draft.time is not None]
    grown = hang(drafts, None, min(times, default=now), tally)
    return whole(
        grown,
        tally,
        conversation_id=raw.get("conversationId"),
        title=raw.get("title"),
        created_at=min(times, default=None),
        updated_at=None,
        pinned=False,
    )


def _flat(messages: list[Any]) -> Iterator[tuple[str, str | None, Any]]:
    """Every message with its key and its parent's, those that are nested in others after these."""
    waiting: list[tuple[str | None, Any]] = [(None, message) for message in reversed(messages)]
    number = 0
    while waiting:
        inside, message = waiting.pop()
        number += 1
        named = message.get("messageId") if isinstance(message, dict) else None
        key = named if isinstance(named, str) else f"without a name {number}"
        parent = message.get("parentMessageId") if isinstance(message, dict) else None
        if inside is not None or not isinstance(parent, str) or parent == NO_PARENT:
            parent = inside
        yield key, parent, message
        children = message.get("children") if isinstance(message, dict) else None
        waiting.extend((key, child) for child in reversed(children if isinstance(children, list) else []))


def _draft(key: str, parent: str | None, message: Any, tally: Tally) -> Draft:
    draft = Draft(key=key, parent=parent)
    if not isinstance(message, dict):
        tally.skip("message", "not_understood")
        return draft
    if isinstance(message.get("files"), list):
        tally.skip("part", "file", count=len(message["files"]))
    text, draft.reasoning = _said(message, tally)
    by_user = message.get("isCreatedByUser")
    if not isinstance(by_user, bool):
        tally.skip("message", "unknown_role", text)
    elif message.get("error") is True:
        tally.skip("message", "error", text)
    elif not text.strip():
        tally.skip("message", "empty")
    else:
        draft.role = "user" if by_user else "assistant"
        draft.content = text
        draft.status = "interrupted" if message.get("unfinished") is True and not by_user else "done"
        if not by_user:
            draft.model = text_or(message.get("model"))
            draft.usage = usage_of(message, "promptTokens", "tokenCount", tally)
    draft.time = _time(message.get("createdAt"))
    return draft


def _said(message: dict[str, Any], tally: Tally) -> tuple[str, str]:
    """The text and the reasoning: in newer conversations a list of parts, in older ones one text."""
    parts = message.get("content")
    if not isinstance(parts, list) or not parts:
        text = message.get("text")
        return (text if isinstance(text, str) else ""), ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        fields = part if isinstance(part, dict) else {}
        text = fields.get("text")
        if isinstance(text, dict):
            text = text.get("value")
        if fields.get("type") == "think" and isinstance(fields.get("think"), str):
            thoughts.append(fields["think"])
        elif fields.get("type") == "text" and isinstance(text, str):
            texts.append(text)
        elif part is not None:
            tally.skip("part", _kind_of_part(fields))
    return "\n\n".join(text for text in texts if text), "\n\n".join(thoughts)


def _kind_of_part(part: dict[str, Any]) -> str:
    kind = str(part.get("type"))
    return "image" if "image" in kind else kind if kind in ("tool_call", "error") else "not_understood"


def _time(value: object) -> float | None:
    """ISO 8601, or a number."""
    if not isinstance(value, str):
        return seconds(value)
    try:
        moment = datetime.fromisoformat(value)
        return seconds((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
