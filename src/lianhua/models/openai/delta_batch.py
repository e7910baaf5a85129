"""Deltas as they are gathered from the chunks of one read, and what was said so far. Pure."""

from collections.abc import Callable
from typing import Final

from lianhua.models.port import Corrected, Delta, ReasoningDelta, TextDelta

# A last chunk of so many characters that says again, as its own text, what several chunks have said: not by chance.
REPEATED_CHARS: Final = 8

Kind = type[TextDelta | ReasoningDelta]


class DeltaBatch:
    """Deltas as they come, neighbours of a kind made one: a fast model brings hundreds in one read.

    Remembers what was said of each kind, for servers that say all of it again.
    """

    def __init__(self) -> None:
        self._deltas: list[Delta] = []
        self._kind: Kind = TextDelta
        self._pieces: list[str] = []
        self._said: dict[Kind, list[str]] = {TextDelta: [], ReasoningDelta: []}
        self._said_now = self._said[TextDelta]  # of the kind that comes now
        self._count = 0  # of the pieces that were taken
        self._in_messages: set[Kind] = set()  # the kinds of which all came in whole messages

    def add(self, kind: Kind, piece: str) -> None:
        if kind is not self._kind:
            self._turn_to(kind)
        self._pieces.append(piece)

    @property
    def has_said(self) -> bool:
        return bool(self._pieces) or any(self._said.values())

    def add_message(self, kind: Kind, text: str) -> None:
        """As `add`, for what came in a whole message."""
        if not self.whole(kind):
            self._in_messages.add(kind)
        self.add(kind, text)

    def add_other(self, delta: Delta) -> None:
        self._join()
        self._deltas.append(delta)

    def begin_anew(self) -> None:
        """Takes back all that was said."""
        self._join()
        for said in self._said.values():
            said.clear()
        self._deltas.append(Corrected("", ""))

    def take(self) -> list[Delta]:
        """What was added since the last time."""
        self._join()
        deltas, self._deltas = self._deltas, []
        return deltas

    def text_pieces(self) -> Callable[[str], None]:
        """`add` of text, until anything else is called: with a call less for each. NULs may be in it."""
        if self._kind is not TextDelta:
            self._turn_to(TextDelta)
        return self._pieces.append

    def take_text(self, text: str) -> list[Delta]:
        """`take`, after nothing but this text was added."""
        if self._kind is not TextDelta:
            self._turn_to(TextDelta)
        self._said_now.append(text)
        self._count += 1
        return [TextDelta(text)]

    def repeats(self, text: str) -> bool:
        """Whether `text` is all that several pieces have said."""
        if len(text) < REPEATED_CHARS or self._count + len(self._pieces) < 2:
            return False
        return self.whole(TextDelta) == text

    def new_of(self, kind: Kind, message: str) -> str:
        """What a whole message has that was not said yet.

        One that does not begin with what was said is another wording of it (trimmed, say), and has nothing new; unless
        all came in messages: then they are the pieces.
        """
        said = self.whole(kind)
        if message.startswith(said):
            return message[len(said) :]
        return message if kind in self._in_messages else ""

    def whole(self, kind: Kind) -> str:
        """All that was said of a kind."""
        self._join()
        said = self._said[kind]
        if len(said) > 1:
            said[:] = ["".join(said)]
        return said[0] if said else ""

    def _turn_to(self, kind: Kind) -> None:
        self._join()
        self._kind = kind
        self._said_now = self._said[kind]

    def _join(self) -> None:
        pieces = self._pieces
        text = pieces[0] if len(pieces) == 1 else "".join(pieces)
        if "\0" in text:
            text = text.replace("\0", "")
        if text:
            self._deltas.append(self._kind(text))
            self._said_now.append(text)
            self._count += len(pieces)
        pieces.clear()
