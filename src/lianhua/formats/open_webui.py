"""What Open WebUI calls "export chats": a list of chats, each with its `history` of messages by their ids. What its
`GET /api/v1/chats/all` gives is the same, a chat a line.

Older ones have the chat itself in the list, and no history but a list of messages in their order. From 0.10 a reply has
its text in `output`, as items of OpenAI's Responses interface, and may have an empty `content`.
"""

import html
import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from lianhua.formats.convert import (
    Found,
    chained,
    fields_of,
    items_in,
    joined,
    made,
    parts_of,
    string,
    text_or,
    usage_of,
)
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Pairs, Schema
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, seconds

_TEXTS: Final = Schema(items=Schema({"type": SCALAR, "text": SCALAR}))
_ITEM: Final = Schema({**dict.fromkeys(("type", "role", "name", "text"), SCALAR), "content": _TEXTS, "summary": _TEXTS})
_MESSAGE: Final = Schema(
    {
        **dict.fromkeys(("id", "parentId", "role", "timestamp", "model", "done"), SCALAR),
        "content": _TEXTS,
        "output": Schema(items=_ITEM),
        "files": Schema(items=Schema({"type": SCALAR})),
        "error": Schema({"content": SCALAR}),
        "merged": Schema({"content": SCALAR}),
        "usage": Schema(dict.fromkeys(("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"), SCALAR)),
    }
)


def schema(*, keep: bool) -> Schema:
    """What is read of a chat; `keep`: all of its messages."""
    message = EVERYTHING if keep else _MESSAGE
    chat = {
        **dict.fromkeys(("title", "timestamp", "system"), SCALAR),
        "params": Schema({"system": SCALAR}),
        "history": Schema({"currentId": SCALAR, "messages": Schema(each=message)}),
        "messages": Schema(items=message),
    }
    head = dict.fromkeys(("id", "created_at", "updated_at", "pinned"), SCALAR)
    return Schema({**head, **chat, "chat": Schema(chat)})


