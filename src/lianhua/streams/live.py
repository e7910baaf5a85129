"""A turn as its viewers in this process see it: its latest frames, and who is notified of new ones."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from lianhua.chat.events import Cursor, End, to_frame
from lianhua.chat.turn import Numbered, TurnRef

# A viewer further behind reads the journal; past this a snapshot is cheaper than the backlog.
VIEWER_BACKLOG_EVENTS: Final = 256
BACKLOG_BYTES: Final = 1024 * 1024
STEP_BYTES: Final = 192 * 1024  # what one viewer is given at a time: with the socket's own buffer below 512 KiB


logger = logging.getLogger(__name__)

_FIRST: Final = Cursor(1, 0)
_BEFORE_FIRST: Final = Cursor(1, -1)

# Takes frames to a viewer at once; False where its socket has no room, and nothing was taken.
Push = Callable[[bytes], bool]


class Listener:
    """A viewer who has seen everything so far: new frames go to its `push` as they are published.

    Without a task in between, which would cost several times as much as the frame's way into the socket. `cursor` is
    the last event that was taken.
    """

    __slots__ = ("_rung", "cursor", "push")

    def __init__(self, cursor: Cursor, push: Push | None) -> None:
        self.cursor = cursor
        self.push = push
        self._rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ring(self) -> None:
        self.push = None  # whatever comes before its viewer has looked is not the next frame any more
        if not self._rung.done():
            self._rung.set_result(None)

    async def wait(self, timeout_s: float) -> None:
        """Returns when there is something that was not pushed, at the latest after `timeout_s`."""
        timer = asyncio.get_running_loop().call_later(timeout_s, self.ring)
        try:
            await self._rung
        finally:
            timer.cancel()


class LiveTurn:
    """Whoever runs the turn here, or reads it from the journal, publishes; viewers take what comes after their cursor.

    `last` is the latest event that was published, at first the one before. `error` says why nothing more comes, where
    that is no end.
    """

    def __init__(self, ref: TurnRef, last: Cursor = Cursor(1, 0)) -> None:  # noqa: B008  frozen
        self.ref = ref
        self.over = False
        self.end: Cursor | None = None  # of the last event, once it is there
        self.error: Exception | None = None
        self.last = last
        self.shown_s = 0.0  # when the last frame was published, by the loop's clock
        self._clock = asyncio.get_running_loop().time
        self._frames: list[tuple[Cursor, bytes]] = []
        self._bytes = 0
        self._listeners: set[Listener] = set()

    def publish(self, event: Numbered) -> None:
        """Shows an event that the journal holds to everybody who waits."""
        if event.cursor.epoch != self.last.epoch:
            self._forget()  # within one epoch numbers have no gap, and `after` counts on that
        self.last = event.cursor
        self.shown_s = self._clock()
        frame = to_frame(self.ref.turn_id, event.cursor, event.event)
        self._frames.append((event.cursor, frame))
        self._bytes += len(frame)
        while len(self._frames) > VIEWER_BACKLOG_EVENTS or (self._bytes > BACKLOG_BYTES and len(self._frames) > 1):
            self._bytes -= len(self._frames.pop(0)[1])
        if isinstance(event.event, End):
            self.end = event.cursor
            self.over = True
        for listener in self._listeners:
            if listener.push and _taken(listener.push, frame):
                listener.cursor = event.cursor
                if not self.over:
                    continue
            listener.ring()

    def skip_to(self, cursor: Cursor) -> None:
        """What comes next is the event after `cursor`; whoever is further behind reads the journal."""
        self._forget()
        self.last = cursor
        self.ring()

    def close(self, error: Exception | None = None) -> None:
        """Nothing more comes from here, with or without an end: viewers look into the journal."""
        self.over = True
        self.error = error
        self.ring()

    def ring(self) -> None:
        for listener in self._listeners:
            listener.ring()

    def from_start(self) -> tuple[Cursor, bytes] | None:
        """Like `after` for a viewer who has seen nothing; None when the turn's first event is not at hand."""
        return self.after(_BEFORE_FIRST) if self._frames and self._frames[0][0] == _FIRST else None

    def after(self, cursor: Cursor) -> tuple[Cursor, bytes] | None:
        """Frames after `cursor` joined, and the new cursor; None when only the journal can tell what comes after it.

        At most about `STEP_BYTES`: the rest is for the next call.
        """
        if cursor.epoch == self.last.epoch and cursor.seq >= self.last.seq:
            return cursor, b""  # also of a viewer that has read the journal a moment ago
        if not self._frames:
            return None
        first = self._frames[0][0]
        skip = cursor.seq - first.seq + 1 if cursor.epoch == first.epoch else -1
        if not 0 <= skip < len(self._frames):
            return None
        frames: list[bytes] = []
        size = 0
        for place in range(skip, len(self._frames)):
            cursor, frame = self._frames[place]
            frames.append(frame)
            size += len(frame)
            if size >= STEP_BYTES:
                break
        return cursor, b"".join(frames)

    async def listen(self, cursor: Cursor, push: Push | None, timeout_s: float) -> Cursor:
        """Pushes what comes after `cursor` as long as all of it is taken.

        Returns where the viewer is by then, when there is something that was not pushed or nothing more will come from
        here, at the latest after `timeout_s`.
        """
        if self.over or (push and cursor < self.last):
            return cursor
        listener = Listener(cursor, push if cursor == self.last else None)
        self._listeners.add(listener)
        try:
            await listener.wait(timeout_s)
        finally:
            self._listeners.discard(listener)
        return listener.cursor

    def _forget(self) -> None:
        self._frames.clear()
        self._bytes = 0


def _taken(push: Push, frame: bytes) -> bool:
    try:
        return push(frame)
    except Exception:  # one viewer's socket must not keep the frame from the others, nor its turn from going on
        logger.exception("a viewer is not pushed to any more")
        return False
