"""Our own file: `{"format":"lianhua","version":1,"settings":{…},"personas":[…],"conversations":[…]}`.

What it holds was written by this program or by somebody who knows what they do: what does not fit is refused, and where
it stands is said. Only the tree is mended like anybody's, and what a model may have said of itself.
"""

from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from lianhua.chat.personas import OwnPersona
from lianhua.errors import InvalidRequest
from lianhua.formats.branches import are_sound, grown
from lianhua.formats.convert import check_branches, check_length
from lianhua.formats.identity import name_of
from lianhua.formats.report import Tally
from lianhua.formats.sanitize import mended, mended_persona, mended_settings
from lianhua.formats.tree import within_rows
from lianhua.formats.values import (
    BRANCHES,
    FORMAT,
    SETTINGS,
    Name,
    PortableConversation,
    PortableMessage,
    PortablePersona,
)

T = TypeVar("T")
PINNED_MESSAGES: Final = 20  # as many as the server lets a user pin
_Settings = Annotated[dict[Name, Name], Meta(max_length=SETTINGS)]


def conversation(raw: Any, number: int, tally: Tally) -> PortableConversation:
    """One of the file's conversations. Raises `InvalidRequest`."""
    found = _converted(raw, PortableConversation, f"conversations[{number}]")
    check_length(len(found.messages), found.title)
    found = mended(found, tally)
    messages = within_rows(_untied(_distinct(found.messages, tally), tally), tally)
    messages, branches = _pins_within(messages, tally), found.branches
    if len(branches) > BRANCHES or not are_sound(messages, branches):
        if branches:
            tally.skip("tree", "mended", found.title)
        messages, branches = grown(messages)
        check_branches(len(branches), found.title)
    kept = {message.id for message in messages}
    current = found.current if found.current in kept else messages[-1].id if messages else None
    first = messages[0] if messages else None
    began = (repr(found.created_at), first.role if first else "", first.content if first else "")
    return replace(
        found, id=name_of(FORMAT, found.id, began), messages=tuple(messages), branches=branches, current=current
    )


def persona(raw: Any, number: int, tally: Tally) -> OwnPersona:
    """One of the file's personas. Raises `InvalidRequest`."""
    where = f"personas[{number}]"
    return mended_persona(_converted(raw, PortablePersona, where).as_own(), where, tally)


def settings(raw: Any, tally: Tally) -> dict[str, str]:
    """What the user had set. Raises `InvalidRequest`."""
    return mended_settings(_converted(raw, _Settings, "settings"), tally)


def _converted(raw: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as exc:
        # "Expected `str`, got `int` - at `$.messages[3].content`": no word of what stands there.
        what, _, inside = str(exc).partition(" - at `$")
        raise InvalidRequest(where + inside.rstrip("`"), what) from exc


def _distinct(messages: tuple[PortableMessage, ...], tally: Tally) -> list[PortableMessage]:
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
