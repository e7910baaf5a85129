"""What ChatGPT gives its users as `conversations.json`: for each conversation a `mapping` of nodes by their ids.

The format is described nowhere by those who make it; this follows what exports from 2023 to 2026 hold.
"""

from typing import Any, Final

from lianhua.exchange.conversation import Found, text_or, whole
from lianhua.exchange.report import Tally
from lianhua.exchange.shape import SCALAR, Pairs, Shape
from lianhua.exchange.tree import Draft, hang, seconds
from lianhua.messages import MessageStatus

_PART: Final = Shape({"content_type": SCALAR, "text": SCALAR})
_THOUGHT: Final = Shape({"summary": SCALAR, "content": SCALAR})
_CONTENT: Final = Shape(
    {"content_type": SCALAR, "parts": Shape(items=_PART), "text": SCALAR, "thoughts": Shape(items=_THOUGHT)}
)
_MESSAGE: Final = Shape(
    {
        "author": Shape({"role": SCALAR}),
        "create_time": SCALAR,
        "content": _CONTENT,
        "status": SCALAR,
        "recipient": SCALAR,
        "metadata": Shape({"model_slug": SCALAR, "is_visually_hidden_from_conversation": SCALAR}),
    }
)
SHAPE: Final = Shape(
    {
        **dict.fromkeys(("id", "conversation_id", "title", "create_time", "update_time", "current_node"), SCALAR),
        "pinned_time": SCALAR,
        "mapping": Shape(each=Shape({"parent": SCALAR, "message": _MESSAGE})),
    }
)
# What of a message is no text, by what its parts are called.
_PARTS: Final = {"image": "image", "audio": "audio", "video": "video"}
# Contents that are part of how a reply came to be, not of what was said.
_THINKING: Final = ("thoughts", "reasoning_recap")


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One conversation; None where it holds nothing that could be kept."""
    nodes = raw.get("mapping")
    began_at = seconds(raw.get("create_time")) or now
    drafts = [_draft(key, node, tally) for key, node in nodes] if isinstance(nodes, Pairs) else []
    grown = hang(drafts, raw.get("current_node"), began_at, tally)
    return whole(
        grown,
        tally,
        conversation_id=raw.get("conversation_id") or raw.get("id"),
        title=raw.get("title"),
        created_at=seconds(raw.get("create_time")),
        updated_at=seconds(raw.get("update_time")),
        pinned=seconds(raw.get("pinned_time")) is not None,
    )


def _draft(key: str, node: Any, tally: Tally) -> Draft:
    if not isinstance(node, dict):
        tally.skip("message", "not_understood")
        return Draft(key=key, parent=None)
    parent = node.get("parent")
    draft = Draft(key=key, parent=parent if isinstance(parent, str) else None)
    message = node.get("message")
    if isinstance(message, dict):
        _fill(draft, message, tally)
    elif message is not None:
        tally.skip("message", "not_understood")
    return draft


def _fill(draft: Draft, message: dict[str, Any], tally: Tally) -> None:
    """What is said in a node, or why nothing of it is kept."""
    content = _object(message.get("content"))
    kind = content.get("content_type")
    role = _object(message.get("author")).get("role")
    metadata = _object(message.get("metadata"))
    text = _text(content, tally)
    if kind == "thoughts":
        draft.reasoning = _thoughts(content)
    if reason := _unspoken(role, kind, message, metadata):
        if text or reason != "system":  # empty system messages are how each conversation begins
            tally.skip("message", reason, text)
    elif kind == "thoughts" and draft.reasoning:
        pass  # it goes to the reply below
    elif kind in _THINKING:
        tally.skip("message", "reasoning_recap", text)
    elif not text.strip():
        tally.skip("message", "empty")
    else:
        draft.role = "user" if role == "user" else "assistant"
        draft.content = text
        draft.time = seconds(message.get("create_time"))
        draft.status = _status(draft.role, message.get("status"))
        draft.model = text_or(metadata.get("model_slug"))


def _unspoken(role: object, kind: object, message: dict[str, Any], metadata: dict[str, Any]) -> str | None:
    """Why a message is not part of what two people would call the conversation."""
    if role == "tool":
        return "tool"
    if role not in ("user", "assistant"):
        return "system" if role == "system" else "unknown_role"
    if kind == "user_editable_context" or metadata.get("is_visually_hidden_from_conversation") is True:
        return "hidden"
    if role == "assistant" and kind not in _THINKING and message.get("recipient") not in ("all", None):
        return "tool_call"
    return None


def _status(role: str, status: object) -> MessageStatus:
    if role == "assistant" and status in ("in_progress", "finished_partial_completion"):
        return "interrupted"
    return "done"


def _text(content: dict[str, Any], tally: Tally) -> str:
    """What can be read of it; parts that are no text are counted."""
    parts = content.get("parts")
    if not isinstance(parts, list):
        text = content.get("text")
        return text if isinstance(text, str) else ""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):  # what was said aloud
            texts.append(part["text"])
        elif part is not None:
            tally.skip("part", _kind_of_part(part))
    return "\n".join(text for text in texts if text)


def _kind_of_part(part: object) -> str:
    kind = str(part.get("content_type")) if isinstance(part, dict) else ""
    return next((name for word, name in _PARTS.items() if word in kind), "not_understood")


def _thoughts(content: dict[str, Any]) -> str:
    thoughts = content.get("thoughts")
    found = [_object(thought) for thought in thoughts] if isinstance(thoughts, list) else []
    parts = [part for thought in found for part in (thought.get("summary"), thought.get("content"))]
    return "\n\n".join(part for part in parts if isinstance(part, str) and part)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
