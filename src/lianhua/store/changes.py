"""What has lately happened to a user's conversations: a short stream of ids, so that tabs and devices stay level.

It holds no text. Whoever has missed something reads the list again.
"""

import re
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import list_keys

PAGE_CHANGES: Final = 256  # as many as are kept at least
NOTHING: Final = "0-0"
_ID = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")


class Change(Struct, frozen=True, omit_defaults=True):
    """`turn_id` where it is about a turn: started or ended. A conversation is created, changed or deleted."""

    conversation_id: str
    change: Literal["created", "changed", "deleted", "started", "ended"]
    turn_id: str | None = None


class ChangePage(Struct, frozen=True):
    """Changes with their ids, oldest first; `last` is the id to go on from. `missed`: some before them are lost."""

    changes: tuple[tuple[str, Change], ...]
    last: str
    missed: bool


_change = msgspec.json.Decoder(Change)


class Changes:
    """Reads the stream; `ConversationStore.touch` writes it. Raises `StoreUnavailable` or `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database

    async def latest(self, owner: str) -> str:
        """The id of the latest change."""
        (newest,) = await self._database.ask(("XREVRANGE", list_keys(owner)[2], "+", "-", "COUNT", 1))
        return _id(newest[0]) if newest else NOTHING

    async def after(self, owner: str, last: str) -> ChangePage:
        """What came after `last`. An id that the stream does not hold, or that is none, has missed something."""
        key = list_keys(owner)[2]
        if not _ID.fullmatch(last):
            return ChangePage((), await self.latest(owner), missed=True)
        (found,) = await self._database.ask(("XRANGE", key, last, "+", "COUNT", PAGE_CHANGES + 1))
        if last != NOTHING and (not found or _id(found[0]) != last):
            return ChangePage((), await self.latest(owner), missed=True)
        new = found if last == NOTHING else found[1:]
        changes = tuple((_id(entry), _change.decode(entry[1][1])) for entry in new)  # of its one field
        return ChangePage(changes, changes[-1][0] if changes else last, missed=False)


def encode(change: Change) -> bytes:
    """As the stream keeps it."""
    return msgspec.json.encode(change)


def _id(entry: Any) -> str:
    name: bytes = entry[0]
    return name.decode()
