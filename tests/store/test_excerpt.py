"""What a search shows: the hit, its surroundings, and where to mark it."""

import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianhua.store.search.excerpt import _CASELESS, EXCERPT_CHARS, PIECE_CHARS, Excerpt, Needle
from lianhua.store.search.folding import fold

LONG_EN = "The lotus is a symbol of purity in many cultures, because it rises clean from the mud. " * 6
LONG_ZH = "莲花出淤泥而不染，濯清涟而不妖，中通外直，不蔓不枝，香远益清，亭亭净植，可远观而不可亵玩焉。" * 6


def excerpt(text: str, wanted: str) -> Excerpt:
    needle = Needle(wanted)
    hit = needle.find(text)
    assert hit is not None
    return needle.excerpt(text, hit)


def marked(found: Excerpt) -> list[str]:
    return [found.text[start:end] for start, end in found.highlights]


def test_a_short_text_is_shown_as_it_is() -> None:
    assert excerpt("你好，莲花！", "莲花") == Excerpt("你好，莲花！", ((3, 5),))


@pytest.mark.parametrize("text", [LONG_EN + "Here: NEEDLE. " + LONG_EN, LONG_ZH + "这里是NEEDLE啊。" + LONG_ZH])
def test_a_long_text_is_cut_around_the_hit(text: str) -> None:
    found = excerpt(text, "needle")
    assert marked(found) == ["NEEDLE"]
    assert found.text.startswith("…")
    assert found.text.endswith("…")
    assert EXCERPT_CHARS - 35 <= len(found.text) <= EXCERPT_CHARS + 2
    assert found.text.strip("…") in text


def test_words_are_not_cut_where_that_can_be_helped() -> None:
    found = excerpt(LONG_EN + "needle " + LONG_EN, "needle")
    shown = found.text.strip("…")
    assert f" {shown}" in LONG_EN + "needle " + LONG_EN
    assert not shown[-1].isalnum() or shown.split()[-1] in LONG_EN.split()


def test_near_the_end_more_is_shown_before_the_hit() -> None:
    found = excerpt(LONG_EN + "needle", "needle")
    assert found.text.endswith("needle")
    assert len(found.text) >= EXCERPT_CHARS - 16


def test_every_hit_in_sight_is_marked() -> None:
    found = excerpt("lotus Lotus LOTUS lotuslotus", "lotus")
    assert marked(found) == ["lotus", "Lotus", "LOTUS", "lotus", "lotus"]


@pytest.mark.parametrize(
    ("text", "wanted", "shown"),
    [
        ("Die Straße", "STRASSE", "Straße"),
        ("Die STRASSE", "straße", "STRASSE"),
        ("Straße", "s", "S ß"),
        ("ßßß", "sss", "ßß"),
        ("İstanbul", "i", "İ"),
        ("ẞ und ß", "ss", "ẞ ß"),
        ("ﬁne", "FI", "ﬁ"),
        ("ÉTÉ", "été", "ÉTÉ"),
    ],
)
def test_what_folding_lengthens_is_marked_as_it_was_written(text: str, wanted: str, shown: str) -> None:
    assert " ".join(marked(excerpt(text, wanted))) == shown


def test_line_ends_become_blanks() -> None:
    found = excerpt("one\ntwo\tneedle\r\nthree", "o\nneedle".replace("o\n", "o\t"))
    assert found == Excerpt("one two needle  three", ((6, 14),))


def test_a_character_of_several_code_points_stays_whole() -> None:
    for index in ("👨‍👩‍👧‍👦", "e\u0301", "👍🏽", "❤️"):
        for shift in range(len(index) + 1):
            found = excerpt("莲" * shift + index * 60 + "针" + index * 60, "针")
            shown = found.text.strip("…").replace("莲", "").replace("针", "")
            assert shown == index * (len(shown) // len(index))


def test_a_hit_across_the_pieces_of_a_long_text_is_found() -> None:
    for before in range(PIECE_CHARS - 8, PIECE_CHARS + 2):
        text = "ß" * before + "Needle" + "x" * 100
        needle = Needle("needle")
        hit = needle.find(text) or needle.find(text, PIECE_CHARS)
        assert hit == (before, before + 6)
        assert marked(needle.excerpt(text, hit)) == ["Needle"]


@given(st.text(max_size=300), st.text(min_size=1, max_size=6))
def test_it_finds_what_the_folded_text_contains(text: str, wanted: str) -> None:
    needle = Needle(wanted)
    hit = needle.find(text)
    assert hit or wanted.casefold() not in text.casefold()

    def says_it(part: str) -> bool:
        return wanted.casefold() in part.casefold() or fold(wanted) in fold(part)

    if hit:
        start, end = hit
        assert says_it(text[start:end])
        found = needle.excerpt(text, hit)
        assert found.highlights
        if wanted.isprintable():  # what is not becomes a blank
            assert all(says_it(shown) for shown in marked(found))


@given(st.text(min_size=1, max_size=400), st.data())
def test_every_part_of_a_text_can_be_shown(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    wanted = text[start : start + data.draw(st.integers(1, 200))]
    found = excerpt(text, wanted)
    assert found.highlights
    assert len(found.text) <= max(EXCERPT_CHARS, 40 + len(wanted) + 16) + 2


def test_characters_without_case_are_what_nothing_folds_into() -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        folded = character.casefold()
        if folded != character:
            assert not any(_CASELESS.fullmatch(part) for part in folded)
            assert not _CASELESS.fullmatch(character)


def test_a_long_text_is_looked_through_in_short_steps() -> None:
    text = "Straße und 莲花 " * 20_000
    needle = Needle("nowhere")
    for start in range(0, len(text), PIECE_CHARS):
        began = time.thread_time()
        assert needle.find(text, start) is None
        assert time.thread_time() - began < 0.02
