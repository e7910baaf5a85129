"""Our own file: `{"format":"lianhua","version":1,"settings":{…},"personas":[…],"conversations":[…]}`.

What it holds was written by this program or by somebody who knows what they do: what does not fit is refused, and where
it stands is said. Only the tree is mended like anybody's.
"""

from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from lianhua.errors import InvalidRequest
from lianhua.exchange.conversation import NO_ID, check_length
from lianhua.exchange.labels import are_sound, grown
from lianhua.exchange.portable import (
    UNWANTED,
    PortableConversation,
    PortableMessage,
    PortablePersona,
    is_conversation_id,
)
from lianhua.exchange.report import Tally
from lianhua.personas import OwnPersona

T = TypeVar("T")
PINNED_MESSAGES: Final = 20  # as many as the server lets a user pin


def conversation(raw: Any, number: int, tally: Tally) -> PortableConversation:
    """One of the file's conversations. Raises `InvalidRequest`."""
    found = _converted(raw, PortableConversation, f"conversations[{number}]")
    check_length(len(found.messages), found.title)
    messages = _pins_within(_untied(_distinct(_readable(found.messages, tally), tally), tally), tally)
    branches = found.branches
    if not are_sound(messages, branches):
        if branches:
            tally.skip("tree", "mended", found.title)
        messages, branches = grown(messages)
    kept = {message.id for message in messages}
    current = found.current if found.current in kept else messages[-1].id if messages else None
    known_id = found.id if is_conversation_id(found.id) else NO_ID
    return replace(found, id=known_id, messages=tuple(messages), branches=branches, current=current)


def persona(raw: Any, number: int) -> OwnPersona:
    """One of the file's personas. Raises `InvalidRequest`."""
    return _converted(raw, PortablePersona, f"personas[{number}]").as_own()


def settings(raw: Any) -> dict[str, str]:
    """What the user had set. Raises `InvalidRequest`."""
    return _converted(raw, dict[str, str], "settings")


def _converted(raw: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as exc:
        # "Expected `str`, got `int` - at `$.messages[3].content`": no word of what stands there.
        what, _, inside = str(exc).partition(" - at `$")
        raise InvalidRequest(where + inside.rstrip("`"), what) from exc


def _readable(messages: tuple[PortableMessage, ...], tally: Tally) -> list[PortableMessage]:
    """What a person has typed holds no control characters; what a model has said may."""
    cleaned = []
    for message in messages:
        content, removed = UNWANTED.subn("", message.content) if message.role == "user" else (message.content, 0)
        tally.skip("character", "control", count=removed)
        cleaned.append(replace(message, content=content) if removed else message)
    return cleaned


def _distinct(messages: list[PortableMessage], tally: Tally) -> list[PortableMessage]:
    first: dict[str, PortableMessage] = {}
    for message in messages:
        if message.id in first:
            tally.skip("message", "duplicate_id", message.content)
        else:
            first[message.id] = message
    return list(first.values())


def _untied(messages: list[PortableMessage], tally: Tally) -> list[PortableMessage]:
    """A message that is its own ancestor becomes a root."""
    parents = {message.id: message.parent_id for message in messages}
    safe: set[str] = set()
    cut: set[str] = set()
    for message in messages:
        way: dict[str, None] = {}
        at: str | None = message.id
        while at is not None and at not in safe and at in parents:
            if at in way:
                tally.skip("message", "cycle", message.content)
                parents[at] = None
                cut.add(at)
                break
            way[at] = None
            at = parents[at]
        safe.update(way)
    return [replace(message, parent_id=None, depth=0) if message.id in cut else message for message in messages]


def _pins_within(messages: list[PortableMessage], tally: Tally) -> list[PortableMessage]:
    pinned = [message.id for message in messages if message.pinned]
    if len(pinned) <= PINNED_MESSAGES:
        return messages
    beyond = set(pinned[PINNED_MESSAGES:])
    tally.skip("pin", "too_many", count=len(beyond))
    return [replace(message, pinned=False) if message.id in beyond else message for message in messages]
