"""What Claude gives its users as `conversations.json`: conversations with their `chat_messages`, which since the end of
2024 consist of blocks and since 2025 name their parents.

The format is described nowhere by those who make it; this follows what converters of 2024 to 2026 read.
"""

import re
from typing import Any, Final

from lianhua.formats import documents
from lianhua.formats.convert import Found, chained, fields_of, items_in, joined, made, string, text_or
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Schema
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

NO_PARENT: Final = ("00000000-0000-4000-8000-000000000000", "00000000-0000-0000-0000-000000000000")
_INPUT: Final = Schema(dict.fromkeys(("command", "id", "title", "type", "content", "language"), SCALAR))
_SUMMARIES: Final = Schema(items=Schema({"summary": SCALAR}))
_BLOCK: Final = Schema(
    {**dict.fromkeys(("type", "text", "thinking", "name"), SCALAR), "input": _INPUT, "summaries": _SUMMARIES}
)
_FILE: Final = Schema(dict.fromkeys(("file_name", "extracted_content"), SCALAR))

_TAG = re.compile(r"<ant(Artifact|Thinking)\b([^<>]*+)>((?:[^<]++|<(?!/?ant(?:Artifact|Thinking)\b))*+)</ant\1>")
_ATTRIBUTE = re.compile(r"\b(title|type|language)=\"([^\"<>]*+)\"")


def schema(*, keep: bool) -> Schema:
    """What is read of a conversation; `keep`: the blocks of its messages whole."""
    message = Schema(
        {
            **dict.fromkeys(("uuid", "sender", "text", "created_at", "parent_message_uuid", "model"), SCALAR),
            "content": Schema(items=EVERYTHING if keep else _BLOCK),
            "attachments": Schema(items=_FILE),
            "files": Schema(items=SCALAR),
            "files_v2": Schema(items=SCALAR),
        }
    )
    head = ("uuid", "name", "title", "model", "created_at", "updated_at", "is_starred", "current_leaf_message_uuid")
    return Schema({**dict.fromkeys(head, SCALAR), "chat_messages": Schema(items=message)})


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One conversation; None where it holds nothing that could be kept."""
    messages = items_in(raw.get("chat_messages"))
    model = text_or(raw.get("model"))
    drafts = [_draft(message, model, tally) for message in messages]
    if not any(draft.parent for draft in drafts):
        chained(drafts)
    for draft in drafts:
        draft.parent = None if draft.parent in NO_PARENT else draft.parent
    return made(
        "claude",
        drafts,
        tally,
        now,
        raw_id=raw.get("uuid"),
        title=raw.get("name") or raw.get("title"),
        current=raw.get("current_leaf_message_uuid"),
        created_at=instant(raw.get("created_at")),
        updated_at=instant(raw.get("updated_at")),
        pinned=raw.get("is_starred") is True,
    )


def _draft(message: Any, model: str | None, tally: Tally) -> Draft:
    fields = fields_of(message)
    draft = Draft(key=string(fields.get("uuid")), parent=string(fields.get("parent_message_uuid")) or None)
    if not isinstance(message, dict):
        tally.skip("message", "not_understood")
        return draft
    sender = message.get("sender")
    text, draft.reasoning = _said(message, draft, tally)
    if sender == "assistant":
        text, within = _without_tags(text)
        draft.reasoning = joined([draft.reasoning, *within])
    text = joined([text, *_attached(message, tally)])
    if sender not in ("human", "user", "assistant"):
        draft.leave_out(tally, "message", "unknown_role", message, text)
    elif not text:
        tally.skip("message", "empty")
    else:
        draft.role = "assistant" if sender == "assistant" else "user"
        draft.content = text
        draft.time = instant(message.get("created_at"))
        if draft.role == "assistant":
            draft.model = text_or(message.get("model")) or model
    return draft


def _said(message: dict[str, Any], draft: Draft, tally: Tally) -> tuple[str, str]:
    """The text and the reasoning: by the blocks, for `text` holds a remark in the place of what is none."""
    texts: list[str] = []
    thoughts: list[str] = []
    for block in items_in(message.get("content")):
        fields = fields_of(block)
        kind = fields.get("type")
        if kind in ("text", "voice_note"):
            texts.append(string(fields.get("text")))
        elif kind == "thinking":
            thoughts.append(string(fields.get("thinking")) or _summed_up(fields))
        elif kind == "tool_use" and (document := _artifact(fields)):
            texts.append(document)
        elif kind not in ("token_budget", "flag"):
            reason = str(kind) if kind in ("tool_use", "tool_result", "image", "file") else "not_understood"
            draft.leave_out(tally, "part", "tool_call" if reason == "tool_use" else reason, block)
    said = joined(texts)
    return (said if said or message.get("content") else string(message.get("text"))), joined(thoughts)


def _artifact(block: dict[str, Any]) -> str:
    """A document as it was first written or written anew; changes to it are calls of a tool like others."""
    made_of = fields_of(block.get("input"))
    content = made_of.get("content")
    if block.get("name") != "artifacts" or not isinstance(content, str) or not content.strip():
        return ""
    return documents.as_text(made_of.get("title"), made_of.get("type"), content, made_of.get("language"))


def _summed_up(block: dict[str, Any]) -> str:
    """What is told of thoughts that are not shown."""
    return joined([string(fields_of(one).get("summary")) for one in items_in(block.get("summaries"))])


def _without_tags(text: str) -> tuple[str, list[str]]:
    """A reply with the documents that stand in it between tags, as in 2024; the thoughts that do apart."""
    thoughts: list[str] = []

    def shown(tag: re.Match[str]) -> str:
        if tag[1] == "Thinking":
            thoughts.append(tag[3].strip())
            return ""
        has = dict(_ATTRIBUTE.findall(tag[2]))
        return documents.as_text(has.get("title"), has.get("type"), tag[3].strip("\n"), has.get("language"))

    said = _TAG.sub(shown, text) if "</ant" in text else text
    return (said.strip() if said != text else text), thoughts


def _attached(message: dict[str, Any], tally: Tally) -> list[str]:
    """The texts that came with a message; of files there are only the names."""
    for _ in items_in(message.get("files")) or items_in(message.get("files_v2")):
        tally.skip("part", "file")
    texts = []
    for file in map(fields_of, items_in(message.get("attachments"))):
        if content := string(file.get("extracted_content")):
            texts.append(documents.as_text(file.get("file_name"), "code/", content))
        else:
            tally.skip("part", "file", string(file.get("file_name")))
    return texts
