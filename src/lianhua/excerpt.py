"""Where a text contains what somebody looks for, and the part of the text to show for it.

Case is folded on both sides. Folding can lengthen a text (ß becomes ss, İ becomes i and a dot above), never shorten it;
what is shown, and where it is marked, is the text as it was written. All offsets count characters (code points).
"""

import re
import unicodedata
from typing import Final

from msgspec import Struct

EXCERPT_CHARS: Final = 120
BEFORE_CHARS: Final = 40  # of them before the hit
CUT_CHARS: Final = 16  # how far a cut is moved to fall between words
# Characters looked through at a time: a millisecond. Whoever has other work to do comes back for the next piece.
PIECE_CHARS: Final = 50_000

Span = tuple[int, int]

# No case, and nothing folds into them (a test holds this): such a text need not be folded to be searched for it.
_CASELESS: Final = re.compile("[\u2e80-\ua63f\uac00-\ud7ff\U00020000-\U0003ffff]+")
_BLANKS: Final = re.compile(r"[\s\x00-\x1f]")
_JOINER, _SELECTORS = "\u200d", re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff]")


class Excerpt(Struct, frozen=True):
    """A line of text with the spans in it to mark."""

    text: str
    highlights: tuple[Span, ...]


class Needle:
    """What is looked for; not empty."""

    def __init__(self, wanted: str) -> None:
        self.folded = wanted.casefold()
        self._caseless = _CASELESS.fullmatch(wanted) is not None
        # What is in the UTF-8 of every text that has a hit: nothing folds into it, and JSON escapes none of it.
        self.sure = wanted.encode() if self._caseless else b""

    def find(self, text: str, start: int = 0) -> Span | None:
        """The first hit that begins in the `PIECE_CHARS` from `start`."""
        # A hit takes up at most as many characters as its folded form.
        piece = text[start : start + PIECE_CHARS + len(self.folded) - 1]
        folded = piece if self._caseless else piece.casefold()
        at = folded.find(self.folded)
        if at < 0:
            return None
        end = at + len(self.folded)
        if len(folded) != len(piece):
            at, end = _unfolded(piece, at), _unfolded(piece, end - 1) + 1
        return start + at, start + end

    def excerpt(self, text: str, hit: Span) -> Excerpt:
        """The surroundings of a hit in one line, with every hit in them."""
        start, end = _window(text, hit)
        shown = text[start:end]
        before = "…" if start else ""
        marks = tuple((len(before) + a, len(before) + b) for a, b in self._all(shown))
        return Excerpt(before + _BLANKS.sub(" ", shown) + ("…" if end < len(text) else ""), marks)

    def _all(self, text: str) -> list[Span]:
        """Every hit in a short text, none within another one."""
        found: list[Span] = []
        start = 0
        while hit := self.find(text, start):
            found.append(hit)
            start = hit[1]
        return found


def _unfolded(text: str, place: int) -> int:
    """The character of `text` that became the one at `place` of the folded text."""
    at = 0
    while len(folded := text[at : at + 1_000].casefold()) <= place:
        place -= len(folded)
        at += 1_000
    for character in text[at:]:
        place -= len(character.casefold())
        if place < 0:
            break
        at += 1
    return at


def _window(text: str, hit: Span) -> Span:
    """About `EXCERPT_CHARS` around a hit."""
    first, last = hit
    start = max(0, first - BEFORE_CHARS)
    end = min(len(text), max(start + EXCERPT_CHARS, last + CUT_CHARS))
    start = max(0, min(start, end - EXCERPT_CHARS))  # near the end of the text there is more to show before the hit
    if start:
        start = next((at for at in range(start, min(start + CUT_CHARS, first)) if _parts(text, at)), start)
        while start < first and _belongs_before(text, start):
            start += 1
    if end < len(text):
        end = next((at for at in range(end, max(end - CUT_CHARS, last), -1) if _parts(text, at)), end)
        while end > last and _belongs_before(text, end):
            end -= 1
    return start, end


def _parts(text: str, at: int) -> bool:
    """Whether a word or a phrase ends before the character at `at`."""
    return not text[at - 1].isalnum() and text[at].isalnum()


def _belongs_before(text: str, at: int) -> bool:
    """Whether the character at `at` and the one before it make one sign."""
    character = text[at]
    joined = _JOINER in (character, text[at - 1])
    return joined or unicodedata.combining(character) != 0 or _SELECTORS.fullmatch(character) is not None
