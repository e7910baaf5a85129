"""What ChatGPT gives its users as `conversations.json`: for each conversation a `mapping` of nodes by their ids.

The format is described nowhere by those who make it; this follows what exports from 2023 to 2026 hold.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lianhua.chat.messages import MessageStatus
from lianhua.formats import documents
from lianhua.formats.convert import Found, fields_of, items_in, made, string, text_or
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Pairs, Schema
from lianhua.formats.links import LINKS, Room, link
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, seconds

_PART: Final = Schema({"content_type": SCALAR, "text": SCALAR})
_THOUGHT: Final = Schema({"summary": SCALAR, "content": SCALAR})
_CONTENT: Final = Schema(
    {"content_type": SCALAR, "parts": Schema(items=_PART), "text": SCALAR, "thoughts": Schema(items=_THOUGHT)}
)
_WEBPAGE: Final = dict.fromkeys(("title", "url", "attribution"), SCALAR)
_REFERENCE: Final = Schema(
    {
        **dict.fromkeys(("matched_text", "type", "alt", "name", "title", "url"), SCALAR),
        "items": Schema(items=Schema({**_WEBPAGE, "supporting_websites": Schema(items=Schema(_WEBPAGE))})),
    }
)
_CITATION: Final = Schema(
    {
        "metadata": Schema(
            {**dict.fromkeys(("title", "url"), SCALAR), "extra": Schema({"cited_message_idx": SCALAR})},
        )
    }
)
_METADATA: Final = Schema(
    {
        **dict.fromkeys(("model_slug", "default_model_slug", "is_visually_hidden_from_conversation"), SCALAR),
        "content_references": Schema(items=_REFERENCE),
        "citations": Schema(items=_CITATION),
        "finish_details": Schema({"type": SCALAR}),
        "chatgpt_sdk": Schema({"attribution_id": SCALAR, "widget_state": SCALAR}),
        "attachments": Schema(items=Schema({"name": SCALAR})),
    }
)
_MESSAGE: Final = Schema(
    {
        "author": Schema({"role": SCALAR}),
        "create_time": SCALAR,
        "content": _CONTENT,
        "status": SCALAR,
        "recipient": SCALAR,
        "metadata": _METADATA,
    }
)
_HEAD: Final = (
    "id", "conversation_id", "title", "create_time", "update_time", "current_node", "pinned_time", "default_model_slug",
)  # fmt: skip


def schema(*, keep: bool) -> Schema:
    """What is read of a conversation; `keep`: all of its messages."""
    message = EVERYTHING if keep else _MESSAGE
    nodes = Schema(each=Schema({"parent": SCALAR, "message": message}))
    return Schema({**dict.fromkeys(_HEAD, SCALAR), "mapping": nodes})


# What of a message is no text, by what its parts are called.
_PARTS: Final = {"image": "image", "audio": "audio", "video": "video"}
# Contents that are part of how a reply came to be, not of what was said.
_THINKING: Final = ("thoughts", "reasoning_recap")
_HIDDEN: Final = ("user_editable_context", "model_editable_context")
_CREATE: Final = "canmore.create_textdoc"
_UPDATE: Final = "canmore.update_textdoc"
NO_LINKS: Final[Mapping[str, str]] = {}
WORD_CHARS: Final = 200  # of a name in the place of a mark
_RESEARCH: Final = "connector_openai_deep_research"
# Between U+E200 and U+E201 stands what the page draws as a source, U+E202 parts its words: private use, drawn as boxes
# elsewhere. The older 【…†…】 are such marks too.
_MARK = re.compile("[\ue200]([^\ue200\ue201]{0,2000}+)[\ue201]|【[^【】\n]{0,200}†[^【】\n]{0,200}】")
_STRAY = re.compile("[\ue200-\ue2ff]")


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One conversation; None where it holds nothing that could be kept."""
    nodes = raw.get("mapping")
    model = text_or(raw.get("default_model_slug"))
    canvas = _Canvas()
    drafts = [_draft(key, node, model, canvas, tally) for key, node in nodes] if isinstance(nodes, Pairs) else []
    return made(
        "chatgpt",
        drafts,
        tally,
        now,
        raw_id=raw.get("conversation_id") or raw.get("id"),
        title=raw.get("title"),
        current=raw.get("current_node"),
        created_at=seconds(raw.get("create_time")),
        updated_at=seconds(raw.get("update_time")),
        pinned=seconds(raw.get("pinned_time")) is not None,
    )


