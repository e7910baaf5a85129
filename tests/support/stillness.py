"""How long things take, and how much of that the machine itself stood still.

Promises in seconds are measured to the digit by `make chaos` and `make bench`, on a machine with nothing else to do. A
test may run beside anything. So a thread of the test run asks again and again how long a millisecond of work takes
here, its waking up included; a bound is widened by what came out while the thing that it bounds was going on. On a
quiet machine nearly nothing does. Where nobody has called `look_on`, bounds are as they are written.
"""

import math
import threading
import time
from collections import deque
from itertools import takewhile
from typing import Final, NamedTuple

ASK_EVERY_S: Final = 0.05
WORK_S: Final = 0.001
REMEMBERED: Final = 20_000  # answers: a quarter of an hour


def look_on() -> None:
    """Begins to ask, for as long as the process lives."""
    _probe.start()


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

    @property
    def s(self) -> float:
        """Seconds so far, by the clock."""
        return time.monotonic() - self.began

    def took(self, until: float | None = None) -> Took:
        """From the beginning to this time of the monotonic clock, or to now."""
        until = time.monotonic() if until is None else until
        return _probe.between(self.began, until)

    def within(self, bound_s: float) -> bool:
        return self.s < bound_s or self.took().within(bound_s)


def took_between(began: float, ended: float) -> Took:
    """Between two times of the monotonic clock."""
    return _probe.between(began, ended)


def in_time(began: float, ended: float, bound_s: float) -> bool:
    """Whether what took from one time of the monotonic clock to another was within a bound."""
    return took_between(began, ended).within(bound_s)


class _Answer(NamedTuple):
    """Work was due, and was done `late_s` later than it takes by itself."""

    due_at: float
    done_at: float

    @property
    def late_s(self) -> float:
        return max(self.done_at - self.due_at - WORK_S, 0.0)


class _Probe:
    """Asks as long as the process lives."""

    def __init__(self) -> None:
        self._answers: deque[_Answer] = deque(maxlen=REMEMBERED)
        self._due_at = math.inf
        self._lock = threading.Lock()

    def start(self) -> None:
        self._due_at = time.monotonic()
        threading.Thread(target=self._ask, name="stillness", daemon=True).start()

    def between(self, began: float, ended: float) -> Took:
        with self._lock:
            answers = [*self._answers, _Answer(self._due_at, ended)]  # the last one is not done yet
        meanwhile = takewhile(lambda answer: answer.done_at >= began, reversed(answers))
        late_s = [answer.late_s for answer in meanwhile if answer.due_at <= ended] or [0.0]
        return Took(ended - began, 1 + sum(late_s) / len(late_s) / WORK_S, max(late_s))

    def _ask(self) -> None:
        while True:
            _work()
            answer = _Answer(self._due_at, time.monotonic())
            with self._lock:
                self._answers.append(answer)
                self._due_at = answer.done_at + ASK_EVERY_S
            time.sleep(ASK_EVERY_S)


def _work() -> None:
    until = time.thread_time() + WORK_S
    while time.thread_time() < until:
        pass


_probe: Final = _Probe()