# How a reply shows what the model was thinking, and which tools it used, between what it says. What such a block says
# of itself is escaped: no < or > inside of its first tag.
_TOKEN = re.compile(r"^[ \t]*+(?:```|~~~)|<details\b([^<>]*+)>|</details>", re.MULTILINE | re.IGNORECASE)
# One attribute after another, for the value of one may speak of the name of another.
_ATTRIBUTE = re.compile(r"([\w:-]++)(?:\s?=\s?(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'=]++)))?", re.ASCII)
_SUMMARY_END: Final = "</summary>"
_TOOLS: Final = {"tool_calls": "tool_call", "code_interpreter": "code_interpreter"}
_ITEMS: Final = {
    **dict.fromkeys(("function_call", "custom_tool_call", "mcp_call", "tool_call"), "tool_call"),
    **dict.fromkeys(("web_search_call", "file_search_call", "computer_call", "image_generation_call"), "tool_call"),
    **dict.fromkeys(("open_webui:code_interpreter", "code_interpreter", "code_interpreter_call"), "code_interpreter"),
}
_RESULTS: Final = ("function_call_output", "custom_tool_call_output", "computer_call_output")


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One chat; None where it holds nothing that could be kept."""
    chat = raw["chat"] if isinstance(raw.get("chat"), dict) else raw
    if system := chat.get("system") or fields_of(chat.get("params")).get("system"):
        tally.skip("instructions", "not_supported", str(system))
    history = fields_of(chat.get("history"))
    messages = history.get("messages")
    if isinstance(messages, Pairs):
        drafts = [_draft(key, message, tally) for key, message in messages]
    else:
        drafts = list(chained([_draft("", message, tally) for message in items_in(chat.get("messages"))]))
    return made(
        "open_webui",
        drafts,
        tally,
        now,
        raw_id=raw.get("id"),
        title=raw.get("title") or chat.get("title"),
        current=history.get("currentId"),
        created_at=seconds(raw.get("created_at")) or seconds(chat.get("timestamp")),
        updated_at=seconds(raw.get("updated_at")),
        pinned=raw.get("pinned") is True,
    )


def _draft(key: str, message: Any, tally: Tally) -> Draft:
    fields = fields_of(message)
    parent = fields.get("parentId")
    draft = Draft(key=key, parent=parent if isinstance(parent, str) else None)
    if not isinstance(message, dict):
        tally.skip("message", "not_understood")
        return draft
    for file in items_in(message.get("files")):
        tally.skip("part", "image" if fields_of(file).get("type") == "image" else "file")
    role = message.get("role")
    text = parts_of(message.get("content"), draft, tally)
    if role not in ("user", "assistant"):
        reason = role if role in ("system", "tool") else "unknown_role"
        draft.leave_out(tally, "message", reason, None if role == "system" else message, text)
        return draft
    reasoning = ""
    if role == "assistant":
        said, reasoning = _of_output(message.get("output"), draft, tally)
        if said or reasoning:
            text = said
        else:
            text, reasoning = without_details(text, draft, tally)
    if fields_of(merged := message.get("merged")).get("content"):  # one answer made of several that stand beside
        draft.leave_out(tally, "part", "not_understood", merged)
    has_failed = bool(message.get("error"))
    if not text.strip():
        tally.skip("message", "empty", string(fields_of(message.get("error")).get("content")))
        draft.reasoning = reasoning
        return draft
    draft.role, draft.content, draft.reasoning = role, text, reasoning
    draft.time = seconds(message.get("timestamp"))
    is_cut = has_failed or message.get("done") is False
    draft.status = "interrupted" if role == "assistant" and is_cut else "done"
    draft.model = text_or(message.get("model")) if role == "assistant" else None
    usage = message.get("usage")
    draft.usage = usage_of(usage, "prompt_tokens", "completion_tokens", tally) or usage_of(
        usage, "input_tokens", "output_tokens", tally
    )
    return draft


def _of_output(output: object, draft: Draft, tally: Tally) -> tuple[str, str]:
    """What a reply says by its items, and its reasoning."""
    texts: list[str] = []
    thoughts: list[str] = []
    for item in items_in(output):
        fields = fields_of(item)
        kind = str(fields.get("type"))
        if kind == "message":
            texts.append(_text_of(fields.get("content")) or string(fields.get("text")))
        elif kind == "reasoning":
            thoughts.append(_text_of(fields.get("content")) or _text_of(fields.get("summary")))
        elif kind in _RESULTS:
            draft.leave_out(tally, "part", "tool_result", item)
        elif item is not None:
            draft.leave_out(tally, "part", _ITEMS.get(kind, "not_understood"), item)
    return joined(texts), joined(thoughts)


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    return "".join(string(fields_of(part).get("text")) for part in items_in(content)).strip()


class _Block(Struct, frozen=True):
    """A block of a type in a reply: where it stands, and what is inside of its tags."""

    kind: str
    start: int
    end: int
    body: str


def without_details(text: str, draft: Draft, tally: Tally) -> tuple[str, str]:
    """A reply without what stands in it as `<details>` of a type, and its reasoning. Those of tools are counted."""
    kept: list[str] = []
    thoughts: list[str] = []
    start = 0
    for block in _blocks(text):
        kept.append(text[start : block.start])
        start = block.end
        if block.kind == "reasoning":
            thoughts.append(_unquoted(block.body))
        else:
            draft.leave_out(tally, "part", _TOOLS[block.kind], text[block.start : block.end])
    if not start:
        return text, ""
    kept.append(text[start:])
    return joined([piece.strip("\n") for piece in kept]), joined(thoughts)


def _blocks(text: str) -> Iterator[_Block]:
    """Those that are closed; not what stands in a block of code, nor what the code of a tool speaks of."""
    kind = ""
    depth = opened = inside = 0
    fenced = False
    for token in _TOKEN.finditer(text):
        if token[0].endswith(("```", "~~~")):
            fenced = (depth == 0 or kind == "code_interpreter") and not fenced
        elif fenced:
            continue
        elif token[1] is None:
            depth = max(depth - 1, 0)
            if depth == 0 and kind:
                yield _Block(kind, opened, token.end(), text[inside : token.start()])
                kind = ""
        elif depth:
            depth += 1
        elif (named := _type_of(token[1])) in ("reasoning", *_TOOLS):
            kind, depth, opened, inside = named, 1, token.start(), token.end()


def _type_of(attributes: str) -> str:
    """What a block says that it is; empty where it does not."""
    for found in _ATTRIBUTE.finditer(attributes):
        if found[1].lower() == "type":
            return (found[2] or found[3] or found[4] or "").lower()
    return ""


def _unquoted(inside: str) -> str:
    """A quotation in HTML: without its summary, and without the mark before each line."""
    summary = inside.find(_SUMMARY_END)
    body = inside[summary + len(_SUMMARY_END) :] if summary >= 0 else inside
    lines = html.unescape(body).strip().split("\n")
    return "\n".join(line.removeprefix(">").removeprefix(" ") if line.startswith(">") else line for line in lines)
