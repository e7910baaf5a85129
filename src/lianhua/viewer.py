"""One viewer of one turn: a cursor that moves through the journal. Nothing is queued for it, so it cannot fall
behind memory.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from lianhua.events import Cursor, Event, Snapshot, TurnStarted, to_frame
from lianhua.relay import LiveTurn, Relay
from lianhua.sse import comment
from lianhua.store.conversations import ConversationStore
from lianhua.store.journal import FROM_SNAPSHOT, FROM_START, EventPage, SnapshotPage, TurnJournal
from lianhua.turn import TurnRecord, TurnRef

HEARTBEAT_S: Final = 15.0  # below the idle limits of common proxies (nginx: 60 s)
REREAD_S: Final = 2.0  # how late a viewer is at most of a turn that runs elsewhere
FIRST: Final = Cursor(1, 0)
_HEARTBEAT: Final = comment("")


class Viewer:
    """Follows `ref` for `owner` from `cursor` on. `open` first: it refuses what cannot be followed."""

    def __init__(
        self,
        ref: TurnRef,
        owner: str,
        cursor: Cursor,
        *,
        journal: TurnJournal,
        relay: Relay,
        conversations: ConversationStore,
        seal: Callable[[TurnRef], Awaitable[bool]],
    ) -> None:
        self._ref = ref
        self._owner = owner
        self._cursor = cursor
        self._journal = journal
        self._relay = relay
        self._conversations = conversations
        self._seal = seal
        self._first: EventPage | SnapshotPage | None = None
        self._over = False

    async def open(self) -> bool:
        """Reads the first page; False when the turn is over and nothing of it is missing.

        Raises `ConversationNotFound`, `TurnNotFound`, `StoreUnavailable`.
        """
        page = await self._read()
        self._first = page
        return not (isinstance(page, EventPage) and not page.events and page.state == "ended")

    async def frames(self) -> AsyncIterator[bytes]:
        """SSE bytes as they come, whole events only, a comment line after `HEARTBEAT_S` of silence.

        Ends after the turn's last event. Raises `StoreUnavailable` when the journal cannot be read: the viewer comes
        back.
        """
        live = self._relay.live(self._ref.turn_id)
        if self._first is not None:
            yield await self._advance(self._first)
        clock = asyncio.get_running_loop().time
        last_byte = clock()
        while not self._over:
            found = live.after(self._cursor) if live else None
            if live and found and (found[1] or not live.over):
                self._cursor, frames = found
                self._over = self._cursor == live.end
                patience_s = HEARTBEAT_S
            else:  # not here, too far behind, or over without its end having been seen: the journal knows
                frames = await self._advance(await self._read())
                patience_s = REREAD_S
                live = self._relay.live(self._ref.turn_id)
            if frames:
                yield frames
                last_byte = clock()
            elif clock() - last_byte >= HEARTBEAT_S:
                yield _HEARTBEAT
                last_byte = clock()
            elif not self._over:
                await _silence(live, min(patience_s, last_byte + HEARTBEAT_S - clock()))

    async def _read(self) -> EventPage | SnapshotPage:
        page = await self._journal.read(self._ref, self._owner, self._cursor)
        if page.state == "lost":
            await self._seal(self._ref)
            page = await self._journal.read(self._ref, self._owner, self._cursor)
        return page

    async def _advance(self, page: EventPage | SnapshotPage) -> bytes:
        """The page as bytes; moves the cursor behind it."""
        if isinstance(page, SnapshotPage):
            return await self._advance_by_snapshot(page)
        if page.events:
            self._cursor = page.events[-1].cursor
        self._over = page.state == "ended" and self._cursor == page.record.end_cursor
        return b"".join(to_frame(self._ref.turn_id, event.cursor, event.event) for event in page.events)

    async def _advance_by_snapshot(self, page: SnapshotPage) -> bytes:
        shown: list[tuple[Cursor, Event]] = []
        if self._cursor in (FROM_START, FROM_SNAPSHOT):
            shown.append((FIRST, _started(self._ref, page.record)))
        covered = _before(page.end.cursor) if page.end else page.cursor
        if covered > FIRST:  # at the first event there is no text yet, and its id is taken
            shown.append((covered, await self._text_so_far(page)))
        if page.end:
            shown.append((page.end.cursor, page.end.event))
            self._over = True
        if shown:
            self._cursor = shown[-1][0]
        return b"".join(to_frame(self._ref.turn_id, cursor, event) for cursor, event in shown)

    async def _text_so_far(self, page: SnapshotPage) -> Snapshot:
        if page.text is not None:
            return Snapshot(page.text, page.reasoning or "")
        reply_id = page.record.reply_message_id
        reply = await self._conversations.message(self._ref.conversation_id, self._owner, reply_id)
        return Snapshot(reply.content, reply.reasoning) if reply else Snapshot("", "")


def _started(ref: TurnRef, record: TurnRecord) -> TurnStarted:
    ids = (record.user_message_id, record.reply_message_id)
    return TurnStarted(ref.turn_id, ref.conversation_id, *ids, record.model)


def _before(end: Cursor) -> Cursor:
    """A place right before the end: seq 0 of a turn's first epoch is its start, of later ones it is kept free."""
    return Cursor(end.epoch, end.seq - 1)


async def _silence(live: LiveTurn | None, timeout_s: float) -> None:
    if live:
        await live.wait(timeout_s)
    else:
        await asyncio.sleep(timeout_s)
