"""A conversation as people read it: the branch that is shown, as Markdown."""

from datetime import UTC, datetime
from typing import Final

from lianhua.chat.messages import Language
from lianhua.chat.texts import say
from lianhua.formats.values import PortableHead, PortableMessage

RULE: Final = "\n\n---\n\n"
_ESCAPED: Final = str.maketrans({mark: f"\\{mark}" for mark in "\\`*_[]<>#|~"})


def opening(conversation: PortableHead, language: Language) -> str:
    """What stands above the messages."""
    title = " ".join(conversation.title.split()) or say("untitled", language)
    lines = [f"# {title.translate(_ESCAPED)}", ""]
    if conversation.model:
        lines.append(f"- {say('export_model', language)}: {conversation.model.translate(_ESCAPED)}")
    lines.append(f"- {say('export_begun', language)}: {moment(conversation.created_at)}")
    return "\n".join(lines)


def message(said: PortableMessage, before: int, language: Language) -> str:
    """A message; `before` is the depth of the one that was written before it, -1 at the beginning."""
    dropped = said.depth - before - 1
    gap = f"{RULE}*{say('export_dropped', language, count=dropped)}*" if dropped > 0 else ""
    speaker = say("export_user" if said.role == "user" else "export_assistant", language)
    by = f" ({said.model.translate(_ESCAPED)})" if said.model and said.role == "assistant" else ""
    head = f"**{speaker}**{by} · {moment(said.timestamp)}"
    if said.finish_reason in ("length", "content_filter"):
        head += f" · {say(f'export_{said.finish_reason}', language)}"
    elif said.status != "done":
        head += f" · {say(f'export_{said.status}', language)}"
    return f"{gap}{RULE}{head}\n\n{said.content}"


def end(last: int, depth: int, language: Language) -> str:
    """What stands below: the last message, at `last`, may not be the end of the branch, at `depth`."""
    dropped = depth - last
    return (f"{RULE}*{say('export_dropped', language, count=dropped)}*" if dropped > 0 else "") + "\n"


def moment(timestamp: float) -> str:
    """UTC, to the second (ISO 8601)."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
