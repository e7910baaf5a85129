"""Group commit and fan-out: many turns' events go to the journal in one round trip, and only then to the viewers here.

The appends that arrive while one commit is on its way form the next one, so the busier the server, the larger the
batches; there is no timer, and an idle server commits at once. Each server of the store has commits of its own: while
one of a Cluster's is away, the turns of the others go on.
"""

import asyncio
import contextlib
import logging
from typing import Final

from lianhua.errors import StoreUnavailable, Unavailable
from lianhua.events import Cursor
from lianhua.live import LiveTurn
from lianhua.store.journal import LEASE_S, Append, Fate, TurnJournal
from lianhua.turn import Numbered, TurnRef

logger = logging.getLogger(__name__)

COMMIT_EVENTS: Final = 512  # a larger pipeline keeps other calls of the store waiting for over 5 ms
STORE_PATIENCE_S: Final = LEASE_S - 2  # after that the lease may be another worker's
RETRY_S: Final = 0.2


class Waiting:
    """An event on its way into the journal, and who waits for its fate."""

    __slots__ = ("append", "deadline", "done", "event")

    def __init__(self, append: Append, event: Numbered, deadline: float, done: "asyncio.Future[Fate]") -> None:
        self.append = append
        self.event = event
        self.deadline = deadline
        self.done = done

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # heard, even where the turn that waited has been cancelled meanwhile


class Relay:
    """Owns the tasks that commit. `open` a turn before its first append, `close` it after its last."""

    def __init__(self, journal: TurnJournal) -> None:
        self._journal = journal
        self._live: dict[str, LiveTurn] = {}
        self._lanes: dict[str, _Lane] = {}
        self._later: dict[Waiting, asyncio.TimerHandle] = {}
        self._stopped = False

    async def stop(self) -> None:
        """Ends the committing. Appends that still wait, and later ones, fail with `StoreUnavailable`."""
        self._stopped = True
        for lane in self._lanes.values():
            await lane.stop()
        for waiting, timer in self._later.items():
            timer.cancel()
            waiting.fail(_stopped())
        self._later.clear()

    def open(self, ref: TurnRef, epoch: int = 1) -> LiveTurn:
        """Makes the turn live in this process; its next event is the first of `epoch` after its number 0."""
        live = self._live[ref.turn_id] = LiveTurn(ref, Cursor(epoch, 0))
        return live

    def live(self, turn_id: str) -> LiveTurn | None:
        """The turn as it runs in this process, if it does."""
        return self._live.get(turn_id)

    def close(self, ref: TurnRef, live: LiveTurn | None) -> None:
        """Forgets the turn; viewers who still hold it see what they have not seen and the journal has."""
        if live:
            if self._live.get(ref.turn_id) is live:
                del self._live[ref.turn_id]
            live.close()

    def append(self, ref: TurnRef, event: Numbered) -> "asyncio.Future[Fate]":
        """Hands an event to the next commit; the future tells its fate once the journal has it and viewers may see it.

        The future fails with `StoreUnavailable` or `Overloaded` when the store did not take it for `STORE_PATIENCE_S`.
        """
        loop = asyncio.get_running_loop()
        waiting = Waiting(Append.of(ref, event), event, loop.time() + STORE_PATIENCE_S, loop.create_future())
        self._enqueue(waiting)
        return waiting.done

    async def restore(self, ref: TurnRef, event: Numbered, text: str, reasoning: str, losses: int) -> Fate:
        """Puts back what the store has lost of a turn, `event` being its latest. Raises `StoreUnavailable`,
        `Overloaded`.
        """
        fate = await self._journal.restore(Append.of(ref, event), text, reasoning, losses)
        if fate in ("ok", "stop"):
            self._show(ref, event)
        return fate

    def _enqueue(self, waiting: Waiting) -> None:
        self._later.pop(waiting, None)
        if self._stopped:
            waiting.fail(_stopped())
            return
        name = self._journal.lane(waiting.append.ref)  # each time anew: the slot may have moved
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(self, name)
        lane.add(waiting)

    async def commit(self, batch: list[Waiting]) -> None:
        """One round trip. What the store did not take now is sent again a little later, until its time is up."""
        try:
            fates = await self._journal.append([waiting.append for waiting in batch])
        except Exception as exc:  # each turn decides for itself what to do
            for waiting in batch:
                waiting.fail(exc)
            return
        loop = asyncio.get_running_loop()
        for waiting, fate in zip(batch, fates, strict=True):
            if isinstance(fate, Unavailable) and loop.time() < waiting.deadline and not self._stopped:
                # What a resend finds written already stays as it is.
                self._later[waiting] = loop.call_later(RETRY_S, self._enqueue, waiting)
            elif isinstance(fate, Exception):
                waiting.fail(fate)
            else:
                if fate in ("ok", "stop"):
                    self._show(waiting.append.ref, waiting.event)
                if not waiting.done.done():
                    waiting.done.set_result(fate)

    def _show(self, ref: TurnRef, event: Numbered) -> None:
        live = self._live.get(ref.turn_id)
        if live and live.last < event.cursor:
            live.publish(event)


class _Lane:
    """The commits to one server of the store, one at a time."""

    def __init__(self, relay: Relay, name: str) -> None:
        self._relay = relay
        self._pending: list[Waiting] = []
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._commit_forever(), name=f"relay {name}")
        self._task.add_done_callback(_tell)

    def add(self, waiting: Waiting) -> None:
        self._pending.append(waiting)
        self._wake.set()

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        for waiting in self._pending:
            waiting.fail(_stopped())
        self._pending.clear()

    async def _commit_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                batch, self._pending = self._pending[:COMMIT_EVENTS], self._pending[COMMIT_EVENTS:]
                try:
                    await self._relay.commit(batch)
                except asyncio.CancelledError:
                    for waiting in batch:
                        waiting.fail(_stopped())
                    raise


def _stopped() -> StoreUnavailable:
    return StoreUnavailable("the server has stopped")


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.critical("the relay has died, its turns cannot go on", exc_info=error)
