"""What a text is found by: its characters, its pairs and its alphabetic triples, each as bits of a signature.

They are those of the text with its case folded, and of the one form of all ways to write it (`folding`).

A text that contains another one has all the bits of the other one, so a signature without them need not be read on.
That a signature has them proves nothing: different grams share bits.
"""

import re
import sys
import unicodedata
from array import array
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from lianhua.store.search.folding import fold

# 4 KiB, a tenth of the texts it stands for. Of 50 messages of 200 characters, half Chinese, a third of the bits are
# set: of ten conversations that have a word's characters but not the word one is read in vain. With twice as many bits
# it is one of thirty, for twice the memory.
BITS: Final = 32_768
# Set in a signature of everything that is there, as it is made today; one that was made without the one form lacks it.
MADE_BIT: Final = BITS
_MADE: Final = b"\x80"
PROBES: Final = 12  # bits asked for; more hardly tell more


class Kind(NamedTuple):
    """How grams of one kind are spread over the signature: each is multiplied by an odd number, and parts of the
    product say which bits it sets (Knuth, The Art of Computer Programming 3, 6.4, "multiplicative hashing"). The bits
    stand in every store: to change a number here is to sign everything anew.
    """

    multiplier: int
    parts: tuple[int, ...]  # of 16 bits each, the lowest is 0


# Who looks for one character has nothing else to ask for: with one bit 14 of 100 conversations would be read in vain,
# with four it is one. And a Chinese word is one pair: with one bit 30 of 100, with two ten.
SINGLE: Final = Kind(0x516_28AE_D2A6_ABF7_1588_09CF_4F3D, (2, 3, 4, 5))
PAIR: Final = Kind(0x5BE_9E37_79B9_7F4A_7C15, (3, 4))
TRIPLE: Final = Kind(0x5BE_9E37_79B9_7F4A_7C15, (3,))

# Ideographs, kana and Hangul say enough as pairs; the pairs of an alphabet are in every text.
_ALPHABETIC: Final = re.compile("[\0-\u2e7f]{3,}")
_LANE_BYTES: Final = 16
_SHIFT: Final = 16 - (BITS.bit_length() - 1)


class Signature:
    """The bits of many texts: what contains none of them has, but for chance, other bits."""

    def __init__(self) -> None:
        self._digits = bytearray(b"0" * BITS)

    def add(self, text: str) -> None:
        """Adds the bits of a text: 0.3 ms for 1,000 characters."""
        digits = self._digits
        for position in positions(text):
            digits[position] = 49  # "1"

    def bitmap(self) -> bytes:
        """As the store numbers them, bit 0 being the highest one of the first byte; `MADE_BIT` comes last. Empty where
        there was no text.
        """
        bits = int(self._digits, 2)
        return bits.to_bytes(BITS // 8, "big") + _MADE if bits else b""


def positions(text: str) -> list[int]:
    """The bits of a text and of every part of it, upper and lower case alike, some of them more than once. Bit 0 is
    never among them.
    """
    folded, one_form = text.casefold(), fold(text)
    singles, pairs, triples = _ngrams(folded)
    if one_form != folded:
        more = _ngrams(one_form)
        singles, pairs, triples = singles | more[0], pairs | more[1], triples | more[2]
    return [*_spread(singles, SINGLE), *_spread(pairs, PAIR), *_spread(triples, TRIPLE)]


def probes(wanted: str) -> list[list[int]]:
    """Bits of which a text that contains `wanted` has those of at least one list: those of the one form, or of a form
    with its case folded alone. The latter are also what signatures have that were made without the one form.
    """
    written = (wanted, *(unicodedata.normalize(form, wanted) for form in ("NFC", "NFD")))
    forms = dict.fromkeys((fold(wanted), *(each.casefold() for each in written)))
    return [_probe(form) for form in forms]


def probe(text: str) -> list[int]:
    """At most `PROBES` of the text's `positions`, those of the grams that tell most first."""
    return _probe(text.casefold())


def _probe(folded: str) -> list[int]:
    singles, pairs, triples = _ngrams(folded)
    chosen: list[int] = []
    room = PROBES
    for ngrams, kind in ((triples, TRIPLE), (pairs, PAIR), (singles, SINGLE)):
        some = _some(sorted(ngrams), room // len(kind.parts))
        chosen += _spread(some, kind)
        room -= len(some) * len(kind.parts)
    return chosen


def _ngrams(folded: str) -> tuple[set[int], set[int], set[int]]:
    """Characters, pairs and triples as numbers. Python only meets what is new: 0.1 ms for 1,000 characters."""
    wide = _ordered(folded.encode("utf-32-le", "surrogatepass"))
    windows: set[int] = set()
    for run in _ALPHABETIC.findall(folded):
        # Of four characters, the last one of each then dropped: a window of three is no number of a machine.
        windows |= _windows(_ordered(f"{run}\0".encode("utf-16-le")), 2)
    triples = {window & 0xFFFF_FFFF_FFFF for window in windows}
    return set(memoryview(wide).cast("I")), _windows(wide, 4), triples


def _ordered(little_endian: bytes) -> bytes:
    """So that the machine reads the same numbers from it whatever its byte order, if in another sequence."""
    return little_endian if sys.byteorder == "little" else little_endian[::-1]


def _windows(data: bytes, unit: int) -> set[int]:
    """Every eight bytes that begin at a unit, as numbers."""
    view = memoryview(data)
    found: set[int] = set()
    for start in range(0, min(8, len(data)), unit):
        whole = (len(data) - start) // 8 * 8
        found.update(view[start : start + whole].cast("Q"))
    return found


def _spread(ngrams: Collection[int], kind: Kind) -> list[int]:
    """The bits of grams. All are multiplied at once, as one long number: 60 ns a bit, one by one 150."""
    lanes = array("Q", bytes(_LANE_BYTES * len(ngrams)))
    lanes[::2] = array("Q", ngrams)
    product = int.from_bytes(_swapped(lanes).tobytes(), "little") * kind.multiplier
    parts = _swapped(array("H", product.to_bytes(_LANE_BYTES * len(ngrams), "little")))
    return [part >> _SHIFT or 1 for first in kind.parts for part in parts[first :: _LANE_BYTES // 2]]


def _swapped(numbers: "array[int]") -> "array[int]":
    """Between the machine's byte order and that of the long number."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _some(ngrams: Sequence[int], count: int) -> Sequence[int]:
    """At most `count` of them, from everywhere."""
    if len(ngrams) <= count:
        return ngrams
    return [ngrams[place * len(ngrams) // count] for place in range(count)]
