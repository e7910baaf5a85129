"""Stops that the store has not heard of: they are raised there as soon as it is back, whoever has the turn by then."""

import asyncio
import contextlib
import logging
from typing import Final

from lianhua.chat.turn import TurnRef
from lianhua.errors import ConversationNotFound, TurnNotFound, Unavailable
from lianhua.store.client.keys import worker_channel
from lianhua.store.client.pubsub import PubSub
from lianhua.store.journal.log import TurnJournal

logger = logging.getLogger(__name__)

MOST_STOPS: Final = 2_000  # as many as turns run in one process; the oldest gives way
TRIED_AT_ONCE: Final = 16  # while the store is away each of them costs a call that fails
TRY_AGAIN_S: Final = 0.3  # well below the second between two looks at lost turns
LAST_TRY_S: Final = 1.0  # while the server shuts down


class PendingStops:
    """Owns one task while there are any."""

    def __init__(self, journal: TurnJournal, pubsub: PubSub) -> None:
        self._journal = journal
        self._pubsub = pubsub
        self._wanted: dict[TurnRef, str] = {}
        self._raising: asyncio.Task[None] | None = None

    def add(self, ref: TurnRef, user: str) -> None:
        """The store did not answer to a stop of this user's."""
        self._wanted.pop(ref, None)
        if len(self._wanted) >= MOST_STOPS:
            del self._wanted[next(iter(self._wanted))]
        self._wanted[ref] = user
        if self._raising is None or self._raising.done():
            self._raising = asyncio.create_task(self._raise_all(), name="raise stops")

    def wants(self, ref: TurnRef) -> bool:
        """Whether a stop of the turn was asked for and the store may not know."""
        return ref in self._wanted

    async def close(self) -> None:
        """Tries for `LAST_TRY_S` more."""
        if self._raising is None or self._raising.done():
            return
        await asyncio.wait((self._raising,), timeout=LAST_TRY_S)
        if self._wanted:
            logger.warning("%d turns were asked to stop and the store does not know it yet", len(self._wanted))
        self._raising.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._raising

    async def _raise_all(self) -> None:
        while self._wanted:
            for ref, user in list(self._wanted.items())[:TRIED_AT_ONCE]:
                try:
                    await self._raise(ref, user)
                except Unavailable:
                    del self._wanted[ref]  # to the end: another server of the store may answer
                    self._wanted[ref] = user
            if self._wanted:
                await asyncio.sleep(TRY_AGAIN_S)

    async def _raise(self, ref: TurnRef, user: str) -> None:
        try:
            asked = await self._journal.stop(ref, user)
            if asked.state == "running":
                await self._pubsub.tell(worker_channel(asked.worker), ref.turn_id)
        except (ConversationNotFound, TurnNotFound):
            pass  # it was erased
        self._wanted.pop(ref, None)
