"""HTML that a model's answer was turned into, as Markdown again: as far as answers have any.

By a table of tags and one pass: of 60 KB of `<a ` Python 3.11 makes 100 s with its own parser.
"""

import html
import re
from typing import Final

from lianhua.formats.links import link
from lianhua.formats.raw import code_block

DEPTH: Final = 20  # of lists in lists; further in is drawn no further in
_BLOCKS: Final = frozenset(("p", "div", "ul", "ol", "table", "blockquote", "section", "article", "tr"))
_MARKS: Final = {"b": "**", "strong": "**", "i": "*", "em": "*", "del": "~~", "s": "~~", "code": "`"}
_HEADINGS: Final = {f"h{level}": "\n\n" + "#" * level + " " for level in range(1, 7)}
_OPENS: Final = {**_MARKS, **_HEADINGS, "br": "\n", "hr": "\n\n---\n\n", "td": " | ", "th": " | "}
_HIDDEN: Final = frozenset(("script", "style", "title"))
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]{0,20})\b([^<>]*+)>|<[!?][^<>]*+>", re.ASCII)
_ADDRESS = re.compile(r"\bhref\s?=\s?[\"']([^\"']{0,2000})", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_LINES = re.compile(r"[ \t]*\n(?:[ \t]*\n)+")


def as_markdown(text: str) -> str:
    """The text; what is no HTML stays as it is."""
    if "<" not in text and "&" not in text:
        return text.strip()
    reader = _Reader()
    at = 0
    for tag in _TAG.finditer(text):
        reader.say(html.unescape(text[at : tag.start()]))
        at = tag.end()
        if tag[2] and tag[1]:
            reader.end(tag[2].lower())
        elif tag[2]:
            reader.begin(tag[2].lower(), tag[3])
    reader.say(html.unescape(text[at:]))
    return reader.text()


class _Reader:
    def __init__(self) -> None:
        self._out: list[str] = []
        self._lists: list[int] = []  # the next number of each open list, 0 for one without numbers
        self._code: list[str] | None = None
        self._address: str | None = None
        self._linked: list[str] = []
        self._hidden = 0

    def text(self) -> str:
        if self._code is not None:
            self._end_code()
        return _LINES.sub("\n\n", "".join(self._out)).strip()

    def begin(self, tag: str, attributes: str) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif self._code is not None:
            if tag == "br":
                self._code.append("\n")
        elif tag == "pre":
            self._code = []
        elif tag == "li":
            self._item()
        elif tag in ("ul", "ol"):
            self._put("" if self._lists else "\n\n")
            self._lists.append(1 if tag == "ol" else 0)
        elif tag in _BLOCKS:
            self._put("\n" if self._lists else "\n\n")
        elif tag == "a":
            found = _ADDRESS.search(attributes)
            self._address, self._linked = (html.unescape(found[1]) if found else None), []
        else:
            self._put(_OPENS.get(tag, ""))

    def end(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(self._hidden - 1, 0)
        elif self._code is not None:
            if tag == "pre":
                self._end_code()
        elif tag in _BLOCKS or tag in _HEADINGS:
            is_list = tag in ("ul", "ol")
            if is_list and self._lists:
                self._lists.pop()
            self._put("\n\n" if not self._lists else "" if is_list else "\n")
        elif tag == "a" and self._address is not None:
            shown, address = "".join(self._linked), self._address
            self._address = None
            self._put(link(shown, address) or shown)
        else:
            self._put(_MARKS.get(tag, ""))

    def say(self, data: str) -> None:
        if self._hidden:
            return
        if self._code is not None:
            self._code.append(data)
        else:
            self._put(_SPACE.sub(" ", data))

    def _item(self) -> None:
        indent = "  " * min(max(len(self._lists) - 1, 0), DEPTH)
        number = self._lists[-1] if self._lists else 0
        if number:
            self._lists[-1] += 1
        self._put(f"\n{indent}{f'{number}.' if number else '-'} ")

    def _end_code(self) -> None:
        code, self._code = "".join(self._code or []).strip("\n"), None
        self._put(f"\n\n{code_block(code, '')}\n\n")

    def _put(self, text: str) -> None:
        (self._linked if self._address is not None else self._out).append(text)
