"""One tab of one user: follows what happens to the user's conversations, wherever it happens."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from typing import Final

import msgspec

from lianhua import sse
from lianhua.errors import StoreUnavailable, Unavailable
from lianhua.store.changes import Change, ChangePage, Changes
from lianhua.store.client.keys import list_keys
from lianhua.store.client.pubsub import PubSub
from lianhua.store.client.retry import READ_AGAIN_S, after, patiently
from lianhua.store.journal.leases import LEASE_S
from lianhua.streams.live import Push
from lianhua.streams.viewer import HEARTBEAT_S

REREAD_S: Final = 10.0  # how late a tab is at most when hints are lost
PATIENCE_S: Final = LEASE_S  # with a store that is away; then the tab comes back with its cursor
# For a tab that has missed something: everything may have changed.
NOTHING_NEW: Final = b"{}"
ANYTHING: Final = b'{"conversation_id":null,"change":"changed"}'

_encode = msgspec.json.Encoder().encode


class Feed:
    """Follows `owner`'s changes after the id `last`; with None, from now on. `open` it first."""

    def __init__(self, owner: str, last: str | None, changes: Changes, pubsub: PubSub) -> None:
        self._owner = owner
        self._last = last
        self._changes = changes
        self._pubsub = pubsub

    async def open(self) -> None:
        """Finds out where to begin. Raises `StoreUnavailable`, `Overloaded`."""
        if self._last is None:
            self._last = await self._changes.latest(self._owner)

    when_taken: Final = None  # what is missed is asked for by its id

    async def frames(self, push: Push | None = None) -> AsyncGenerator[bytes, None]:
        """SSE bytes as they come; no end. Raises `StoreUnavailable`.

        There is always an event at once, with the id to go on from, and one after `HEARTBEAT_S` of silence: a browser's
        `EventSource` shows no comments to the page, which could not tell a quiet stream from a dead one. `push` is left
        alone: what happens here is rare.
        """
        clock = asyncio.get_running_loop().time
        last_byte = -HEARTBEAT_S
        with self._pubsub.bell(list_keys(self._owner)[0]) as bell:
            while True:
                bell.reset()
                page = await self._read()
                frames = _frames(page)
                if not frames and clock() - last_byte >= HEARTBEAT_S:
                    frames = sse.frame("alive", page.last, NOTHING_NEW)
                if frames:
                    yield frames
                    last_byte = clock()
                    continue
                await bell.wait(min(REREAD_S, last_byte + HEARTBEAT_S - clock()))

    async def _read(self) -> ChangePage:
        def read() -> Awaitable[ChangePage]:
            return self._changes.after(self._owner, self._last or "")

        try:
            page = await patiently(read, after(PATIENCE_S), READ_AGAIN_S)
        except Unavailable as exc:
            raise StoreUnavailable("the changes cannot be read") from exc
        self._last = page.last
        return page


def _frames(page: ChangePage) -> bytes:
    if page.missed:
        return sse.frame("conversation", page.last, ANYTHING)
    return b"".join(sse.frame(_name(change), name, _encode(change)) for name, change in page.changes)


def _name(change: Change) -> str:
    return "turn" if change.turn_id else "conversation"
