"""A turn as its viewers in this process see it: its latest frames and a bell."""

import asyncio
from collections import deque
from typing import Final

from lianhua.events import Cursor, End, to_frame
from lianhua.turn import Numbered, TurnRef

# A viewer further behind reads the journal; past this a snapshot is cheaper than the backlog.
VIEWER_BACKLOG_EVENTS: Final = 256
BACKLOG_BYTES: Final = 1024 * 1024
STEP_BYTES: Final = 192 * 1024  # what one viewer is given at a time: with the socket's own buffer below 512 KiB


class LiveTurn:
    """Whoever runs the turn here, or reads it from the journal, publishes; viewers take what comes after their cursor.

    `last` is the event before the first one that will be published. `error` says why nothing more comes, where that is
    no end.
    """

    def __init__(self, ref: TurnRef, last: Cursor = Cursor(1, 0)) -> None:  # noqa: B008  frozen
        self.ref = ref
        self.over = False
        self.end: Cursor | None = None  # of the last event, once it is there
        self.error: Exception | None = None
        self.last = last
        self._frames: deque[tuple[Cursor, bytes]] = deque()
        self._bytes = 0
        self._bell: asyncio.Future[None] | None = None

    def publish(self, event: Numbered) -> None:
        """Shows an event that the journal holds to everybody who waits."""
        if event.cursor.epoch != self.last.epoch:
            self._forget()  # within one epoch numbers have no gap, and `after` counts on that
        self.last = event.cursor
        frame = to_frame(self.ref.turn_id, event.cursor, event.event)
        self._frames.append((event.cursor, frame))
        self._bytes += len(frame)
        while len(self._frames) > VIEWER_BACKLOG_EVENTS or (self._bytes > BACKLOG_BYTES and len(self._frames) > 1):
            self._bytes -= len(self._frames.popleft()[1])
        if isinstance(event.event, End):
            self.end = event.cursor
            self.over = True
        self.ring()

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
        if self._bell and not self._bell.done():
            self._bell.set_result(None)
        self._bell = None

    def after(self, cursor: Cursor) -> tuple[Cursor, bytes] | None:
        """Frames after `cursor` joined, and the new cursor; None when only the journal can tell what comes after it.

        At most about `STEP_BYTES`: the rest is for the next call.
        """
        if cursor.epoch == self.last.epoch and cursor.seq >= self.last.seq:
            return cursor, b""  # also of somebody who has read the journal a moment ago
        if not self._frames:
            return None
        first = self._frames[0][0]
        skip = cursor.seq - first.seq + 1 if cursor.epoch == first.epoch else -1
        if not 0 <= skip < len(self._frames):
            return None
        # Nearly always one or two frames at the end: indexing a deque there is cheap.
        frames: list[bytes] = []
        size = 0
        for place in range(skip, len(self._frames)):
            cursor, frame = self._frames[place]
            frames.append(frame)
            size += len(frame)
            if size >= STEP_BYTES:
                break
        return cursor, b"".join(frames)

    async def wait(self, timeout_s: float) -> None:
        """Returns when there may be something new, at the latest after `timeout_s`."""
        if self.over:
            return
        if self._bell is None:
            self._bell = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._bell], timeout=timeout_s)  # one future for all viewers; `wait` does not cancel it

    def _forget(self) -> None:
        self._frames.clear()
        self._bytes = 0