def _draft(key: str, node: Any, model: str | None, canvas: "_Canvas", tally: Tally) -> Draft:
    if not isinstance(node, dict):
        tally.skip("message", "not_understood")
        return Draft(key=key, parent=None)
    parent = node.get("parent")
    draft = Draft(key=key, parent=parent if isinstance(parent, str) else None)
    canvas.parents[key] = draft.parent
    message = node.get("message")
    if isinstance(message, dict):
        _fill(draft, message, model, canvas, tally)
    elif message is not None:
        draft.leave_out(tally, "message", "not_understood", message)
    return draft


def _fill(draft: Draft, message: dict[str, Any], model: str | None, canvas: "_Canvas", tally: Tally) -> None:
    """What is said in a node, or why nothing of it is kept."""
    content = fields_of(message.get("content"))
    kind = content.get("content_type")
    role = fields_of(message.get("author")).get("role")
    metadata = fields_of(message.get("metadata"))
    text = _text(content, draft, tally)
    if kind == "thoughts":
        draft.reasoning = _thoughts(content)
    document = canvas.document(draft, message.get("recipient"), text) if role == "assistant" else None
    if document is None and (report := _research(metadata, canvas.room)):
        document, role = report, "assistant"
    if document is not None:
        text = document
    elif reason := _unspoken(role, kind, message, metadata):
        if text or reason != "system":  # empty system messages are how each conversation begins
            draft.leave_out(tally, "message", reason, None if reason in ("system", "hidden") else message, text)
        return
    elif kind == "thoughts" and draft.reasoning:
        return  # it goes to the reply below
    elif kind in _THINKING:
        tally.skip("message", "reasoning_recap", text)
        return
    text = _with_links(text, metadata.get("content_references"), canvas.room, _cited(metadata))
    if not text.strip():
        draft.leave_out(tally, "message", "empty", message if kind not in (None, "text", "multimodal_text") else None)
        return
    draft.role = "user" if role == "user" else "assistant"
    draft.content = text
    draft.time = seconds(message.get("create_time"))
    draft.status = _status(draft.role, message, metadata)
    if draft.role == "assistant":
        slugs = (text_or(metadata.get(name)) for name in ("model_slug", "default_model_slug"))
        draft.model = next((slug for slug in slugs if slug), model)


def _unspoken(role: object, kind: object, message: dict[str, Any], metadata: dict[str, Any]) -> str | None:
    """Why a message is not part of what two people would call the conversation."""
    if role == "tool":
        return "tool"
    if role not in ("user", "assistant"):
        return "system" if role == "system" else "unknown_role"
    if kind in _HIDDEN or metadata.get("is_visually_hidden_from_conversation") is True:
        return "hidden"
    if role == "assistant" and kind not in _THINKING and message.get("recipient") not in ("all", None):
        return "tool_call"
    return None


def _status(role: str, message: dict[str, Any], metadata: dict[str, Any]) -> MessageStatus:
    cut = fields_of(metadata.get("finish_details")).get("type") in ("max_tokens", "interrupted")
    if role == "assistant" and (cut or message.get("status") in ("in_progress", "finished_partial_completion")):
        return "interrupted"
    return "done"


def _text(content: dict[str, Any], draft: Draft, tally: Tally) -> str:
    """What can be read of it; parts that are no text are counted."""
    parts = content.get("parts")
    if not isinstance(parts, list):
        return string(content.get("text"))
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):  # what was said aloud
            texts.append(part["text"])
        elif part is not None:
            kind = _kind_of_part(part)
            draft.leave_out(tally, "part", kind, part if kind == "not_understood" else None)
    return "\n".join(text for text in texts if text)


def _kind_of_part(part: object) -> str:
    kind = str(part.get("content_type")) if isinstance(part, dict) else ""
    return next((name for word, name in _PARTS.items() if word in kind), "not_understood")


def _thoughts(content: dict[str, Any]) -> str:
    found = [fields_of(thought) for thought in items_in(content.get("thoughts"))]
    parts = [part for thought in found for part in (thought.get("summary"), thought.get("content"))]
    return "\n\n".join(part for part in parts if isinstance(part, str) and part)


