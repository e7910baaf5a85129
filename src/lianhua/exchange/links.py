"""Links in Markdown, made of what a file says a source is."""

import re
from typing import Final

ADDRESS_CHARS: Final = 2_000
_ADDRESS = re.compile(r"https?://[^\s<>]+", re.IGNORECASE)
_HOST = re.compile(r"https?://([^/?#]+)", re.IGNORECASE)


def link(title: object, address: object) -> str:
    """The link; empty where the address is none that a browser should go to."""
    if not isinstance(address, str) or len(address) > ADDRESS_CHARS or not _ADDRESS.fullmatch(address):
        return ""
    host = _HOST.match(address)
    shown = " ".join(title.split()) if isinstance(title, str) else ""
    named = shown or (host[1] if host else address)
    words = re.sub(r"([\\\[\]`*_<>])", r"\\\1", named)
    return f"[{words}]({address.replace('(', '%28').replace(')', '%29')})"
