"""What Open WebUI calls "export chats": a list of chats, each with its `history` of messages by their ids.

Older ones have the chat itself in the list, and no history but a list of messages in their order.
"""

import html
import re
from typing import Any, Final

from lianhua.exchange.conversation import Found, text_or, usage_of, whole
from lianhua.exchange.report import Tally
from lianhua.exchange.shape import SCALAR, Pairs, Shape
from lianhua.exchange.tree import Draft, hang, seconds

_MESSAGE: Final = Shape(
    {
        **dict.fromkeys(("id", "parentId", "role", "timestamp", "model", "done"), SCALAR),
        "content": Shape(items=Shape({"type": SCALAR, "text": SCALAR})),
        "files": Shape(items=Shape({"type": SCALAR})),
        "usage": Shape(dict.fromkeys(("prompt_tokens", "completion_tokens"), SCALAR)),
    }
)
_CHAT: Final = {
    **dict.fromkeys(("title", "timestamp", "system"), SCALAR),
    "params": Shape({"system": SCALAR}),
    "history": Shape({"currentId": SCALAR, "messages": Shape(each=_MESSAGE)}),
    "messages": Shape(items=_MESSAGE),
}
SHAPE: Final = Shape(
    {
        **dict.fromkeys(("id", "created_at", "updated_at", "pinned"), SCALAR),
        **_CHAT,
        "chat": Shape(_CHAT),
    }
)
# How a reply shows what the model was thinking, and which tools it used, before what it says.
_DETAILS = re.compile(r'\s*<details type="(\w{1,40})"[^>]{0,100000}>', re.ASCII)
_DETAILS_END: Final = "</details>"
_SUMMARY_END: Final = "</summary>"


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One chat; None where it holds nothing that could be kept."""
    chat = raw["chat"] if isinstance(raw.get("chat"), dict) else raw
    params = chat.get("params")
    if system := chat.get("system") or (params.get("system") if isinstance(params, dict) else None):
        tally.skip("instructions", "not_supported", str(system))
    began_at = seconds(raw.get("created_at")) or seconds(chat.get("timestamp"))
    history = chat.get("history")
    current: object = None
    drafts: list[Draft] = []
    if isinstance(history, dict) and isinstance(history.get("messages"), Pairs):
        current = history.get("currentId")
        drafts = [_draft(key, _parent(message), message, tally) for key, message in history["messages"]]
    elif isinstance(messages := chat.get("messages"), list):
        keys = [str(number) for number in range(len(messages))]
        drafts = [
            _draft(key, before, message, tally)
            for key, before, message in zip(keys, [None, *keys], messages, strict=False)
        ]
    grown = hang(drafts, current, began_at or now, tally)
    return whole(
        grown,
        tally,
        conversation_id=raw.get("id"),
        title=raw.get("title") or chat.get("title"),
        created_at=began_at,
        updated_at=seconds(raw.get("updated_at")),
        pinned=raw.get("pinned") is True,
    )


def _parent(message: Any) -> str | None:
    parent = message.get("parentId") if isinstance(message, dict) else None
    return parent if isinstance(parent, str) else None


def _draft(key: str, parent: str | None, message: Any, tally: Tally) -> Draft:
    draft = Draft(key=key, parent=parent)
    if not isinstance(message, dict):
        tally.skip("message", "not_understood")
        return draft
    for file in message["files"] if isinstance(message.get("files"), list) else []:
        tally.skip("part", "image" if isinstance(file, dict) and file.get("type") == "image" else "file")
    text = _text(message.get("content"), tally)
    role = message.get("role")
    if role not in ("user", "assistant"):
        tally.skip("message", role if role in ("system", "tool") else "unknown_role", text)
        return draft
    reasoning, tools = "", 0
    if role == "assistant":
        text, reasoning, tools = without_details(text)
    tally.skip("part", "tool_call", count=tools)
    if not text.strip():
        tally.skip("message", "empty")
        return draft
    draft.role, draft.content, draft.reasoning = role, text, reasoning
    draft.time = seconds(message.get("timestamp"))
    draft.status = "interrupted" if role == "assistant" and message.get("done") is False else "done"
    draft.model = text_or(message.get("model")) if role == "assistant" else None
    draft.usage = usage_of(message.get("usage"), "prompt_tokens", "completion_tokens", tally)
    return draft


def _text(content: object, tally: Tally) -> str:
    if isinstance(content, str):
        return content
    texts: list[str] = []
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            tally.skip("part", "image" if isinstance(part, dict) and "image" in str(part.get("type")) else "file")
    return "\n".join(texts)


def without_details(text: str) -> tuple[str, str, int]:
    """A reply without what stands before it in `<details>`: what it says, its reasoning, and how many tools it used."""
    reasoning: list[str] = []
    tools = start = 0
    while found := _DETAILS.match(text, start):
        end = text.find(_DETAILS_END, found.end())
        if end < 0 or found[1] not in ("reasoning", "tool_calls"):
            break
        if found[1] == "reasoning":
            reasoning.append(_unquoted(text[found.end() : end]))
        else:
            tools += 1
        start = end + len(_DETAILS_END)
    return text[start:].lstrip("\n") if start else text, "\n\n".join(reasoning), tools


def _unquoted(inside: str) -> str:
    """A quotation in HTML: without its summary, and without the mark before each line."""
    summary = inside.find(_SUMMARY_END)
    body = inside[summary + len(_SUMMARY_END) :] if summary >= 0 else inside
    lines = html.unescape(body).strip().split("\n")
    return "\n".join(line.removeprefix(">").removeprefix(" ") if line.startswith(">") else line for line in lines)
