"""Group commit and fan-out: many turns' events go to the journal in one round trip, and only then to the viewers here.

The appends that arrive while one commit is on its way form the next one, so the busier the server, the larger the
batches; there is no timer, and an idle server commits at once.
"""

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final

from lianhua.errors import StoreUnavailable, Unavailable
from lianhua.events import Cursor, End, to_frame
from lianhua.store.journal import LEASE_S, Append, Fate, TurnJournal
from lianhua.turn import Numbered, TurnRef

logger = logging.getLogger(__name__)

VIEWER_BACKLOG_EVENTS: Final = (
    256  # a viewer further behind reads the journal; past this a snapshot is cheaper than the backlog
)
COMMIT_EVENTS: Final = 512  # a larger pipeline keeps other calls of the store waiting for over 5 ms
STORE_PATIENCE_S: Final = LEASE_S - 2  # after that the lease may be another worker's
_RETRY_S: Final = 0.2

Waiting = tuple[Append, Numbered, "asyncio.Future[Fate]"]


class LiveTurn:
    """A turn that runs in this process, as its viewers see it: its latest frames and a bell."""

    def __init__(self, ref: TurnRef) -> None:
        self.ref = ref
        self.over = False
        self.end: Cursor | None = None  # of the last event, once it is there
        self._last = Cursor(1, 0)  # the start, which `accept` has logged
        self._frames: deque[tuple[Cursor, bytes]] = deque(maxlen=VIEWER_BACKLOG_EVENTS)
        self._bell: asyncio.Future[None] | None = None

    def publish(self, event: Numbered) -> None:
        """Shows an event that the journal holds to everybody who waits."""
        self._last = event.cursor
        self._frames.append((event.cursor, to_frame(self.ref.turn_id, event.cursor, event.event)))
        if isinstance(event.event, End):
            self.end = event.cursor
            self.over = True
        self.ring()

    def close(self) -> None:
        """Nothing more comes from here, with or without an end: viewers look into the journal."""
        self.over = True
        self.ring()

    def ring(self) -> None:
        if self._bell and not self._bell.done():
            self._bell.set_result(None)
        self._bell = None

    def after(self, cursor: Cursor) -> tuple[Cursor, bytes] | None:
        """The frames after `cursor` joined, and the new cursor; None when the backlog does not reach back to it."""
        if cursor == self._last:
            return cursor, b""
        if not self._frames:
            return None
        first = self._frames[0][0]
        skip = cursor.seq - first.seq + 1 if cursor.epoch == first.epoch else -1
        if not 0 <= skip < len(self._frames):
            return None
        # Nearly always one or two frames at the end: indexing a deque there is cheap.
        frames = [self._frames[i][1] for i in range(skip, len(self._frames))]
        return self._last, b"".join(frames)

    async def wait(self, timeout_s: float) -> None:
        """Returns when there may be something new, at the latest after `timeout_s`."""
        if self.over:
            return
        if self._bell is None:
            self._bell = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._bell], timeout=timeout_s)  # one future for all viewers; `wait` does not cancel it


class Relay:
    """Owns the one task that commits. `open` a turn before its first append, `close` it after its last."""

    def __init__(self, journal: TurnJournal) -> None:
        self._journal = journal
        self._live: dict[str, LiveTurn] = {}
        self._pending: list[Waiting] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._commit_forever(), name="relay")
        self._task.add_done_callback(_tell)

    async def stop(self) -> None:
        """Ends the committing task. Appends that still wait, and later ones, fail with `StoreUnavailable`."""
        self._stopped = True
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        _fail(self._pending, StoreUnavailable("the server has stopped"))
        self._pending.clear()

    def open(self, ref: TurnRef) -> LiveTurn:
        """Makes the turn live in this process."""
        live = self._live[ref.turn_id] = LiveTurn(ref)
        return live

    def live(self, turn_id: str) -> LiveTurn | None:
        """The turn as it runs in this process, if it does."""
        return self._live.get(turn_id)

    def close(self, ref: TurnRef) -> None:
        """Forgets the turn; viewers who still hold it see what they have not seen and the journal has."""
        if live := self._live.pop(ref.turn_id, None):
            live.close()

    def append(self, ref: TurnRef, event: Numbered) -> "asyncio.Future[Fate]":
        """Hands an event to the next commit; the future tells its fate once the journal has it and viewers may see it.

        The future fails with `StoreUnavailable` or `Overloaded` when the store did not take it for `STORE_PATIENCE_S`.
        """
        done: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        if self._stopped:
            done.set_exception(StoreUnavailable("the server has stopped"))
            return done
        self._pending.append((Append.of(ref, event), event, done))
        self._wake.set()
        return done

    async def _commit_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                batch, self._pending = self._pending[:COMMIT_EVENTS], self._pending[COMMIT_EVENTS:]
                await self._commit(batch)

    async def _commit(self, batch: list[Waiting]) -> None:
        try:
            fates = await self._append_patiently([append for append, _, _ in batch])
            for waiting, fate in zip(batch, fates, strict=True):
                self._tell_fate(waiting, fate)
        except asyncio.CancelledError:
            _fail(batch, StoreUnavailable("the server has stopped"))
            raise
        except Exception as exc:  # each turn decides for itself what to do without the store
            _fail(batch, exc)

    def _tell_fate(self, waiting: Waiting, fate: Fate | Exception) -> None:
        if isinstance(fate, Exception):
            _fail([waiting], fate)
            return
        append, event, done = waiting
        live = self._live.get(append.ref.turn_id)
        if live and fate in ("ok", "stop"):
            live.publish(event)
        if not done.done():
            done.set_result(fate)

    async def _append_patiently(self, batch: list[Append]) -> list[Fate | Exception]:
        """Sends the batch until the store takes it: what a resend finds written already stays as it is."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STORE_PATIENCE_S
        while True:
            try:
                return await self._journal.append(batch)
            except Unavailable:
                if loop.time() > deadline:
                    raise
                await asyncio.sleep(_RETRY_S)


def _fail(batch: list[Waiting], error: Exception) -> None:
    for _, _, done in batch:
        if not done.done():
            done.set_exception(error)
            done.exception()  # heard, even where the turn that waited has been cancelled meanwhile


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.critical("the relay has died, no turn can go on", exc_info=error)
