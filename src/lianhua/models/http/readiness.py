"""Which sockets have something to read, asked for many of them at once.

With a hundred streams of 50 tokens/s each token would wake the loop, its turn and the store by itself. Here whoever is
to be woken waits for the next look, `LOOK_S` after the last, and all of them read, write to the journal and reach their
viewers together. A few streams are woken as soon as something comes.
"""

import asyncio
import contextlib
import select
from collections.abc import Callable
from typing import Final

# A reader hardly sees it; at 100 streams of 50 tokens/s a look wakes 25 of them.
LOOK_S: Final = 0.005
# Woken within `LOOK_S` on average: with fewer a look costs more than it saves.
MANY: Final = 2.5
_WEIGHT: Final = 0.1  # of the last `LOOK_S` in the average


class Readiness:
    """Calls back once when a socket can be read or has ended: `wait`. `forget` it before it is closed.

    Owns a descriptor from the first `wait` to `close`. One step of the loop wakes all that are ready.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._poll: select.epoll | None = None
        self._known: set[int] = set()
        self._waiting: dict[int, Callable[[], None]] = {}
        self._woken = 0.0  # within `LOOK_S`, on average
        self._count, self._since = 0, loop.time()  # woken since then, and not in the average yet
        self._timer: asyncio.TimerHandle | None = None  # of the next look, while there are many

    def wait(self, file: int, wake: Callable[[], None]) -> None:
        """Calls `wake` as soon as `file` is ready, or with all others at the next look."""
        poll = self._poll or self._open()
        self._waiting[file] = wake
        if file in self._known:
            poll.modify(file, select.EPOLLIN | select.EPOLLONESHOT)
        else:
            poll.register(file, select.EPOLLIN | select.EPOLLONESHOT)
            self._known.add(file)

    def forget(self, file: int) -> None:
        """Nobody waits for it any more, and it may be closed."""
        self._waiting.pop(file, None)
        if file in self._known and self._poll:
            self._known.discard(file)
            with contextlib.suppress(OSError, ValueError):  # it is closed already
                self._poll.unregister(file)

    def close(self) -> None:
        """Wakes nobody any more."""
        if self._timer:
            self._timer.cancel()
        if self._poll:
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None

    def _open(self) -> select.epoll:
        self._poll = select.epoll()
        self._loop.add_reader(self._poll.fileno(), self._look)
        return self._poll

    def _look(self) -> None:
        """Wakes all that are ready. How many there are decides whether the next look comes by the clock."""
        assert self._poll  # noqa: S101
        ready, waiting = self._poll.poll(0), self._waiting
        for file, _ in ready:
            if wake := waiting.pop(file, None):
                wake()
        now = self._loop.time()
        if self._many(len(ready), now):
            if not self._timer:
                self._loop.remove_reader(self._poll.fileno())
            self._timer = self._loop.call_at(now + LOOK_S, self._look)
        elif self._timer:
            self._timer = None
            self._loop.add_reader(self._poll.fileno(), self._look)

    def _many(self, woken: int, now: float) -> bool:
        self._count += woken
        if (spans := (now - self._since) / LOOK_S) >= 1:
            self._woken += min(1.0, spans * _WEIGHT) * (self._count / spans - self._woken)
            self._count, self._since = 0, now
        return self._woken >= MANY
