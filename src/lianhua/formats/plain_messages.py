"""Messages as OpenAI's interface has them, `{"messages":[{"role":…,"content":…}]}`: what many programs save of one
conversation (NextChat, LobeChat, scripts). They have neither ids nor times.
"""

from typing import Any, Final

from lianhua.formats.convert import Found, chained, fields_of, items_in, made, parts_of, string, text_or
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Schema
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

_MESSAGE: Final = Schema(
    {
        **dict.fromkeys(("id", "role", "model", "reasoning", "reasoning_content"), SCALAR),
        **dict.fromkeys(("timestamp", "created_at", "createdAt"), SCALAR),
        "content": Schema(items=Schema({"type": SCALAR, "text": SCALAR})),
        "tool_calls": Schema(items=SCALAR),
    }
)


def schema(*, keep: bool) -> Schema:
    """What is read of a conversation; `keep`: all of its messages."""
    head = dict.fromkeys(("id", "title", "model", "created_at", "createdAt"), SCALAR)
    return Schema({**head, "messages": Schema(items=EVERYTHING if keep else _MESSAGE)})


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One conversation; None where it holds nothing that could be kept."""
    model = text_or(raw.get("model"))
    drafts = [_draft(message, model, tally) for message in items_in(raw.get("messages"))]
    return made(
        "messages",
        chained(drafts),
        tally,
        now,
        raw_id=raw.get("id"),
        title=raw.get("title"),
        created_at=instant(raw.get("created_at") or raw.get("createdAt")),
    )


def _draft(message: Any, model: str | None, tally: Tally) -> Draft:
    fields = fields_of(message)
    draft = Draft(key=string(fields.get("id")), parent=None)
    if not isinstance(message, dict):
        tally.skip("message", "not_understood")
        return draft
    role, text = message.get("role"), parts_of(message.get("content"), draft, tally)
    for call in items_in(message.get("tool_calls")):
        draft.leave_out(tally, "part", "tool_call", call)
    if role not in ("user", "assistant"):
        reason = role if role in ("system", "tool") else "unknown_role"
        draft.leave_out(tally, "message", reason, None if role == "system" else message, text)
    elif not text.strip():
        tally.skip("message", "empty")
    else:
        draft.role, draft.content = role, text
        times = (instant(message.get(name)) for name in ("timestamp", "created_at", "createdAt"))
        draft.time = next((time for time in times if time is not None), None)
        if role == "assistant":
            draft.reasoning = string(message.get("reasoning_content")) or string(message.get("reasoning"))
            draft.model = text_or(message.get("model")) or model
    return draft
