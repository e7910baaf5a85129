"""A reply that goes on from text that was shown already: what it begins with, what the model is asked to go on with.
A model that repeats the last words is not shown to have said them twice.
"""

from typing import Final

from msgspec import Struct

from lianhua.chat.messages import Message

LONGEST_REPEAT_CHARS: Final = 400
# A shorter match is more likely to be how language goes on ("the the" is rare, "the" is not).
SHORTEST_REPEAT_CHARS: Final = 6


class Continuation(Struct, frozen=True):
    """What a reply goes on with: the text and the reasoning of the message `reply_id`, as far as they came.

    They are shown and stored before the model is asked. A continuation of nothing but reasoning asks for the reply anew
    and keeps the reasoning.
    """

    reply_id: str
    text: str
    reasoning: str = ""

    @classmethod
    def of(cls, reply: Message) -> "Continuation":
        """Going on with a message of the conversation."""
        return cls(reply.id, reply.content, reply.reasoning)

    @property
    def opening_reasoning(self) -> str:
        """The reasoning that comes first, apart from what the model may add."""
        return f"{self.reasoning.rstrip()}\n\n" if self.reasoning else ""

    def added(self, text: str, reasoning: str) -> tuple[str, str]:
        """What of a reply's text and reasoning the model has added."""
        return text[len(self.text) :], reasoning[len(self.opening_reasoning) :]

    def is_all_of(self, text_chars: int, reasoning_chars: int) -> bool:
        """Whether a reply of that length is no longer than what it goes on with."""
        return text_chars <= len(self.text) and reasoning_chars <= len(self.opening_reasoning)

    def overlap(self) -> "OverlapFilter":
        """A new filter of what the model may repeat."""
        return OverlapFilter(self.text)


NOTHING: Final = Continuation("", "")  # of a reply that begins at its beginning


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
        """What was held back and is no repetition: the stream has ended, or it is known where the new text begins."""
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
