"""Where a text contains what somebody looks for, and the part of the text to show for it.

Both sides are looked at with their case folded, and in the one form of all ways to write them (`folding`): what was
found in either is a hit. Folding can lengthen a text (ß becomes ss) and shorten it (e and an accent become é); what is
shown, and where it is marked, is the text as it was written. All offsets count characters (code points).
"""

import re
import unicodedata
from typing import Final

from msgspec import Struct

from lianhua.store.search.folding import MARKS, any_of, boundary, fold, is_crowded, joins, segments, variants

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
        self._one_form = fold(wanted)
        self._caseless = wanted == self._one_form and _CASELESS.fullmatch(wanted) is not None
        # A hit takes up at most as many characters as its forms have when they are taken apart, and the rest of the two
        # signs at its ends.
        self._most_chars = len(unicodedata.normalize("NFKD", self._one_form)) + len(self.folded) + 2 * MARKS
        written = variants(wanted)
        self._variants = any_of(written) if written else None
        # What is in the UTF-8 of every text that has a hit: nothing folds into it, and JSON escapes none of it.
        plain = _parts_without_variants(wanted) if self._caseless else [""]
        self.sure = max(plain, key=len).encode()

    def find(self, text: str, start: int = 0) -> Span | None:
        """The first hit that begins in the `PIECE_CHARS` from `start`, or soon after them."""
        piece = text[start : boundary(text, start + PIECE_CHARS + self._most_chars)]
        hits = [self._find_by_case(piece)]
        if self._variants and not piece.isascii() and self._variants.search(piece):
            hits.append(self._find_in_one_form(piece))
        first, last = min(filter(None, hits), default=(-1, -1))
        return (start + first, start + last) if last >= 0 else None

    def _find_by_case(self, piece: str) -> Span | None:
        folded = piece if self._caseless else piece.casefold()
        hits = ((folded.find(form), len(form)) for form in dict.fromkeys((self.folded, self._one_form)))
        at, size = min((hit for hit in hits if hit[0] >= 0), default=(-1, 0))
        if at < 0:
            return None
        if len(folded) == len(piece):
            return at, at + size
        return _unfolded(piece, at), _unfolded(piece, at + size - 1) + 1

    def _find_in_one_form(self, piece: str) -> Span | None:
        at = fold(piece).find(self._one_form)
        if at < 0:
            return None
        return _segment(piece, at)[0], _segment(piece, at + len(self._one_form) - 1)[1]

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


def _parts_without_variants(wanted: str) -> list[str]:
    return "".join("\0" if variants(character) else character for character in wanted).split("\0")


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


def _segment(text: str, place: int) -> Span:
    """The characters of `text` that became the one at `place` of its one form."""
    step = len(text) if is_crowded(text) else 1_000
    start = 0
    while start < len(text):
        end = boundary(text, start + step)
        size = len(fold(text[start:end]))
        if size > place:
            break
        place -= size
        start = end
    for first, last in segments(text[start:]):
        place -= len(fold(text[start + first : start + last]))
        if place < 0:
            return start + first, start + last
    raise AssertionError("a place behind the text")


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
    return joined or joins(character) or _SELECTORS.fullmatch(character) is not None
