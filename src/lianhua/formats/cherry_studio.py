"""What Cherry Studio saves as its backup: `data.json`, mostly in a zip. The topics with their messages are a table of
`indexedDB`; what the messages say stands since version 4 in another one, `message_blocks`; the names of the topics are
in `localStorage`, as JSON in a string in JSON in a string.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from lianhua.formats import documents
from lianhua.formats.convert import Found, chained, fields_of, items_in, joined, made, string, text_or, usage_of
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Schema
from lianhua.formats.pending import Shelf
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

STATE: Final = "persist:cherry-studio"
LISTS: Final = ("topics", "message_blocks")  # of all there are
_MESSAGE: Final = Schema(
    {
        **dict.fromkeys(("id", "role", "content", "createdAt", "modelId", "askId", "status", "type"), SCALAR),
        **dict.fromkeys(("reasoning_content", "foldSelected"), SCALAR),
        "model": Schema({"id": SCALAR, "name": SCALAR}),
        "usage": Schema({"prompt_tokens": SCALAR, "completion_tokens": SCALAR}),
        "blocks": Schema(items=SCALAR),
        "images": Schema(items=SCALAR),
        "files": Schema(items=SCALAR),
    }
)
_BLOCK: Final = Schema(
    {**dict.fromkeys(("id", "messageId", "type", "content", "language", "targetLanguage"), SCALAR), "error": Schema({})}
)
_BLOCKS: Final = {"image": "image", "file": "file", "tool": "tool_call", "citation": "tool_result", "error": "error"}


class _Topic(Struct):
    """As `localStorage` has it."""

    id: str = ""
    name: str | None = None
    createdAt: Any = None  # noqa: N815
    updatedAt: Any = None  # noqa: N815
    pinned: Any = None


class _Assistant(Struct):
    topics: list[_Topic] = []


class _Assistants(Struct):
    assistants: list[_Assistant] = []
    defaultAssistant: _Assistant | None = None  # noqa: N815


class _State(Struct):
    assistants: str = ""


def part_schema(name: str, *, keep: bool) -> Schema:
    """What is read of one thing of a table."""
    if name == "message_blocks":
        return EVERYTHING if keep else _BLOCK
    return Schema({"id": SCALAR, "messages": Schema(items=EVERYTHING if keep else _MESSAGE)})


def put_names(state: object, shelf: Shelf, tally: Tally) -> None:
    """Shelves the names of the topics."""
    if not isinstance(state, str):
        return
    try:
        assistants = msgspec.json.decode(msgspec.json.decode(state, type=_State).assistants or "{}", type=_Assistants)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        tally.skip("title", "not_understood")
        return
    listed = [*assistants.assistants, *([assistants.defaultAssistant] if assistants.defaultAssistant else [])]
    for topic in (topic for assistant in listed for topic in assistant.topics):
        shelf.put_named(f"topic {topic.id}", msgspec.to_builtins(topic))


def put(name: str, raw: Any, shelf: Shelf, tally: Tally) -> None:
    """Shelves one thing of a table: a topic message by message, a block with its message."""
    fields = fields_of(raw)
    if name == "message_blocks":
        shelf.put(f"blocks {string(fields.get('messageId'))}", fields)
        return
    identity = string(fields.get("id"))
    if not identity:
        tally.skip("conversation", "not_understood")
    elif not items_in(fields.get("messages")):
        tally.skip("conversation", "empty")
    for message in items_in(fields.get("messages")) if identity else []:
        shelf.put(f"topic {identity}", message)


def conversations(shelf: Shelf, now: float, tally: Tally) -> Iterator[Found]:
    """The topics, with what their messages say from the blocks."""
    shelf.index()
    for group in shelf.groups():
        kind, _, identity = group.partition(" ")
        if kind != "topic":
            continue
        known = fields_of(shelf.labelled(group))
        drafts = [_draft(message, shelf, tally) for message in shelf.pieces(group)]
        if found := made(
            "cherry_studio",
            _below(drafts),
            tally,
            now,
            raw_id=identity,
            title=known.get("name"),
            created_at=instant(known.get("createdAt")),
            updated_at=instant(known.get("updatedAt")),
            pinned=known.get("pinned") is True,
        ):
            yield found


def _below(drafts: list[Draft]) -> list[Draft]:
    """Each below the one before it, but several answers to one question beside each other below that."""
    asked = [draft.parent for draft in drafts]
    chained(drafts)
    keys = {draft.key for draft in drafts}
    previous: Draft | None = None
    question: str | None = None
    for draft, question_of in zip(drafts, asked, strict=True):
        beside = previous is not None and question_of is not None and question_of == question
        if beside and draft.role == "assistant" and question_of in keys:
            draft.parent = question_of
        previous, question = draft, question_of
    return drafts


def _draft(message: Any, shelf: Shelf, tally: Tally) -> Draft:
    fields = fields_of(message)
    key = string(fields.get("id"))
    draft = Draft(key=key, parent=string(fields.get("askId")) or None)
    if not isinstance(message, dict):
        tally.skip("message", "not_understood")
        return draft
    role = fields.get("role")
    text, draft.reasoning = _said(fields, key, draft, shelf, tally)
    for kind, name in (("images", "image"), ("files", "file")):
        for _ in items_in(fields.get(kind)):
            tally.skip("part", name)
    if role not in ("user", "assistant"):
        draft.leave_out(tally, "message", "system" if role == "system" else "unknown_role", None, text)
    elif not text.strip():
        tally.skip("message", "empty")
    else:
        draft.role, draft.content = role, text
        draft.time = instant(fields.get("createdAt"))
        if role == "assistant":
            model = fields_of(fields.get("model"))
            draft.model = text_or(model.get("id") or model.get("name") or fields.get("modelId"))
            draft.usage = usage_of(fields.get("usage"), "prompt_tokens", "completion_tokens", tally)
            draft.status = "interrupted" if fields.get("status") in ("paused", "error", "processing") else "done"
    return draft


def _said(fields: dict[str, Any], key: str, draft: Draft, shelf: Shelf, tally: Tally) -> tuple[str, str]:
    """The text and the reasoning: of the blocks in the order of the message, or as older versions had it."""
    order = {name: place for place, name in enumerate(items_in(fields.get("blocks"))) if isinstance(name, str)}
    texts: list[str] = []
    thoughts: list[str] = []
    blocks = shelf.pieces(f"blocks {key}") if key and order else []
    for block in sorted(blocks, key=lambda block: order.get(string(block.get("id")), len(order))):
        kind = string(block.get("type"))
        if kind == "main_text":
            texts.append(string(block.get("content")))
        elif kind == "code":
            texts.append(documents.as_text(None, "code/", string(block.get("content")), block.get("language")))
        elif kind == "thinking":
            thoughts.append(string(block.get("content")))
        elif kind != "unknown":  # what stands there until something comes
            reason = _BLOCKS.get(kind, "not_understood")
            draft.leave_out(tally, "part", reason, None if reason in ("image", "file") else block)
    if not texts and not thoughts:
        return string(fields.get("content")), string(fields.get("reasoning_content"))
    return joined(texts), joined(thoughts)
