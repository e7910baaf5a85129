"""How often the turns of a busy server show something: what arrives meanwhile leaves as one event.

An event costs the same whether it holds one token or five. So each event takes a place in one line for all turns, and
its turn reads on when that place has come: at once while there are few, after a while that grows with the load when
there are many. Nothing that has arrived is held back: what waits is unread, in the socket of the model's server.
"""

import asyncio
from collections.abc import Callable
from typing import Final

# Of a single worker. 500 replies of 50 tokens a second then wait 31 ms from event to event, and a token costs less than
# a relay that stores nothing takes for it; with a third as many events it would cost half, and be 40 ms late.
EVENTS_PER_S: Final = 16_000
LONGEST_S: Final = 0.085  # from one event of a turn to its next: reached with 1,360 such replies
# With more events than that a turn rests at least so long: a model that floods us is read in large pieces.
MANY_PER_S: Final = 2_000
SHORTEST_S: Final = 0.01
STEP_S: Final = 0.01  # rests end in steps, so that many turns' events share a commit
_COUNTED_S: Final = 0.1  # how long events are counted to know their number a second


class Pacer:
    """Says when a turn that has just shown something may go on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._free_s = 0.0  # when the next place in the line is due, by the loop's clock
        self._resting: dict[int, list[Callable[[], None]]] = {}  # by the step in which their rest ends
        self._count, self._counted_since_s = 0, 0.0
        self._many = False

    def go_on(self, wake: Callable[[], None], began_s: float) -> None:
        """Calls `wake` when the turn may read on whose event began its way at `began_s`: now, or within `LONGEST_S`
        of that.
        """
        now = self._loop.time()
        self._count_event(now)
        due_s = max(self._free_s, now)
        latest_s = began_s + LONGEST_S
        if due_s < latest_s:
            self._free_s = due_s + 1 / EVENTS_PER_S
        else:
            due_s = latest_s
        if self._many:
            due_s = max(due_s, began_s + SHORTEST_S)
        elif due_s - now < STEP_S:
            wake()
            return
        step = int(due_s / STEP_S)
        if step * STEP_S <= now:
            wake()
            return
        if step not in self._resting:
            self._resting[step] = []
            self._loop.call_at(step * STEP_S, self._wake, step)
        self._resting[step].append(wake)

    def _count_event(self, now: float) -> None:
        self._count += 1
        if (seconds := now - self._counted_since_s) >= _COUNTED_S:
            self._many = self._count > MANY_PER_S * seconds
            self._count, self._counted_since_s = 0, now

    def _wake(self, step: int) -> None:
        for wake in self._resting.pop(step):
            wake()
