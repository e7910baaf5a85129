"""One form for all ways to write a text."""

import random
import sys
import time
import unicodedata
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianhua.store.search import folding
from lianhua.store.search.excerpt import PIECE_CHARS, Needle
from lianhua.store.search.folding import MARKS, any_of, boundary, fold, overlapping, segments, variants
from lianhua.store.search.ngrams import Signature, probes

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
WORDS = [
    *(
        "café",
        "Việt",
        "테스트",
        "한국어",
        "ﾃｽﾄ",
        "ガギグ",
        "ＡＢＣ",
        "ﬁnal",
        "Ångström",
        "naïve",
        "क़लम",
        "ญี่ปุ่น",
        "שָׁלוֹם",
        "ﻻ",
    ),
    *("Ὀδυσσεύς", "ὦ ᾳ", "ǅungla", "㍿", "①②", "½", "ẛ̣", "ἱστορίᾳ", "ตำ", "བོད་", "တိၢ်", "కోతి", "e\u0302\u0323"),
    *("ê\u0323", "ẹ\u0302", "\u212b", "İstanbul", "straße", "ŉ", "ǰ", "ᾷ", "\uf900", "\u2f00", "가ㄳ", "…", "𝕏"),
    *("x\u0300\u0316", "ｶﾞ", "か\u3099"),
]
NASTY = "".join(WORDS) + "\u0301\u0323\u0345\u3099\uff9e\u1161\u11a8\u0f73\u09be\u0dcf\u1100ᄀＡaA 莲"
nasty = st.text(st.one_of(st.sampled_from(NASTY), st.characters(exclude_categories=["Cs"])), max_size=40)


@pytest.mark.parametrize("word", WORDS)
def test_every_way_to_write_a_word_is_found_by_every_other_one(word: str) -> None:
    ways = {word, word.upper(), word.lower(), *(unicodedata.normalize(form, word) for form in FORMS)}
    ways = {way for way in ways if fold(way) == fold(word)}  # ŉ in upper case is two letters of their own
    assert len(ways) >= 1
    for written in ways:
        text = f"“{written}”, 莲"
        for wanted in ways:
            needle = Needle(wanted)
            assert needle.find(text) == (1, 1 + len(written)), (written, wanted)
            ((start, end),) = needle.excerpt(text, (1, 1 + len(written))).highlights
            assert text[start:end] == written
            assert needle.sure in text.encode()
            signature = Signature()
            signature.add(text)
            assert any(has(signature.bitmap(), bits) for bits in probes(wanted)), (written, wanted)


def has(bitmap: bytes, bits: list[int]) -> bool:
    return all(bitmap[bit >> 3] & (0x80 >> (bit & 7)) for bit in bits)


@pytest.mark.parametrize(
    ("text", "wanted"), [("café", "cafe"), ("설", "서"), ("がか", "ガカ"), ("ba\u0308d", "b\u0308"), ("ＡＢ", "AC")]
)
def test_another_character_is_not_found(text: str, wanted: str) -> None:
    assert Needle(wanted).find(text) is None


def test_what_is_written_as_it_is_looked_for_is_found_whatever_joins_it() -> None:
    assert Needle("합니다").find("감사합니다ㄳ") == (2, 5)
    assert Needle("cafe").find("cafe\u0301") == (0, 4)


@given(nasty)
def test_the_one_form_is_one(text: str) -> None:
    one = fold(text)
    assert fold(one) == one
    for form in FORMS:
        assert fold(unicodedata.normalize(form, text)) == one


def test_the_one_form_of_every_character_is_one() -> None:
    for code in range(sys.maxunicode + 1):
        if not 0xD800 <= code < 0xE000:
            one = fold(chr(code))
            assert fold(one) == one
            assert one


def test_every_character_that_has_another_form_or_joins_others_is_known() -> None:
    known = set(chain(*folding._FORMS.of.values()))
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if not (character in known or 0xD800 <= code < 0xE000):
            assert unicodedata.combining(character) == 0
            assert fold(character) == character.casefold()
            assert not folding.joins(character)
    assert all(any_of(some).search(character) for some in batched(known) for character in some)


