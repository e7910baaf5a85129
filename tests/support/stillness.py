"""How long things take, and how much of that the machine itself stood still.

Promises in seconds are measured to the digit by `make chaos` and `make bench`, on a machine with nothing else to do. A
test may run beside anything. So a thread of this process asks again and again how long a millisecond of work takes
here, its waking up included; a bound is widened by what came out while the thing that it bounds was going on. On a
quiet machine nearly nothing does.
"""

import threading
import time
from collections import deque
from typing import Final, NamedTuple

ASK_EVERY_S: Final = 0.05
WORK_S: Final = 0.001
REMEMBERED: Final = 20_000  # answers: a quarter of an hour


class Took(NamedTuple):
    """How long something took. Meanwhile the machine was on average `slowness` times slower than by itself, and once
    did nothing at all for `gap_s`.
    """

    s: float
    slowness: float
    gap_s: float

    def within(self, bound_s: float) -> bool:
        """Whether it would have been in time on a machine of its own."""
        return self.s < bound_s * self.slowness + self.gap_s


class Stopwatch:
    """Runs from its making."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        _probe.start()

    @property
    def s(self) -> float:
        """Seconds so far, by the clock."""
        return time.monotonic() - self.began

    def took(self, until: float | None = None) -> Took:
        """From the beginning to this time of the monotonic clock, or to now."""
        until = time.monotonic() if until is None else until
        return _probe.between(self.began, until)

    def within(self, bound_s: float) -> bool:
        return self.took().within(bound_s)


def took_between(began: float, ended: float) -> Took:
    """Between two times of the monotonic clock, while some stopwatch ran."""
    return _probe.between(began, ended)


class _Answer(NamedTuple):
    """`late_s` is how much longer than `WORK_S` it took from when the work was due until it was done."""

    done_at: float
    late_s: float


class _Probe:
    """Asks the machine as long as the process lives."""

    def __init__(self) -> None:
        self._answers: deque[_Answer] = deque(maxlen=REMEMBERED)
        self._due_at = 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._due_at = time.monotonic()
                self._thread = threading.Thread(target=self._ask, name="stillness", daemon=True)
                self._thread.start()

    def between(self, began: float, ended: float) -> Took:
        # Whatever has been due for long and is not done is an answer too.
        waiting = _Answer(ended, ended - self._due_at - WORK_S)
        overlapping = [answer for answer in [*self._answers, waiting] if answer.done_at >= began]
        late_s = [
            max(answer.late_s, 0.0) for answer in overlapping if answer.done_at - answer.late_s - WORK_S <= ended
        ] or [0.0]
        return Took(ended - began, 1 + sum(late_s) / len(late_s) / WORK_S, max(late_s))

    def _ask(self) -> None:
        while True:
            _work()
            done_at = time.monotonic()
            self._answers.append(_Answer(done_at, done_at - self._due_at - WORK_S))
            self._due_at = done_at + ASK_EVERY_S
            time.sleep(ASK_EVERY_S)


def _work() -> None:
    until = time.thread_time() + WORK_S
    while time.thread_time() < until:
        pass


_probe: Final = _Probe()
