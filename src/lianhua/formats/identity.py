"""Ids that the same thing of a file gets each time it is brought. So what has come before is recognised by its id:
nothing else is kept for that, and with the conversation goes whatever recognises it.
"""

import hashlib
import uuid
from collections.abc import Iterable
from typing import Final

from lianhua.formats.values import is_conversation_id

MESSAGE_ID_CHARS: Final = 20  # hexadecimal, as many as the ids of messages that were said here


def name_of(source: str, raw_id: object, fingerprint: Iterable[str]) -> str:
    """The id of a conversation: its own where it has our form, else made of its own, or of `fingerprint` without one.

    `source` is the format. Always a UUID of version 4 in form.
    """
    if is_conversation_id(raw_id):
        return str(raw_id)
    named = str(raw_id) if isinstance(raw_id, str | int) and not isinstance(raw_id, bool) else ""
    digest = _digest([source, "id", named] if named else [source, "text", *fingerprint])
    return str(uuid.UUID(bytes=digest[:16], version=4))


def another_name(owner: str, name: str) -> str:
    """The id for the owner's copy of a conversation whose id somebody else has: the same each time."""
    return str(uuid.UUID(bytes=_digest(["of", owner, name])[:16], version=4))


def message_name(conversation: str, key: str) -> str:
    """The id of a message that its file knows by `key`."""
    return _digest(["message", conversation, key]).hex()[:MESSAGE_ID_CHARS]


def key_after(parent: str | None, role: object, text: str) -> str:
    """A key for a message that its file gives none: by what it says, and what was said before it."""
    return _digest(["after", parent or "", str(role), text]).hex()


def _digest(parts: Iterable[str]) -> bytes:
    """SHA-256 of the parts, each told apart from the next by its length."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.digest()
