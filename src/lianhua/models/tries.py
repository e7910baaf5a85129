"""What one turn may spend on asking models: a number of requests, and a time within which one is repeated. Pure."""

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
