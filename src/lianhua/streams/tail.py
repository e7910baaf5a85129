"""Turns that run in another process, for the viewers here: one reader of the journal a turn, however many viewers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Final

from lianhua.chat.events import Cursor
from lianhua.chat.turn import TurnRef
from lianhua.errors import LianhuaError, StoreUnavailable, Unavailable
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.client.pubsub import PubSub
from lianhua.store.client.retry import READ_AGAIN_S, after, patiently
from lianhua.store.journal.leases import LEASE_S
from lianhua.store.journal.log import PAGE_EVENTS, TurnJournal
from lianhua.store.journal.values import EventPage, SnapshotPage
from lianhua.streams.commit import GroupCommit
from lianhua.streams.live import LiveTurn

logger = logging.getLogger(__name__)

REREAD_S: Final = 2.0  # how late a viewer is at most when hints are lost
READ_PATIENCE_S: Final = LEASE_S  # of a journal that cannot be read; then nobody knows whether the turn still runs
# How long a cursor beyond the journal's latest event is waited for: a worker puts back what a failover has lost as
# long as it holds the lease, and whoever made the cursor up is not kept waiting for ever.
AHEAD_PATIENCE_S: Final = LEASE_S

Recover = Callable[[TurnRef], Awaitable[bool]]


class Tails:
    """Gives viewers the turn as it runs here, else as the journal tells it. `recover` is called for one that is
    lost.
    """

    def __init__(
        self,
        journal: TurnJournal,
        commit: GroupCommit,
        pubsub: PubSub,
        recover: Recover,
        reread_s: float = REREAD_S,
    ) -> None:
        self._reread_s = reread_s
        self._journal = journal
        self._commit = commit
        self._pubsub = pubsub
        self._recover = recover
        self._open: dict[str, _Tail] = {}

    @contextmanager
    def watch(self, ref: TurnRef, owner: str, cursor: Cursor) -> Iterator[LiveTurn]:
        """The turn for a viewer of `owner` who has seen it up to `cursor`."""
        if live := self._commit.live(ref.turn_id):
            yield live
            return
        tail = self._open.get(ref.turn_id)
        if tail is None or tail.live.over:
            tail = self._open[ref.turn_id] = _Tail(LiveTurn(ref, cursor))
            reading = self._read(tail, owner)
            tail.task = asyncio.create_task(reading, name=f"tail {ref.turn_id}", context=Context())
        tail.viewers += 1
        try:
            yield tail.live
        finally:
            tail.viewers -= 1
            if not tail.viewers:
                if self._open.get(ref.turn_id) is tail:
                    del self._open[ref.turn_id]
                if tail.task:
                    tail.task.cancel()

    def here(self, ref: TurnRef) -> LiveTurn | None:
        """The turn, if it runs in this process."""
        return self._commit.live(ref.turn_id)

    def never_gave(self, ref: TurnRef, cursor: Cursor) -> bool:
        """Whether a cursor is beyond the latest event of a turn that runs here: nobody can have it from us."""
        live = self._commit.live(ref.turn_id)
        return live is not None and live.last < cursor

    async def stop(self) -> None:
        """Ends every reader; viewers are gone by then or are about to go."""
        tasks = [tail.task for tail in self._open.values() if tail.task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _read(self, tail: "_Tail", owner: str) -> None:
        live = tail.live
        try:
            with self._pubsub.bell(ConversationKeys(live.ref.conversation_id).meta) as bell:
                while not live.over:
                    bell.reset()
                    if not await self._step(tail, owner):
                        await bell.wait(self._reread_s)
        except LianhuaError as exc:
            live.close(exc)
        except asyncio.CancelledError:
            live.close()
            raise
        except Exception as exc:
            logger.exception("turn %s: its viewers here lose it", live.ref.turn_id)
            live.close(exc)

    async def _step(self, tail: "_Tail", owner: str) -> bool:
        """Publishes what the journal has that is new; whether there may be more at once."""
        live = tail.live
        page = await read_patiently(self._journal, live.ref, owner, live.last)
        if page.state == "lost":
            return await self._recover(live.ref)
        if isinstance(page, SnapshotPage):
            if tail.waits_for(page):
                await asyncio.sleep(READ_AGAIN_S)
                return True
            if page.end:
                live.close()  # its viewers read the end from the journal themselves
            else:
                live.skip_to(page.cursor)
            return False
        for event in page.events:
            live.publish(event)
        if page.state == "ended" and not live.over:
            live.close()
        return len(page.events) == PAGE_EVENTS


class _Tail:
    def __init__(self, live: LiveTurn) -> None:
        self.live = live
        self.viewers = 0
        self.task: asyncio.Task[None] | None = None
        self._ahead_until: float | None = None

    def waits_for(self, page: SnapshotPage) -> bool:
        """Whether what the store seems to have lost may still be put back."""
        now = asyncio.get_running_loop().time()
        if not page.ahead:
            self._ahead_until = None
            return False
        if self._ahead_until is None:
            self._ahead_until = now + AHEAD_PATIENCE_S
        return now < self._ahead_until


async def read_patiently(journal: TurnJournal, ref: TurnRef, owner: str, cursor: Cursor) -> EventPage | SnapshotPage:
    """The next page, also over a short absence of the store. Raises what `TurnJournal.read` does."""
    try:
        return await patiently(lambda: journal.read(ref, owner, cursor), after(READ_PATIENCE_S), READ_AGAIN_S)
    except Unavailable as exc:
        raise StoreUnavailable("the journal cannot be read") from exc
