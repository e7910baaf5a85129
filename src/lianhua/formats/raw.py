"""What of a file was not understood, as a block of JSON that people can read."""

import re
from typing import Any, Final

import msgspec

from lianhua.formats.report import Tally

RAW_CHARS: Final = 20_000  # of one thing: more is a file inside of the file
_encode = msgspec.json.Encoder(enc_hook=lambda unread: None).encode
_TICKS = re.compile("`+")


def fenced(value: Any, tally: Tally) -> str:
    """The value as a block of code (CommonMark), cut off where it is too long."""
    text = _encode(value).decode()
    if len(text) > RAW_CHARS:
        tally.skip("raw", "shortened", text)
        text = text[:RAW_CHARS] + "…"
    return code_block(text, "json")


def code_block(text: str, language: str) -> str:
    """A block of code whose fence is longer than any inside of it."""
    longest = max((len(ticks) for ticks in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
