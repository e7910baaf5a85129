"""Time during which this process ran: what a stopped machine, container or process has slept through does not count.

A store that could not be reached for a while is given up. A process that was frozen for a while has not asked it.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

# A task looks every half second. A longer gap than this, and the process did not run in it.
LONGEST_GAP_S: Final = 1.5
GAPS_KEPT: Final = 16  # what is measured is seconds old: the latest few freezes are all that can overlap it


class Awake:
    """`clock` gives seconds, as the event loop's does. `look` has to be called more often than `longest_gap_s`."""

    def __init__(self, clock: Callable[[], float], longest_gap_s: float = LONGEST_GAP_S) -> None:
        self._clock = clock
        self._longest_gap_s = longest_gap_s
        self._seen = clock()
        self._gaps: deque[tuple[float, float]] = deque(maxlen=GAPS_KEPT)

    def look(self) -> None:
        """The process runs now."""
        now = self._clock()
        if now - self._seen > self._longest_gap_s:
            self._gaps.append((self._seen, now))
        self._seen = now

    def since(self, moment: float) -> float:
        """Seconds from `moment`, by the clock, until now, without those in which the process did not run."""
        self.look()
        asleep = sum(max(end - max(begin, moment), 0.0) for begin, end in self._gaps)
        return self._clock() - moment - asleep
