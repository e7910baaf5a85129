"""Where a reply goes on after a cut: a model that repeats the last words is not shown to have said them twice."""

from typing import Final

LONGEST_REPEAT_CHARS: Final = 400
# A shorter match at the seam is more likely to be how language goes on ("the the" is rare, "the" is not).
SHORTEST_REPEAT_CHARS: Final = 6


class OverlapFilter:
    """Feed it the new text piece by piece; it holds back what may be a repetition of the end of `kept` until it
    knows.
    """

    def __init__(self, kept: str) -> None:
        self._tail = kept[-LONGEST_REPEAT_CHARS:]
        self._held = ""
        self._closed = not kept

    def feed(self, text: str) -> str:
        """What of the text so far is new for certain."""
        if self._closed:
            return text
        self._held += text
        if self._may_repeat_more():
            return ""
        return self.close()

    def close(self) -> str:
        """What was held back and is no repetition: the stream has ended, or the seam is known."""
        held, self._held, self._closed = self._held, "", True
        return held[self._repeated(held) :]

    def _may_repeat_more(self) -> bool:
        """Whether the held text is the beginning of some longer end of the tail."""
        held = self._held
        return len(held) < len(self._tail) and any(
            self._tail.startswith(held, start) for start in range(len(self._tail) - len(held))
        )

    def _repeated(self, held: str) -> int:
        longest = min(len(held), len(self._tail))
        lengths = range(longest, SHORTEST_REPEAT_CHARS - 1, -1)
        return next((length for length in lengths if self._tail.endswith(held[:length])), 0)
