"""What DeepSeek gives its users as `conversations.json`: like ChatGPT's a `mapping` of nodes, but with `inserted_at`
for times, and messages that consist of `fragments`: the question, the thoughts, the answer.

The format is described nowhere by those who make it; this follows what converters of 2025 and 2026 read. In the first
exports a message is one text without a role: there every other one is the user's, counted from the root.
"""

import re
from typing import Any, Final

from lianhua.formats.convert import Found, fields_of, items_in, joined, made, string, text_or
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Pairs, Schema
from lianhua.formats.links import Room, link
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

_RESULT: Final = Schema(dict.fromkeys(("url", "title", "cite_index"), SCALAR))
_FRAGMENT: Final = Schema({"type": SCALAR, "content": SCALAR, "results": Schema(items=_RESULT)})


def schema(*, keep: bool) -> Schema:
    """What is read of a conversation; `keep`: the fragments of its messages whole."""
    message = Schema(
        {
            **dict.fromkeys(("model", "inserted_at", "role", "content", "reasoning_content", "status"), SCALAR),
            "fragments": Schema(items=EVERYTHING if keep else _FRAGMENT),
            "search_results": Schema(items=_RESULT),
            "files": Schema(items=SCALAR),
        }
    )
    head = ("id", "title", "inserted_at", "updated_at", "pinned", "current_node", "current_message_id")
    nodes = Schema(each=Schema({"parent": SCALAR, "message": message}))
    return Schema({**dict.fromkeys(head, SCALAR), "mapping": nodes})


_CITATION: Final = re.compile(r"\[citation:(\d{1,4})\]")
_SAID: Final = {"REQUEST": "user", "RESPONSE": "assistant", "TEMPLATE_RESPONSE": "assistant"}


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One conversation; None where it holds nothing that could be kept."""
    mapping = raw.get("mapping")
    nodes = mapping if isinstance(mapping, Pairs) else Pairs()
    asking = _asking(nodes)
    room = Room()
    drafts = [_draft(key, node, key in asking, room, tally) for key, node in nodes]
    return made(
        "deepseek",
        drafts,
        tally,
        now,
        raw_id=raw.get("id"),
        title=raw.get("title"),
        current=raw.get("current_node"),
        created_at=instant(raw.get("inserted_at")),
        updated_at=instant(raw.get("updated_at")),
        pinned=raw.get("pinned") is True,
    )


def _asking(nodes: list[tuple[str, Any]]) -> set[str]:
    """The messages that are the user's where none has a role: those below the root are, and every other from there."""
    below: dict[str, list[str]] = {}
    for key, node in nodes:
        if fields_of(node).get("message") is not None:
            below.setdefault(string(fields_of(node).get("parent")), []).append(key)
    spoken = {key for keys in below.values() for key in keys}
    waiting = [(key, True) for parent, keys in below.items() if parent not in spoken for key in keys]
    asking: set[str] = set()
    seen: set[str] = set()
    while waiting:
        key, asks = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        if asks:
            asking.add(key)
        waiting.extend((child, not asks) for child in below.get(key, ()))
    return asking


def _draft(key: str, node: Any, asks: bool, room: Room, tally: Tally) -> Draft:
    fields = fields_of(node)
    parent = fields.get("parent")
    draft = Draft(key=key, parent=parent if isinstance(parent, str) else None)
    message = fields.get("message")
    if not isinstance(message, dict):
        if message is not None or not isinstance(node, dict):
            tally.skip("message", "not_understood")
        return draft
    for _ in items_in(message.get("files")):
        tally.skip("part", "file")
    _fill(draft, message, asks, room, tally)
    return draft


def _fill(draft: Draft, message: dict[str, Any], asks: bool, room: Room, tally: Tally) -> None:
    said: dict[str, list[str]] = {"user": [], "assistant": []}
    thoughts = [string(message.get("reasoning_content"))]
    results = items_in(message.get("search_results"))
    for fragment in items_in(message.get("fragments")):
        fields = fields_of(fragment)
        kind = str(fields.get("type")).upper()
        if kind in _SAID:
            said[_SAID[kind]].append(string(fields.get("content")))
        elif kind in ("THINK", "THINKING"):
            thoughts.append(string(fields.get("content")))
        elif "SEARCH" in kind or "TOOL" in kind or kind in ("READ_LINK", "OPEN"):
            results = results + items_in(fields.get("results"))
            draft.leave_out(tally, "part", "tool_call", fragment)
        elif fragment is not None:
            reason = next((word for word in ("image", "file") if word in kind.lower()), "not_understood")
            draft.leave_out(tally, "part", reason, fragment if reason == "not_understood" else None)
    role = "user" if joined(said["user"]) else "assistant"
    text = joined(said[role])
    if not text and (whole := string(message.get("content"))).strip():
        text = whole
        named = str(message.get("role")).lower()
        role = named if named in said else "user" if asks else "assistant"
    draft.reasoning = joined(thoughts)
    if not text:
        tally.skip("message", "empty")
        return
    draft.role = "user" if role == "user" else "assistant"
    draft.content = _cited(text, results, room) if draft.role == "assistant" else text
    draft.time = instant(message.get("inserted_at"))
    if draft.role == "assistant":
        draft.model = text_or(message.get("model"))
        draft.status = "interrupted" if message.get("status") in ("INCOMPLETE", "WIP") else "done"


def _cited(text: str, results: list[Any], room: Room) -> str:
    """With links in the place of the numbers of what a search had found."""
    pages = {number: page for page in map(fields_of, results) if isinstance(number := page.get("cite_index"), int)}

    def shown(mark: re.Match[str]) -> str:
        page = pages.get(int(mark[1]), {})
        found = link(page.get("title"), page.get("url"))
        return f"({found})" if found and room.take(len(found) + 2) else ""

    return _CITATION.sub(shown, text)
