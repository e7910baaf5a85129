"""Gemini's "My Activity" as the page that Google Takeout makes unless JSON is asked for: a cell for each record.

In a cell stand the verb and the prompt, a line with the time in the reader's language, and the answer's HTML. By that
line prompt and answer are told apart, so a cell without one is counted and left out. Times in English and in figures
are read; of others it is only known that they are some.
"""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from lianhua.errors import InvalidRequest
from lianhua.formats.html_text import as_markdown
from lianhua.formats.json.source import BLOCK_BYTES, Source
from lianhua.formats.report import Tally

LOOK_BYTES: Final = 256 * 1024  # of the page, by which it is known; its style comes first
RECORD_BYTES: Final = 4 * 1024 * 1024  # an answer is never near that
_CELL: Final = b'<div class="outer-cell'
_PRODUCT = re.compile(r'mdl-typography--title">\s*([^<]{1,100})<', re.ASCII)
_BODY = re.compile(r'<div class="content-cell[^"]*mdl-typography--body-1">(.*?)<div class="content-cell', re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ENGLISH = re.compile(
    r"(?:(\d{1,2}) ([A-Z][a-z]{2})[a-z]*|([A-Z][a-z]{2})[a-z]* (\d{1,2})),? (\d{4}),? (\d{1,2}):(\d{2}):(\d{2})"
    r"(?:\s?([AP])M)?\s?(?:[A-Z]{2,5}|GMT[+-][\d:]+)?",
    re.ASCII,
)
_YEAR_FIRST = re.compile(
    r"(\d{4})(?:年|[/.-] ?)(\d{1,2})(?:月|[/.-] ?)(\d{1,2})日?[.,]? "
    r"(?:(上午|下午|午前|午後|오전|오후|AM|PM) ?)?(\d{1,2}):(\d{2}):(\d{2})"
    r"(?:\s?[A-Z]{2,5}|\s?GMT[+-][\d:]+)?"
)
# Figures with the day first: German, Russian, French and others. Where the month is first it has a name.
_DAY_FIRST = re.compile(
    r"(\d{1,2})([./-]) ?(\d{1,2})\2 ?(\d{4}),? (\d{1,2})[:.](\d{2})[:.](\d{2})(?:\s?[\w+:-]{1,10}){0,2}"
)
# A year and the time of a day on one short line: a time in whatever language.
_SOME_TIME = re.compile(r"(?=.{0,40}\b[12]\d{3}\b)(?=.{8,50}\b\d{1,2}[:.]\d{2}[:.]\d{2}\b).{14,60}")


def is_page(beginning: bytes) -> bool:
    """Whether that is how the page begins."""
    return _CELL in beginning and b"Gemini" in beginning


def records(source: Source, tally: Tally) -> Iterator[dict[str, Any]]:
    """The records, as `gemini.alone` takes them. Raises `InvalidRequest` for one that is too long."""
    rest = b""
    while block := source.read(BLOCK_BYTES):
        *cells, rest = (rest + block).split(_CELL) if _CELL in rest[-len(_CELL) :] + block else [rest + block]
        for cell in cells:
            source.mark()
            yield from _record(cell, tally)
        if len(rest) > RECORD_BYTES:
            raise InvalidRequest("file", f"holds a record of more than {RECORD_BYTES // 1024**2} MB")
    yield from _record(rest, tally)


def _record(cell: bytes, tally: Tally) -> Iterator[dict[str, Any]]:
    text = cell.decode("utf-8", "replace")
    product, body = _PRODUCT.search(text), _BODY.search(text)
    if product is None or body is None:
        return  # what comes before the first cell
    if "Gemini" not in product[1] and "Bard" not in product[1]:
        tally.skip("conversation", "not_understood", html.unescape(product[1]))
        return
    pieces = _BREAK.split(body[1])
    lines = [" ".join(html.unescape(piece).split()) for piece in pieces[:200]]
    read = next(((place, time) for place, line in enumerate(lines) if place and (time := _time(line))), None)
    some = ((at, line) for at, line in enumerate(lines) if at and _SOME_TIME.fullmatch(line))
    place, time = read or next(some, (0, ""))
    if not place:
        tally.skip("conversation", "no_time", as_markdown(pieces[0]))
        return
    tally.skip("message", "no_time", time, count=read is None)
    answer = as_markdown("<br>".join(pieces[place + 1 :]))
    title = as_markdown("<br>".join(pieces[:place]))
    yield {"title": title, "time": time, "answer": answer, "sources": "", "files": 0}


def _time(line: str) -> str | None:
    """The time that a line is, in ISO 8601; None where it is none. Zones have no names that everybody knows: UTC."""
    if found := _ENGLISH.fullmatch(line):
        day, month = found[1] or found[4], (found[2] or found[3]).lower()
        if month not in _MONTHS:
            return None
        year, number, half = found[5], _MONTHS.index(month) + 1, found[9]
        hour, minute, second = found[6], found[7], found[8]
    elif found := _YEAR_FIRST.fullmatch(line):
        year, number, day, hour, minute, second = found[1], int(found[2]), found[3], found[5], found[6], found[7]
        half = {"上午": "A", "午前": "A", "오전": "A", "AM": "A"}.get(found[4], "P") if found[4] else None
    elif found := _DAY_FIRST.fullmatch(line):
        day, number, year, half = found[1], int(found[3]), found[4], None
        hour, minute, second = found[5], found[6], found[7]
    else:
        return None
    hours = int(hour) % 12 + (12 if half == "P" else 0) if half else int(hour)
    try:
        return datetime(int(year), number, int(day), hours, int(minute), int(second), tzinfo=UTC).isoformat()
    except ValueError:
        return None
