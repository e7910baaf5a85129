"""One form for all ways to write a text, so that a search finds each of them.

Alike are: upper and lower case; composed and decomposed characters (é as one or as two, Hangul syllables and their
letters, marks in any order); and what differs only in width or shape (fullwidth Ａ, halfwidth ｶﾞ, ligatures, ①). This is
Unicode's compatibility caseless match (The Unicode Standard, 3.13, D146), in composed form, so that e does not occur
in é nor 서 in 설.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

# Marks on one character. Python sorts them by comparing each with each: 30,000 of them would take a second. Beyond so
# many they are taken for further characters (Unicode Standard Annex 15, 13, "Stream-Safe Text Format").
MARKS: Final = 30
# Where there are characters that have another form or join with what stands before them (a test holds this); elsewhere
# are ideographs, Hangul syllables, private use and planes that are empty.
_LOOKED_AT: Final = ((0xA0, 0x3400), (0xA640, 0xAC00), (0xF900, 0x20000), (0x2F800, 0x2FA20))
# Mathematical letters, enclosed ones and compatibility ideographs.
_RARE: Final = "\U0001d100-\U0001d7ff\U0001ee00-\U0001f2ff\U0002f800-\U0002fa1f"
_JAMO: Final = range(0x1161, 0x1200)  # vowels and final consonants, which join with what stands before (3.12)


def fold(text: str) -> str:
    """The one form. Of two texts that differ only in the ways above it is the same."""
    if text.isascii():
        return text.casefold()
    if is_crowded(text):
        return "".join(_folded(text[start:end]) for start, end in segments(text))
    return _folded(text)


def is_crowded(text: str) -> bool:
    """Whether more than `MARKS` stand on one character, in no order."""
    return not unicodedata.is_normalized("NFC", text) and _FORMS.crowded.search(text) is not None


def segments(text: str) -> Iterator[tuple[int, int]]:
    """Where each character with all that joins it begins and ends: the folded text is the folded segments joined."""
    for found in _FORMS.segment.finditer(text):
        yield found.span()


def overlapping(text: str, chars: int) -> Iterator[str]:
    """The text in pieces of about `chars`, each reaching two characters with their marks into the next one: what three
    folded characters in a row come from is whole in one of them.
    """
    start = 0
    while start < len(text):
        end = boundary(text, start + chars)
        reach = boundary(text, boundary(text, end + 1) + 1)
        yield text[start:reach]
        start = end


def boundary(text: str, at: int) -> int:
    """The first place from `at` on where a segment can begin, at most `MARKS` further on."""
    latest = min(at + MARKS, len(text))
    while at < latest and _FORMS.joins.match(text, at):
        at += 1
    return min(at, len(text))


def joins(character: str) -> bool:
    """Whether a character can become one with what stands before it."""
    return _FORMS.joins.match(character) is not None


def variants(text: str) -> str:
    """Those that can become a part of `text`, of the characters that do not stay as they are or may join others.

    Where another text has none of them, `text` is in its one form only if it is there with the case folded.
    """
    needed = set(unicodedata.normalize("NFKD", fold(text)))
    return "".join(sorted({variant for part in needed for variant in _FORMS.of.get(part, ())}))


def any_of(characters: str) -> re.Pattern[str]:
    """Finds one of `variants`, or of others that are as rare: a pattern is quick with few ranges beyond U+FFFF."""
    others = re.sub(f"[{_RARE}]", "", characters)
    return re.compile(f"[{_ranges(list(others))}{_RARE if others != characters else ''}]")


class _Forms:
    """What Python's own tables say of every character, gathered once: 30 ms."""

    def __init__(self) -> None:
        self._second_parts = _second_parts()
        joining: list[str] = []
        of: dict[str, list[str]] = defaultdict(list)
        for character in _candidates(self._second_parts):
            decomposed = unicodedata.normalize("NFKD", character)
            if self._is_joining(decomposed[0]):
                joining.append(character)
            elif _folded(character) == character.casefold():
                continue
            for part in set(unicodedata.normalize("NFKD", decomposed.casefold())):
                of[part].append(character)
        any_joining = f"[{_ranges(joining)}]"
        self.of = of
        self.joins = re.compile(any_joining)
        self.crowded = re.compile(f"{any_joining}{{{MARKS + 1}}}")
        self.segment = re.compile(f".{any_joining}{{0,{MARKS}}}", re.DOTALL)

    def _is_joining(self, part: str) -> bool:
        return unicodedata.combining(part) != 0 or ord(part) in _JAMO or part in self._second_parts


def _second_parts() -> frozenset[str]:
    """The second halves of all that is composed of two, Hangul aside."""
    found: set[str] = set()
    for character in map(chr, _codes()):
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(chr(int(parts[1], 16)))
    return frozenset(found)


def _candidates(second_parts: frozenset[str]) -> Iterator[str]:
    """Whatever has another form or may join with what stands before it."""
    for code in _codes():
        character = chr(code)
        changes = unicodedata.decomposition(character) or unicodedata.combining(character)
        if changes or code in _JAMO or character in second_parts:
            yield character


def _codes() -> Iterator[int]:
    for first, end in _LOOKED_AT:
        yield from range(first, end)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).casefold())


def _ranges(characters: list[str]) -> str:
    """As a character class has them."""
    runs: list[list[int]] = []
    for code in map(ord, characters):
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in runs)


_FORMS: Final = _Forms()
