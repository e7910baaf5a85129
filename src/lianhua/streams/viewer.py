"""One viewer of one turn: a cursor that moves through the journal. Nothing is queued for it, so it cannot fall
behind memory.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Final

from lianhua.chat.events import Cursor, Snapshot
from lianhua.chat.turn import TurnRecord, TurnRef
from lianhua.errors import Unavailable
from lianhua.sse import comment
from lianhua.store.client.retry import READ_AGAIN_S
from lianhua.store.conversations import ConversationStore
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import EventPage, SnapshotPage
from lianhua.store.messages import MessageStore
from lianhua.streams.live import LiveTurn, Push
from lianhua.streams.replay import covers_text, replay_events, replay_snapshot
from lianhua.streams.tail import AHEAD_PATIENCE_S, Recover, Tails, read_patiently

logger = logging.getLogger(__name__)

HEARTBEAT_S: Final = 15.0  # below the idle limits of common proxies (nginx: 60 s)
OWNER_CHECK_S: Final = 30.0  # whose conversation it is may have been settled anew since the stream was opened
_HEARTBEAT: Final = comment("")


class Viewer:
    """Follows `ref` for `owner` from `cursor` on. `open` first: it refuses what cannot be followed.

    `running` is the turn's record where it runs in this process and is the owner's: its first events are not read then.
    `given` is called when the client has the end of a turn that can be joined until then.
    """

    __slots__ = (
        "_branches",
        "_clock",
        "_conversations",
        "_cursor",
        "_first",
        "_given",
        "_joinable",
        "_journal",
        "_last_byte",
        "_over",
        "_owner",
        "_owner_check_s",
        "_owner_checked",
        "_push",
        "_recover",
        "_ref",
        "_runs_here",
        "_tails",
    )  # fmt: skip

    def __init__(
        self,
        ref: TurnRef,
        owner: str,
        cursor: Cursor,
        *,
        journal: TurnJournal,
        tails: Tails,
        conversations: ConversationStore,
        branches: MessageStore,
        recover: Recover,
        given: Callable[[TurnRef], None],
        running: TurnRecord | None = None,
        owner_check_s: float = OWNER_CHECK_S,
    ) -> None:
        self._owner_check_s = owner_check_s
        self._ref = ref
        self._owner = owner
        self._cursor = cursor
        self._journal = journal
        self._tails = tails
        self._conversations = conversations
        self._branches = branches
        self._recover = recover
        self._given = given
        self._runs_here = running is not None and cursor == Cursor.START
        self._joinable = running is not None and running.joinable
        self._first: EventPage | SnapshotPage | None = None
        self._over = False
        self._push: Push | None = None
        self._clock = asyncio.get_running_loop().time
        self._last_byte = self._owner_checked = self._clock()

    async def open(self) -> bool:
        """Reads the first page; False when the turn is over and nothing of it is missing.

        Raises `ConversationNotFound`, `TurnNotFound`, `StoreUnavailable`.
        """
        if self._runs_here and (live := self._tails.here(self._ref)) and live.from_start():
            return True
        page = await self._journal.read(self._ref, self._owner, self._cursor)
        if page.state == "lost" and await self._recover(self._ref):
            page = await self._journal.read(self._ref, self._owner, self._cursor)
        self._first = page
        self._joinable = page.record.joinable
        return not (isinstance(page, EventPage) and not page.events and page.state == "ended")

    @property
    def when_taken(self) -> Callable[[], None] | None:
        """What to call once the client has all frames; None where nobody waits for that."""
        return partial(self._given, self._ref) if self._over and self._joinable else None

    async def frames(self, push: Push | None = None) -> AsyncGenerator[bytes, None]:
        """SSE bytes as they come, whole events only, a comment line after `HEARTBEAT_S` of silence.

        With `push`, what is new goes there while this viewer has seen all the rest, and only what it does not take is
        given out here: never while the caller has bytes of this iterator in hand.

        Ends after the turn's last event. Raises `StoreUnavailable` when the journal cannot be read for a while, and
        `ConversationNotFound` when the conversation is no longer the owner's: the viewer may come back.
        """
        self._push = push
        if frames := await self._begin():
            yield frames
        while not self._over:
            with self._tails.watch(self._ref, self._owner, self._cursor) as live:
                while not self._over and not (live.over and live.after(self._cursor) in (None, (self._cursor, b""))):
                    if frames := await self._step(live):
                        self._last_byte = self._clock()
                        yield frames
                if not self._over and live.error:
                    raise live.error
            if not self._over:  # no longer to be had from there: the journal knows how it goes on
                frames = await self._advance(await self._read())
                if frames:
                    yield frames
                elif not self._over:
                    await asyncio.sleep(READ_AGAIN_S)

    async def _begin(self) -> bytes:
        """The page that `open` has read. Not kept while its bytes are on their way: a slow viewer would hold it
        twice.
        """
        if self._first is None:
            return await self._begin_here()
        first, self._first = self._first, None
        return await self._advance(await self._read() if _ahead(first) else first)

    async def _begin_here(self) -> bytes:
        live = self._tails.here(self._ref)
        if live and (found := live.from_start()):
            self._cursor, frames = found
            self._over = self._cursor == live.end
            return frames
        return await self._advance(await self._read())  # it has gone on too fast, or has ended meanwhile

    async def _step(self, live: LiveTurn) -> bytes:
        """The next bytes; none when there was only time to wait."""
        found = live.after(self._cursor)
        if found is None:  # too far behind
            frames = await self._advance(await self._read())
        else:
            self._cursor, frames = found
            self._over = self._cursor == live.end
        if self._over or frames:
            return frames
        if self._clock() - self._owner_checked >= self._owner_check_s:
            await self._check_owner()
        quiet_s = self._clock() - self._last_byte
        if quiet_s >= HEARTBEAT_S:
            return _HEARTBEAT
        if found is None:
            await live.listen(self._cursor, None, min(HEARTBEAT_S - quiet_s, READ_AGAIN_S))
        else:
            owner_due_s = self._owner_checked + self._owner_check_s - self._clock()
            await self._listen(live, min(HEARTBEAT_S - quiet_s, owner_due_s))
        return b""

    async def _listen(self, live: LiveTurn, timeout_s: float) -> None:
        cursor = await live.listen(self._cursor, self._push, timeout_s)
        if cursor != self._cursor:
            self._cursor = cursor
            self._last_byte = live.shown_s
            self._over = cursor == live.end

    async def _read(self) -> EventPage | SnapshotPage:
        deadline = self._clock() + AHEAD_PATIENCE_S
        while True:
            page = await read_patiently(self._journal, self._ref, self._owner, self._cursor)
            if page.state == "lost" and await self._recover(self._ref):
                continue
            # What this viewer has seen and the store has lost is put back, unless it never was.
            if not _ahead(page) or self._clock() > deadline or self._tails.never_gave(self._ref, self._cursor):
                return page
            await asyncio.sleep(READ_AGAIN_S)

    async def _check_owner(self) -> None:
        self._owner_checked = self._clock()
        try:
            await self._conversations.get(self._ref.conversation_id, self._owner)
        except Unavailable:
            logger.info("turn %s: its owner is checked later", self._ref.turn_id)

    async def _advance(self, page: EventPage | SnapshotPage) -> bytes:
        """The page as bytes; moves the cursor behind it."""
        if isinstance(page, EventPage):
            replayed = replay_events(self._ref, page, self._cursor)
        else:
            so_far = await self._text_so_far(page) if covers_text(page) else None
            replayed = replay_snapshot(self._ref, page, self._cursor, so_far)
        self._cursor, self._over = replayed.cursor, replayed.over
        return replayed.frames

    async def _text_so_far(self, page: SnapshotPage) -> Snapshot:
        if page.text is not None:
            return Snapshot(page.text, page.reasoning or "")
        reply_id = page.record.reply_message_id
        reply = await self._branches.message(self._ref.conversation_id, self._owner, reply_id)
        return Snapshot(reply.content, reply.reasoning) if reply else Snapshot("", "")


def _ahead(page: EventPage | SnapshotPage) -> bool:
    return isinstance(page, SnapshotPage) and page.ahead
