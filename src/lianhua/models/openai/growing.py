"""Servers that say all of the reply again in each piece of it, known by how the first pieces grow. Pure.

MiniMax's documentation cuts each piece at the length of what came before; DashScope's own protocol does so unless it is
asked for `incremental_output`, and gateways hand that on.
"""

from typing import Final

# How sure it has to be: two pieces that grow into at least so many characters, so many of them different ("1", "11" and
# "111" may well be three tokens), or one that begins with all of a first piece so long.
GROWN_CHARS: Final = 5
DIFFERENT_CHARS: Final = 3
LONG_CHARS: Final = 16


class Growth:
    """The pieces of one kind of a reply. `settled`: they are pieces, and need not be looked at any more."""

    def __init__(self) -> None:
        self.settled = False
        self.is_on = False
        self._whole = ""
        self._steps = 0

    def begins(self, piece: str) -> bool:
        """Whether only with `piece` it shows that each piece, this one too, holds all before it."""
        before = self._whole
        if self.is_on or self.settled:
            return False
        if before and not (len(piece) > len(before) and piece.startswith(before)):
            self.settled = True
            return False
        self._steps += bool(before)
        self._whole = piece
        different = len(set(before[:LONG_CHARS])) >= DIFFERENT_CHARS
        grown = self._steps > 1 and len(piece) >= GROWN_CHARS and len(set(piece)) >= DIFFERENT_CHARS
        self.is_on = grown or (self._steps == 1 and len(before) >= LONG_CHARS and different)
        return self.is_on

    def new_in(self, piece: str) -> str:
        """What `piece` has that those before it had not."""
        if not self.is_on:
            return piece
        whole = self._whole
        if piece.startswith(whole):
            self._whole = piece
            return piece[len(whole) :]
        if whole.startswith(piece):  # an older one again
            return ""
        self._whole += piece
        return piece
