"""The lines of docs/proxies.md, so that what is tested is what is printed there."""

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "proxies.md"


class Lines(NamedTuple):
    """`host` serves a whole name, `path` goes into it and serves a path below it besides."""

    host: str
    path: str


def lines_for(proxy: str) -> Lines:
    """The two blocks below the heading of that name."""
    section = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(f"{proxy}\n"))
    host, path = re.findall(r"^```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return Lines(host, path)
