"""Links in Markdown, made of what a file says a source is."""

import re
from typing import Final

from lianhua.chat.plain_text import TITLE_CHARS

ADDRESS_CHARS: Final = 2_000

LINKS: Final = 5  # in one place
# Of texts that a conversation gets in the place of short marks, beyond what the file holds: a mark can come very often.
ROOM_CHARS: Final = 8_000_000
_ADDRESS = re.compile(r"https?://[^\s<>]+", re.IGNORECASE)
_HOST = re.compile(r"https?://([^/?#]+)", re.IGNORECASE)


def link(title: object, address: object) -> str:
    """The link; empty where the address is none that a browser should go to."""
    if not isinstance(address, str) or len(address) > ADDRESS_CHARS or not _ADDRESS.fullmatch(address):
        return ""
    host = _HOST.match(address)
    shown = " ".join(title.split()) if isinstance(title, str) else ""
    named = shown[:TITLE_CHARS] or (host[1] if host else address)
    words = re.sub(r"([\\\[\]`*_<>])", r"\\\1", named)
    return f"[{words}]({address.replace('(', '%28').replace(')', '%29')})"


class Room:
    """Bounds how much longer than its file a conversation may become."""

    def __init__(self, chars: int = ROOM_CHARS) -> None:
        self._left = chars

    def take(self, chars: int) -> bool:
        """Whether there is room for so many more."""
        if chars > self._left:
            return False
        self._left -= chars
        return True
