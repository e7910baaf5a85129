"""How long a model is waited for, and when it is asked again. Pure but for the clock that a date is read against."""

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

# The number of requests for one reply, the first included.
TRIES = 3
# A server that wants more than this is not waited for: nobody sits in front of a silent page for a minute.
LONGEST_WAIT_S = 60.0


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
