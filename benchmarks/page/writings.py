"""Texts for the page: replies of mixed markdown cut into pieces, and long conversations as a file of ours."""

import random
import uuid
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.vocabulary import Vocabulary

END: Final = "That was all of it."
FIRST: Final = "How it began, in words that stand nowhere else: chrysoberyl."
_CODE: Final = "def step_{n}(value: int) -> int:\n    # ({n}) one more\n    return value * {n} + 1\n"


class Writer:
    """Writes the same texts every time. Each block has a number in round brackets, so none is lost unseen."""

    def __init__(self, seed: int = 7) -> None:
        self._chance = random.Random(seed)
        self._words = Vocabulary(seed)
        self._number = 0

    def mixed(self, characters: int, *, rows: int = 8) -> str:
        """Headings, paragraphs, lists, tables of so many `rows`, quotes and code in turn, and at last `END`."""
        kinds = (self._paragraph, self._list, self._paragraph, self._table, self._quote, self._code)
        blocks: list[str] = []
        while sum(map(len, blocks)) < characters:
            kind = kinds[len(blocks) % len(kinds)]
            heading = f"## {self._next()} {self._english(4)}\n\n" if len(blocks) % 3 == 0 else ""
            blocks.append(heading + kind(rows))
        return "\n\n".join([*blocks, END])

    def fence(self, characters: int) -> str:
        """One code fence, and `END` behind it."""
        lines: list[str] = []
        while sum(map(len, lines)) < characters:
            lines.append(_CODE.format(n=self._number_only()))
        return f"```python\n{''.join(lines)}```\n\n{END}"

    def message(self, characters: int = 600) -> str:
        """A message of a conversation, in one of the languages, sometimes with a list or with code."""
        words = self._chinese if self._chance.random() < 0.5 else self._english
        parts = [f"{self._next()} {words(30)}"]
        while sum(map(len, parts)) < characters:
            parts.append(self._chance.choice((self._paragraph, self._paragraph, self._list, self._code))(3))
        return "\n\n".join(parts)

    def _next(self) -> str:
        return f"({self._number_only()})"

    def _number_only(self) -> int:
        self._number += 1
        return self._number

    def _english(self, count: int) -> str:
        return " ".join(self._chance.choices(self._words.english[:3000], k=count))

    def _chinese(self, count: int) -> str:
        return "".join(self._chance.choices(self._words.chinese[:3000], k=count)) + "。"

    def _paragraph(self, rows: int) -> str:
        bold, code = self._english(2), self._english(1)
        return (
            f"{self._next()} {self._english(18)} **{bold}** {self._english(9)} `{code}`，{self._chinese(14)}"
            f"[{self._english(2)}](https://example.com/{code}) {self._english(6)}."
        )

    def _list(self, rows: int) -> str:
        ordered = self._chance.random() < 0.5
        items = []
        for row in range(rows):
            mark = f"{row + 1}." if ordered else "-"
            items.append(f"{mark} {self._next()} {self._english(6)} *{self._english(1)}* {self._chinese(4)}")
            if row % 4 == 3:
                items.append(f"   - {self._next()} {self._english(5)}")
        return "\n".join(items)

    def _table(self, rows: int) -> str:
        head = f"| {self._next()} | {self._english(1)} | {self._chinese(2)} |\n|---|---:|---|"
        lines = [f"| {self._next()} {self._english(2)} | {row} | {self._chinese(3)} |" for row in range(rows)]
        return "\n".join([head, *lines])

    def _quote(self, rows: int) -> str:
        return f"> {self._next()} {self._english(16)}\n> {self._chinese(12)}"

    def _code(self, rows: int) -> str:
        return f"```python\n{_CODE.format(n=self._number_only())}```"


def numbers(text: str) -> list[int]:
    """The numbers of the blocks in a text, in its order."""
    return [int(part.split(")")[0]) for part in text.split("(")[1:] if part.split(")")[0].isdigit()]


def in_pieces(text: str, count: int) -> list[str]:
    """The text in so many pieces of different lengths, as a model's tokens are."""
    chance = random.Random(count)
    cuts = sorted(chance.sample(range(1, len(text)), count - 1))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def conversations(count: int, messages: int) -> tuple[dict[str, Any], Sequence[str]]:
    """Our own file with so many conversations of so many messages, half of them replies, and their ids."""
    writer = Writer(11)
    ids = [str(uuid.UUID(int=number + 1, version=4)) for number in range(count)]
    return {"format": "lianhua", "version": 1, "conversations": [_talk(writer, id_, messages) for id_ in ids]}, ids


def _talk(writer: Writer, id_: str, messages: int) -> dict[str, Any]:
    at = 1_700_000_000
    texts = [writer.message() for _ in range(messages)]
    texts[0] = f"{FIRST}\n\n{texts[0]}"
    texts[-1] = f"{texts[-1]}\n\n{END}"
    said = [
        {"id": f"m{place}", "role": ("user", "assistant")[place % 2], "content": text, "timestamp": at + place}
        | ({"parent_id": f"m{place - 1}"} if place else {})
        for place, text in enumerate(texts)
    ]
    head = {"id": id_, "title": f"Long {id_[-4:]}", "role": "assistant", "created_at": at, "updated_at": at + messages}
    return {**head, "messages": said}
