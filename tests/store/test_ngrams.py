"""Signatures of texts: whatever a text contains, its signature does not deny."""

import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianhua.store.search import ngrams
from lianhua.store.search.ngrams import BITS, PROBES, Signature, positions, probe

TEXTS = [
    "莲花是多年生水生草本植物。",
    "The lotus rises from the mud, untouched.",
    "用 Python 写 FastAPI 服务：`async def`，很好",
    "👨‍👩‍👧‍👦 家庭 🏳️‍🌈 flags 🇨🇳",
    "Die STRASSE und die Straße, ﬁn",
    "İstanbul ile ISPARTA ılık",
    "e\u0301te\u0301 été ÉTÉ",
    "ひらがなとカタカナ、한국어도 있다",
    "𠀀𠀁 rare ideographs 𝒜",
    'tabs\tand\nlines "quoted" \\ \x00',
]
characters = st.one_of(st.characters(), st.sampled_from("莲花连话的是abcABC ßİıéﬁ，。👍\u0301\u200d"))
texts = st.one_of(st.text(characters, min_size=1, max_size=60), st.sampled_from(TEXTS))


def bits(signature: bytes) -> set[int]:
    return {bit for bit in range(BITS) if signature[bit >> 3] & (0x80 >> (bit & 7))}


def indexed(*parts: str) -> set[int]:
    signature = Signature()
    for part in parts:
        signature.add(part)
    return bits(signature.bitmap())


@given(texts, st.data())
def test_a_text_has_the_bits_of_all_it_contains(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : data.draw(st.integers(start + 1, len(text)))]
    whole = indexed(text)
    for written in (part, part.upper(), part.casefold()):
        if written.casefold() in text.casefold():
            assert whole.issuperset(probe(written))


@pytest.mark.parametrize("text", TEXTS)
def test_every_part_of_a_text_is_found(text: str) -> None:
    whole = indexed("something else before", text)
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            assert whole.issuperset(probe(text[start:end]))


@given(texts)
def test_a_signature_is_the_positions_of_its_texts(text: str) -> None:
    assert indexed(text, "莲花") == set(positions(text)) | set(positions("莲花"))


@given(texts)
def test_bit_0_is_no_gram_and_few_bits_are_asked_for(text: str) -> None:
    assert 0 not in positions(text)
    asked = probe(text)
    assert 1 <= len(asked) <= PROBES
    assert set(asked) <= set(positions(text))


@given(texts, st.integers(0, 60))
def test_a_text_may_be_signed_in_pieces_that_overlap_by_two(text: str, cut: int) -> None:
    assert indexed(text[: cut + 2], text[cut:]) >= indexed(text)


def test_the_bits_are_the_same_for_ever() -> None:
    # They stand in stores: another way to count them would miss what was signed before.
    assert sorted(probe("莲")) == [232, 19149, 24492, 24817]
    assert sorted(probe("a")) == [5189, 5199, 13598, 26771]
    assert sum(set(positions("用 Python 写 lotus 莲花"))) == 1_731_212


@given(texts)
def test_the_bits_do_not_depend_on_the_order_of_bytes(text: str) -> None:
    # What a machine of the other order would read, byte for byte.
    data = text.encode("utf-32-le", "surrogatepass")
    assert ngrams._windows(data, 4) == {
        int.from_bytes(data[at : at + 8], "little" if sys.byteorder == "little" else "big")
        for at in range(0, len(data) - 7, 4)
    }


def test_most_of_what_is_not_there_is_denied() -> None:
    chance = random.Random(1)
    words = [
        "".join(chance.choices("的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能", k=2))
        for _ in range(400)
    ]
    letters = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(400)]
    conversations = [
        " ".join(chance.choices(letters, k=400)) + "".join(chance.choices(words, k=1_000)) for _ in range(20)
    ]
    signatures = [indexed(text) for text in conversations]
    rare = ["荷", "藕", "睡莲", "zyx", "quartz", "芙蓉出水"]
    wrong = sum(found.issuperset(probe(word)) for word in rare for found in signatures)
    assert wrong <= 3
