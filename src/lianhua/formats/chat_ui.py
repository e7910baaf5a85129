"""What Hugging Face's chat-ui exports (`/api/v2/export`, a zip with `conversations.json`): its conversations as the
database has them, each with its `messages`, which name their `ancestors` since 2024.
"""

from typing import Any, Final

from lianhua.formats.convert import Found, chained, fields_of, items_in, made, string, text_or
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Schema
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

_DATE: Final = Schema({"$date": Schema({"$numberLong": SCALAR})})
_ID: Final = Schema({"$oid": SCALAR})
_UPDATE: Final = Schema(dict.fromkeys(("type", "subtype", "token", "text", "interrupted"), SCALAR))


def schema(*, keep: bool) -> Schema:
    """What is read of a conversation; `keep`: also how its replies came to be."""
    message = Schema(
        {
            **dict.fromkeys(("id", "from", "content", "reasoning", "interrupted"), SCALAR),
            "createdAt": _DATE,
            "ancestors": Schema(items=SCALAR),
            "children": Schema(items=SCALAR),
            "files": Schema(items=SCALAR),
            "updates": Schema(items=EVERYTHING if keep else _UPDATE),
            "routerMetadata": Schema({"model": SCALAR}),
        }
    )
    head = dict.fromkeys(("model", "title", "preprompt"), SCALAR)
    dates = dict.fromkeys(("createdAt", "updatedAt"), _DATE)
    return Schema({**head, **dates, "_id": _ID, "messages": Schema(items=message)})


def conversation(raw: dict[str, Any], now: float, tally: Tally) -> Found | None:
    """One conversation; None where it holds nothing that could be kept."""
    if instructions := string(raw.get("preprompt")):
        tally.skip("instructions", "not_supported", instructions)
    model = text_or(raw.get("model"))
    messages = items_in(raw.get("messages"))
    drafts = [_draft(message, model, tally) for message in messages]
    if not any(items_in(fields_of(message).get("ancestors")) for message in messages):
        _below_parents(drafts, messages)
    name = raw.get("_id")
    return made(
        "chat_ui",
        drafts,
        tally,
        now,
        raw_id=name.get("$oid") if isinstance(name, dict) else name,
        title=raw.get("title"),
        created_at=instant(raw.get("createdAt")),
        updated_at=instant(raw.get("updatedAt")),
    )


def _below_parents(drafts: list[Draft], messages: list[Any]) -> None:
    """Where no message names its ancestors: below the one that names it as a child, else all in their order."""
    parents: dict[str, str] = {}
    for message in map(fields_of, messages):
        for child in items_in(message.get("children")):
            if isinstance(child, str):
                parents.setdefault(child, string(message.get("id")))
    if not parents:
        chained(drafts)
    for draft in drafts if parents else ():
        draft.parent = parents.get(draft.key)


def _draft(message: Any, model: str | None, tally: Tally) -> Draft:
    fields = fields_of(message)
    above = [name for name in items_in(fields.get("ancestors")) if isinstance(name, str)]
    draft = Draft(key=string(fields.get("id")), parent=above[-1] if above else None)
    if not isinstance(message, dict):
        tally.skip("message", "not_understood")
        return draft
    updates = [fields_of(update) for update in items_in(message.get("updates"))]
    role, text = message.get("from"), string(message.get("content")) or _streamed(updates)
    for _ in items_in(message.get("files")):
        tally.skip("part", "file")
    for update in updates:
        if update.get("type") == "tool" and update.get("subtype") in ("call", None):
            draft.leave_out(tally, "part", "tool_call", update)
    if role not in ("user", "assistant"):
        draft.leave_out(tally, "message", "system" if role == "system" else "unknown_role", None, text)
    elif not text.strip():
        tally.skip("message", "empty")
    else:
        draft.role, draft.content = role, text
        draft.time = instant(message.get("createdAt"))
        if role == "assistant":
            draft.reasoning = string(message.get("reasoning")) or "".join(
                string(update.get("token"))
                for update in updates
                if (update.get("type"), update.get("subtype")) == ("reasoning", "stream")
            )
            draft.model = text_or(fields_of(message.get("routerMetadata")).get("model")) or model
            cut = (message, *(update for update in updates if update.get("type") == "finalAnswer"))
            draft.status = "interrupted" if any(one.get("interrupted") is True for one in cut) else "done"
    return draft


def _streamed(updates: list[dict[str, Any]]) -> str:
    """What a reply says by how it came to be: its last word, or its pieces, which are filled up with zero bytes."""
    for update in reversed(updates):
        if update.get("type") == "finalAnswer" and (text := string(update.get("text"))):
            return text
    pieces = (string(update.get("token")) for update in updates if update.get("type") == "stream")
    return "".join(piece.rstrip("\0") for piece in pieces)
