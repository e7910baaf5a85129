"""What LobeChat exports. Until 2025 the state of its stores (`{"exportType":…,"state":{…},"version":7}`), since then
the tables of its database (`{"mode":…,"schemaHash":…,"data":{…}}`). In both the messages of all conversations are one
list, and name the topic or the session that they belong to.
"""

from collections.abc import Iterator
from typing import Any, Final

from lianhua.formats.convert import Found, chained, fields_of, items_in, made, parts_of, string, text_or
from lianhua.formats.json.builder import EVERYTHING, SCALAR, Schema
from lianhua.formats.pending import Shelf
from lianhua.formats.report import Tally
from lianhua.formats.tree import Draft, instant

_META: Final = Schema({"title": SCALAR})
_NAMED: Final = Schema({**dict.fromkeys(("id", "title", "favorite", "createdAt", "updatedAt"), SCALAR), "meta": _META})
_MESSAGE: Final = Schema(
    {
        **dict.fromkeys(("id", "role", "parentId", "topicId", "sessionId", "threadId", "groupId"), SCALAR),
        **dict.fromkeys(("createdAt", "updatedAt", "fromModel", "model"), SCALAR),
        "content": Schema(items=Schema({"type": SCALAR, "text": SCALAR})),
        "reasoning": Schema({"content": SCALAR}),
        "error": Schema({"type": SCALAR}),
        "tools": Schema(items=SCALAR),
        "files": Schema(items=SCALAR),
        "extra": Schema({"fromModel": SCALAR, "model": SCALAR}),
    }
)
PLACEHOLDER: Final = "..."  # what stands there until something comes
LISTS: Final = ("messages", "topics", "sessions")  # of all there are


def part_schema(name: str, *, keep: bool) -> Schema:
    """What is read of one thing of a list."""
    return _NAMED if name != "messages" else EVERYTHING if keep else _MESSAGE


def put(name: str, raw: Any, shelf: Shelf, tally: Tally) -> None:
    """Shelves one thing of a list with what it belongs to."""
    fields = fields_of(raw)
    if name != "messages":
        if identity := string(fields.get("id")):
            shelf.put_named(f"{name} {identity}", fields)
        return
    if not isinstance(raw, dict):
        tally.skip("message", "not_understood")
        return
    topic, session = (string(fields.get(key)) for key in ("topicId", "sessionId"))
    shelf.put(f"topics {topic}" if topic else f"sessions {session or string(fields.get('groupId'))}", fields)


def conversations(shelf: Shelf, now: float, tally: Tally) -> Iterator[Found]:
    """The conversations of the messages that were shelved: the topics, and for each session what is in none."""
    shelf.index()
    for group in shelf.groups():
        kind, _, identity = group.partition(" ")
        known = fields_of(shelf.labelled(group))
        drafts = [_draft(message, tally) for message in shelf.pieces(group)]
        drafts.sort(key=lambda draft: draft.time or 0.0)
        if found := made(
            "lobechat",
            _below(drafts),
            tally,
            now,
            raw_id=identity if kind == "topics" else f"session {identity}",
            title=known.get("title") or fields_of(known.get("meta")).get("title"),
            created_at=instant(known.get("createdAt")),
            updated_at=instant(known.get("updatedAt")),
            pinned=known.get("favorite") in (True, 1),
        ):
            yield found


def _below(drafts: list[Draft]) -> list[Draft]:
    """Each below the message that it names; one that names none below the one before it."""
    known = {draft.key for draft in drafts}
    named = {draft.key: draft.parent for draft in drafts if draft.parent in known and draft.parent != draft.key}
    chained(drafts)
    for draft in drafts:
        draft.parent = named.get(draft.key, draft.parent)
    return drafts


def _draft(message: dict[str, Any], tally: Tally) -> Draft:
    draft = Draft(key=string(message.get("id")), parent=string(message.get("parentId")) or None)
    role = message.get("role")
    has_failed = isinstance(message.get("error"), dict)
    text = parts_of(message.get("content"), draft, tally)
    if role == "assistant" and text.strip() == PLACEHOLDER:
        text = ""
    draft.time = instant(message.get("createdAt"))
    for _ in items_in(message.get("files")):
        tally.skip("part", "file")
    for tool in items_in(message.get("tools")):
        draft.leave_out(tally, "part", "tool_call", tool)
    draft.reasoning = string(fields_of(message.get("reasoning")).get("content"))
    if role not in ("user", "assistant"):
        reason = role if role in ("system", "tool") else "unknown_role"
        draft.leave_out(tally, "message", str(reason), None if role == "system" else message, text)
    elif not text.strip():
        tally.skip("message", "error" if has_failed else "empty")
    else:
        draft.role, draft.content = role, text
        if role == "assistant":
            draft.status = "interrupted" if has_failed else "done"
            extra = fields_of(message.get("extra"))
            names = (message.get("model"), message.get("fromModel"), extra.get("model"), extra.get("fromModel"))
            draft.model = next((name for name in map(text_or, names) if name), None)
    return draft
