"""How long a model is waited for, and when it is asked again. Pure but for the clock that a date is read against."""

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

# The number of requests to one model for one reply, the first included, where each met a fault that passes.
TRIES = 3
# Of one turn in all: tries after such faults, in other words, with a smaller prompt, of other models.
CALLS = 8
# No request is repeated that would be answered only later than this after the first one began, if it takes as long as
# the last one did: nobody sits in front of a silent page for more than a minute, and a gateway that repeats each
# request by itself multiplies every one of ours.
RETRY_S = 60.0


class Tries:
    """What one turn may spend on asking: `calls` requests, and the seconds within which one is repeated.

    The clock starts with the first request. `kept_back` requests are for models that have not been asked yet.
    """

    def __init__(self, calls: int = CALLS, seconds: float = RETRY_S) -> None:
        self._left = calls
        self._seconds = seconds
        self._began: float | None = None
        self._last = 0.0
        self.kept_back = 0

    def begin(self, now: float) -> bool:
        """Counts a request that begins at `now` (seconds of any clock that only rises); False where none is left."""
        if self._left <= 0:
            return False
        self._left -= 1
        self._began = now if self._began is None else self._began
        self._last = now
        return True

    def may_repeat(self, now: float, wait_s: float) -> bool:
        """Whether the request that failed at `now` may be made again in `wait_s` seconds."""
        if self._began is None or self._left <= self.kept_back:
            return False
        return now + wait_s + (now - self._last) <= self._began + self._seconds


class Limits(Struct, frozen=True):
    """All in seconds. `delta_s` is the longest silence between two events of a reply; comments do not break it.

    `retry_s` is about how long the first wait before another try is; each further one is twice as long.
    """

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    delta_s: float = 60.0
    retry_s: float = 1.0


def wait_before(attempt: int, retry_s: float, floor_s: float) -> float:
    """Seconds to wait before try number `attempt` + 1: exponential, half of it by chance, never below `floor_s`.

    The chance keeps the turns that failed together from coming back together.
    """
    wait_s = retry_s * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.5)
    return max(wait_s, floor_s + retry_s * random.uniform(0, 0.5)) if floor_s else wait_s


def retry_after_s(header: str | None) -> float:
    """Seconds that a `Retry-After` asks for (RFC 9110, 10.2.3: a number or a date); 0 where it says nothing usable."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except (ValueError, OverflowError):  # no date, or one beyond any calendar
            return 0.0
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return 0.0 if math.isnan(seconds) else max(seconds, 0.0)
