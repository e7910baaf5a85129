"""What LibreChat exports of a conversation as JSON: a list of messages that name their parents, or a tree of them."""

from collections.abc import Iterator
from typing import Any, Final

from lianhua.formats.convert import Found, fields_of, items_in, joined, made, string, text_or, usage_of
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Schema
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

NO_PARENT: Final = "00000000-0000-0000-0000-000000000000"
_TEXT: Final = Schema(dict.fromkeys(("value", "text", "think"), SCALAR))
_PART: Final = Schema({"type": SCALAR, "text": _TEXT, "think": _TEXT})


def _message(content: Schema) -> Schema:
    message = Schema(
        {
            **dict.fromkeys(("messageId", "parentMessageId", "createdAt", "isCreatedByUser", "text"), SCALAR),
            **dict.fromkeys(("model", "unfinished", "error", "tokenCount", "promptTokens"), SCALAR),
            "content": Schema(items=content),
            "files": Schema(items=SCALAR),
        }
    )
    assert message.fields is not None  # noqa: S101
    message.fields["children"] = Schema(items=message)
    return message


def schema(*, keep: bool) -> Schema:
    """What is read of a conversation; `keep`: the parts of its messages whole."""
    messages = Schema(items=_message(EVERYTHING if keep else _PART))
    return Schema(
        {
            **dict.fromkeys(("conversationId", "title"), SCALAR),
            "options": Schema({"promptPrefix": SCALAR}),
            "messages": messages,
            "messagesTree": messages,
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
    return made(
        "librechat", drafts, tally, now, raw_id=raw.get("conversationId"), title=raw.get("title"),
    )  # fmt: skip


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
    text, draft.reasoning = _said(message, draft, tally)
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
    draft.time = instant(message.get("createdAt"))
    return draft


def _said(message: dict[str, Any], draft: Draft, tally: Tally) -> tuple[str, str]:
    """The text and the reasoning: in newer conversations a list of parts, in older ones one text."""
    parts = items_in(message.get("content"))
    if not parts:
        return string(message.get("text")), ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        fields = fields_of(part)
        kind = fields.get("type")
        if kind in ("think", "thinking", "reasoning") and (
            thought := _text_of(fields.get("think") or fields.get("text"))
        ):
            thoughts.append(thought)
        elif kind == "text" and (text := _text_of(fields.get("text"))):
            texts.append(text)
        elif part is not None and kind != "text":
            named = _kind_of_part(str(kind))
            draft.leave_out(tally, "part", named, part if named in ("tool_call", "not_understood") else None)
    # Of what says nothing that can be read there may be a text beside it.
    return joined(texts) or ("" if thoughts else string(message.get("text"))), joined(thoughts)


def _text_of(value: object) -> str:
    """A text, or an object that holds one."""
    if isinstance(value, dict):
        return next((value[name] for name in ("value", "text", "think") if isinstance(value.get(name), str)), "")
    return string(value)


def _kind_of_part(kind: str) -> str:
    return "image" if "image" in kind else kind if kind in ("tool_call", "error") else "not_understood"
