"""What NextChat (ChatGPT-Next-Web) saves as its backup: the state of its stores by their names, the conversations as
`sessions` of `chat-next-web-store`.
"""

from typing import Any, Final

from lianhua.formats.convert import Found, chained, fields_of, items_in, made, parts_of, string, text_or
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Schema
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

STORE: Final = "chat-next-web-store"
_TEXTS: Final = Schema(items=Schema({"type": SCALAR, "text": SCALAR}))
_MESSAGE: Final = Schema(
    {
        **dict.fromkeys(("id", "date", "role", "isError", "streaming", "model", "reasoning_content"), SCALAR),
        "content": _TEXTS,
        "tools": Schema(items=SCALAR),
    }
)


def schema(*, keep: bool) -> Schema:
    """What is read of a session; `keep`: all of its messages."""
    mask = Schema({"modelConfig": Schema({"model": SCALAR}), "context": Schema(items=Schema({"content": _TEXTS}))})
    head = dict.fromkeys(("id", "topic", "memoryPrompt", "lastUpdate"), SCALAR)
    return Schema({**head, "mask": mask, "messages": Schema(items=EVERYTHING if keep else _MESSAGE)})


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One session; None where it holds nothing that could be kept."""
    mask = fields_of(raw.get("mask"))
    for said in map(fields_of, items_in(mask.get("context"))):
        tally.skip("instructions", "not_supported", string(said.get("content")))
    if memory := string(raw.get("memoryPrompt")):
        tally.skip("instructions", "not_supported", memory)
    model = text_or(fields_of(mask.get("modelConfig")).get("model"))
    drafts = [_draft(message, model, tally) for message in items_in(raw.get("messages"))]
    last = instant(raw.get("lastUpdate"))
    times = [draft.time for draft in drafts if draft.time is not None]
    if not times and last is not None and drafts:
        drafts[0].time = last  # of most languages the dates cannot be read
    return made(
        "nextchat", chained(drafts), tally, now, raw_id=raw.get("id"), title=raw.get("topic"), updated_at=last,
    )  # fmt: skip


def _draft(message: Any, model: str | None, tally: Tally) -> Draft:
    fields = fields_of(message)
    draft = Draft(key=string(fields.get("id")), parent=None)
    if not isinstance(message, dict):
        tally.skip("message", "not_understood")
        return draft
    text = parts_of(message.get("content"), draft, tally)
    role = message.get("role")
    for tool in items_in(message.get("tools")):
        draft.leave_out(tally, "part", "tool_call", tool)
    if role not in ("user", "assistant"):
        draft.leave_out(tally, "message", "system" if role == "system" else "unknown_role", None, text)
    elif message.get("isError") is True:
        tally.skip("message", "error", text)
    elif not text.strip():
        tally.skip("message", "empty")
    else:
        draft.role, draft.content = role, text
        draft.time = instant(message.get("date"))
        if role == "assistant":
            draft.reasoning = string(message.get("reasoning_content"))
            draft.model = text_or(message.get("model")) or model
            draft.status = "interrupted" if message.get("streaming") is True else "done"
    return draft
