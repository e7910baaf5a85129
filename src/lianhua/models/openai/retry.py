"""When a request to a model is made again. Pure but for the clock that a date is read against."""

import math
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# The number of requests to one model for one reply, the first included, where each met a fault that passes.
TRIES = 3


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