def _research(metadata: dict[str, Any], room: Room) -> str | None:
    """The report of a deep research, which is kept as the state of what draws it."""
    sdk = fields_of(metadata.get("chatgpt_sdk"))
    if sdk.get("attribution_id") != _RESEARCH or not isinstance(sdk.get("widget_state"), str):
        return None
    report = fields_of(documents.decoded(sdk["widget_state"]).get("report_message"))
    texts = [text for text in items_in(fields_of(report.get("content")).get("parts")) if isinstance(text, str)]
    references = fields_of(report.get("metadata")).get("content_references")
    return _with_links("\n".join(texts), references, room) if texts else None


class _Canvas:
    """The documents of a conversation, by the nodes that have written them."""

    def __init__(self) -> None:
        self.room = Room()
        self.parents: dict[str, str | None] = {}
        self._at: dict[str, tuple[object, object, str]] = {}  # title, kind, content

    def document(self, draft: Draft, recipient: object, text: str) -> str | None:
        """What a call of the canvas makes of its document; None where it is no such call, or is not understood."""
        if recipient not in (_CREATE, _UPDATE):
            return None
        call = documents.decoded(text)
        if recipient == _CREATE:
            if not isinstance(call.get("content"), str):
                return None
            found = (call.get("name"), call.get("type"), call["content"])
        else:
            updated = self._updated(draft.parent, call.get("updates"))
            if updated is None or not self.room.take(len(updated[2])):
                return None
            found = updated
        self._at[draft.key] = found
        return documents.as_text(*found)

    def _updated(self, key: str | None, updates: object) -> tuple[object, object, str] | None:
        """The nearest document above that the update fits: it does not name its own."""
        seen: set[str] = set()
        for _ in range(documents.ABOVE):
            if key is None or len(seen) == documents.SEVERAL:
                break
            title, kind, before = self._at.get(key, (None, None, None))
            if before is not None and str(title) not in seen:
                seen.add(str(title))
                if (content := documents.updated(before, updates)) is not None:
                    return title, kind, content
            key = self.parents.get(key)
        content = None if seen else documents.updated(None, updates)
        return None if content is None else (None, None, content)


def _cited(metadata: dict[str, Any]) -> dict[str, str]:
    """Links by the number that the older marks begin with."""
    found: dict[str, str] = {}
    for citation in map(fields_of, items_in(metadata.get("citations"))):
        page = fields_of(citation.get("metadata"))
        number = fields_of(page.get("extra")).get("cited_message_idx")
        if isinstance(number, int) and (address := _link(page)):
            found.setdefault(str(number), f" ({address})")
    return found


def _named(mark: str) -> str:
    """What a mark says of itself that people can read: the name of a person or a place."""
    kind, _, rest = mark[1:-1].partition("\ue202")
    words = documents.listed(rest) if kind == "entity" else []
    return _STRAY.sub("", words[1])[:WORD_CHARS] if len(words) > 1 and isinstance(words[1], str) else ""


def _with_links(text: str, references: object, room: Room, cited: Mapping[str, str] = NO_LINKS) -> str:
    """With links in the place of the marks that the page draws as sources, as far as it is told what they name."""
    if not (_STRAY.search(text) or "†" in text):
        return text
    known: dict[str, str] = {}
    for reference in map(fields_of, items_in(references)):
        if matched := string(reference.get("matched_text")):
            known.setdefault(matched, _shown(reference))

    def shown(mark: re.Match[str]) -> str:
        found = known.get(mark[0])
        if found is None and mark[0].startswith("【"):
            found = cited.get(mark[0][1:].partition("†")[0], mark[0])
        found = found or _named(mark[0])
        return found if room.take(len(found)) else ""

    return _STRAY.sub("", _MARK.sub(shown, text))


def _shown(reference: dict[str, Any]) -> str:
    pages = [fields_of(item) for item in items_in(reference.get("items"))]
    pages += [fields_of(site) for page in list(pages) for site in items_in(page.get("supporting_websites"))]
    links = list(dict.fromkeys(filter(None, map(_link, [*pages, reference]))))
    if links:
        return f"({', '.join(links[:LINKS])})"
    return next(_words(reference), "")[:WORD_CHARS]


def _link(page: dict[str, Any]) -> str:
    return link(page.get("attribution") or page.get("title"), page.get("url"))


def _words(reference: dict[str, Any]) -> Iterator[str]:
    """What stands for a reference that has no address: the name of a person or a place."""
    words = (string(reference.get(name)) for name in ("alt", "name", "title"))
    return (_STRAY.sub("", word) for word in words if word.strip())