def batched(known: set[str]) -> list[str]:
    ordered = sorted(known)
    return ["".join(ordered[start : start + 50]) for start in range(0, len(ordered), 50)]


@given(nasty)
def test_segments_are_folded_one_by_one(text: str) -> None:
    parts = list(segments(text))
    assert "".join(text[start:end] for start, end in parts) == text
    assert "".join(fold(text[start:end]) for start, end in parts) == fold(text)
    assert all(end == start for (_, end), (start, _) in pairwise(parts))
    assert all(boundary(text, start) == start for start, _ in parts[1:])


@given(nasty, nasty, nasty, st.sampled_from(FORMS), st.sampled_from(FORMS))
def test_what_is_found_is_what_was_looked_for(before: str, word: str, after: str, there: str, looked_for: str) -> None:
    wanted = unicodedata.normalize(looked_for, word)
    if not wanted:
        return
    text = before + unicodedata.normalize(there, word) + after
    needle = Needle(wanted)
    hit = needle.find(text)
    if fold(wanted) in fold(text):
        assert hit
    if hit:
        shown = text[slice(*hit)]
        assert fold(wanted) in fold(shown) or wanted.casefold() in shown.casefold()
        assert len(shown) <= needle._most_chars
        assert needle.sure in text.encode("utf-8", "surrogatepass")
        signature = Signature()
        signature.add(text)
        assert any(has(signature.bitmap(), bits) for bits in probes(wanted))


@given(nasty)
def test_without_its_variants_a_text_needs_no_folding(text: str) -> None:
    one = fold(text)
    for form in FORMS:
        written = unicodedata.normalize(form, text)
        assert written.casefold() == one or set(written) & set(variants(text)) or written.casefold() == text.casefold()


@given(st.text(st.sampled_from("aé\u0301\u0323e한\u1112\u1161\u11abｶﾞ莲x"), max_size=80), st.integers(1, 20))
def test_pieces_hold_whatever_three_characters_come_from(text: str, size: int) -> None:
    pieces = [fold(piece) for piece in overlapping(text, size)]
    whole = fold(text)
    for start in range(len(whole)):
        assert any(whole[start : start + 3] in piece for piece in pieces)
    assert all(len(piece) <= size + 3 * (MARKS + 1) for piece in overlapping(text, size))


def test_a_hit_across_the_pieces_of_a_long_text_is_found_in_every_form() -> None:
    for form in ("NFC", "NFD"):
        word = unicodedata.normalize(form, "Việt 테스트")
        for before in range(PIECE_CHARS - len(word) - 1, PIECE_CHARS + 2, 3):
            text = "é" * before + word + "x" * 100
            needle = Needle("VIỆT 테스트")
            assert (needle.find(text) or needle.find(text, PIECE_CHARS)) == (before, before + len(word))


def test_marks_without_end_cost_no_time() -> None:
    chance = random.Random(1)
    heap = "a" + "".join(chance.choices("\u0315\u0323\u0301\u0327", k=PIECE_CHARS - 8)) + " needle é"
    began = time.thread_time()
    assert fold(heap)
    assert Needle("e\u0301").find(heap) == (len(heap) - 1, len(heap))
    assert Needle("needle").find(heap) is not None
    Signature().add(heap)
    assert time.thread_time() - began < 0.5


def test_a_long_text_in_any_script_is_looked_through_in_short_steps() -> None:
    chance = random.Random(2)
    for index in ("日本語がギ、！", "오늘 날씨가", "Việt trời đẹp", "ｶﾞｷﾞ", "e\u0301a\u0300"):
        text = "".join(chance.choices(index, k=PIECE_CHARS))
        for wanted in ("nowhere é", "がギ여기", "lotus!"):
            needle = Needle(wanted)
            needle.find("x")
            began = time.thread_time()
            assert needle.find(text) is None
            assert time.thread_time() - began < 0.05
