"""Group commit and fan-out: many turns' events go to the journal in one round trip, and only then to the viewers here.

The appends that arrive while one commit is on its way form the next one, so the busier the server, the larger the
batches; an idle server commits at once. On a busy one turns rest between two events, see `pace`. Each server of the
store has commits of its own: while one of a Cluster's is away, the turns of the others go on.
"""

import asyncio
import contextlib
import logging
from contextvars import Context
from typing import Final

from lianhua.chat.events import Cursor
from lianhua.chat.turn import Numbered, TurnRef
from lianhua.errors import StoreUnavailable, Unavailable
from lianhua.metrics import COMMIT_SECONDS, EVENTS_IN_COMMIT
from lianhua.store.client.retry import WRITE_AGAIN_S
from lianhua.store.journal.leases import LEASE_S
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import Append, Fate
from lianhua.streams.awake import Awake
from lianhua.streams.live import LiveTurn
from lianhua.streams.pacer import Pacer

logger = logging.getLogger(__name__)

COMMIT_EVENTS: Final = 512  # a larger pipeline keeps the turns in it waiting for over 5 ms
# After that the lease may be another worker's. Time in which this process was frozen does not count: it has asked
# nobody, and an append or a renewal finds out whether the turn is still its own.
STORE_PATIENCE_S: Final = LEASE_S - 2


class Logged:
    """An event on its way into the journal. `fate` is what became of it, None until that is known."""

    __slots__ = ("_woken", "append", "began_s", "event", "fate", "live")

    def __init__(
        self, append: Append, event: Numbered, live: LiveTurn | None, began_s: float, woken: "asyncio.Future[None]"
    ) -> None:
        self.append = append
        self.event = event
        self.live = live
        self.began_s = began_s
        self.fate: Fate | Exception | None = None
        self._woken = woken

    async def rested(self) -> None:
        """Returns when the fate is known and the turn may go on, see `Pacer`."""
        await self._woken

    async def known(self) -> None:
        """Returns when the fate is known, also to a caller that was cancelled while it rested."""
        if self.fate is None:
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken

    def wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)


class GroupCommit:
    """Owns the tasks that commit. `open` a turn before its first append, `close` it after its last."""

    def __init__(self, journal: TurnJournal, patience_s: float = STORE_PATIENCE_S) -> None:
        self._journal = journal
        self._pacer = Pacer()
        self._loop = asyncio.get_running_loop()
        self.awake = Awake(self._loop.time)
        self.patience_s = patience_s
        self._live: dict[str, LiveTurn] = {}
        self._lanes: dict[str, _Lane] = {}
        self._later: dict[Logged, asyncio.TimerHandle] = {}
        self._stopped = False

    async def stop(self) -> None:
        """Ends the committing. Appends that still wait, and later ones, fail with `StoreUnavailable`."""
        self._stopped = True
        for lane in self._lanes.values():
            await lane.stop()
        for logged, timer in self._later.items():
            timer.cancel()
            self._settle(logged, _stopped())
        self._later.clear()

    def open(self, ref: TurnRef, epoch: int = 1, first: Numbered | None = None) -> LiveTurn:
        """Makes the turn live in this process; its next event is the first of `epoch` after its number 0.

        `first` is the turn's first event, where it has just been accepted with it: viewers need not read it.
        """
        live = self._live[ref.turn_id] = LiveTurn(ref, Cursor(epoch, 0))
        if first:
            live.publish(first)
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

    def append(self, ref: TurnRef, event: Numbered) -> Logged:
        """Hands an event to the next commit; its fate is known once the journal has it and viewers may see it.

        The fate is `StoreUnavailable` or `Overloaded` when the store did not take it for `STORE_PATIENCE_S`.
        """
        loop = self._loop
        live = self._live.get(ref.turn_id)
        logged = Logged(Append.of(ref, event), event, live, loop.time(), loop.create_future())
        self._enqueue(logged)
        return logged

    async def restore(self, ref: TurnRef, event: Numbered, text: str, reasoning: str, losses: int) -> Fate:
        """Replaces what the store has of a turn, `event` being its latest (see `TurnJournal.restore`). Raises
        `StoreUnavailable`, `Overloaded`.
        """
        fate = await self._journal.restore(Append.of(ref, event), text, reasoning, losses)
        if fate in ("ok", "stop") and (live := self._live.get(ref.turn_id)):
            _show(live, event)
        return fate

    def _try_again(self, logged: Logged) -> None:
        del self._later[logged]
        self._enqueue(logged)

    def _enqueue(self, logged: Logged) -> None:
        if self._stopped:
            self._settle(logged, _stopped())
            return
        name = self._journal.lane(logged.append.ref)  # each time anew: the slot may have moved
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(self, name)
        lane.add(logged)

    def out_of_patience(self, since_s: float) -> bool:
        """Whether a store that has not taken something since then, by the loop's clock, is not asked again."""
        return self.awake.since(since_s) > self.patience_s

    async def commit(self, batch: list[Logged]) -> None:
        """One round trip. What the store did not take now is sent again a little later, until its time is up."""
        began_s = self._loop.time()
        try:
            fates = await self._journal.append([logged.append for logged in batch])
        except Exception as exc:  # each turn decides for itself what to do
            self.give_up(batch, exc)
            return
        COMMIT_SECONDS.observe(self._loop.time() - began_s)
        EVENTS_IN_COMMIT.observe(len(batch))
        for logged, fate in zip(batch, fates, strict=True):
            if isinstance(fate, Exception):
                self._repeat(logged, fate)
                continue
            if logged.live and (fate == "ok" or fate == "stop"):  # noqa: PLR1714  a set would cost more
                _show(logged.live, logged.event)
            self._settle(logged, fate)

    def give_up(self, batch: list[Logged], error: Exception) -> None:
        for logged in batch:
            self._settle(logged, error)

    def _repeat(self, logged: Logged, error: Exception) -> None:
        if isinstance(error, Unavailable) and not self.out_of_patience(logged.began_s) and not self._stopped:
            # What a resend finds written already stays as it is.
            self._later[logged] = self._loop.call_later(WRITE_AGAIN_S, self._try_again, logged)
        else:
            self._settle(logged, error)

    def _settle(self, logged: Logged, fate: Fate | Exception) -> None:
        logged.fate = fate
        if fate == "ok":
            self._pacer.go_on(logged.wake, logged.began_s)
        else:
            logged.wake()


def _show(live: LiveTurn, event: Numbered) -> None:
    if live.last < event.cursor:
        live.publish(event)


class _Lane:
    """The commits to one server of the store, one at a time."""

    def __init__(self, commit: GroupCommit, name: str) -> None:
        self._commit = commit
        self._pending: list[Logged] = []
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._commit_forever(), name=f"group commit {name}", context=Context())
        self._task.add_done_callback(_tell)

    def add(self, logged: Logged) -> None:
        self._pending.append(logged)
        self._wake.set()

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._commit.give_up(self._pending, _stopped())
        self._pending.clear()

    async def _commit_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                batch, self._pending = self._pending[:COMMIT_EVENTS], self._pending[COMMIT_EVENTS:]
                try:
                    await self._commit.commit(batch)
                except asyncio.CancelledError:
                    self._commit.give_up(batch, _stopped())
                    raise


def _stopped() -> StoreUnavailable:
    return StoreUnavailable("the server has stopped")


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.critical("the group commit has died, its turns cannot go on", exc_info=error)
