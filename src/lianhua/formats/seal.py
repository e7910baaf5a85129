"""The end mark of a file of ours: how long it is, and the SHA-256 of all that comes before.

Some programs hand over a download that was cut off as if it were whole (WebKitGTK 2.50 does with a chunked body). So a
file says itself where it ends, and whoever reads it can tell.
"""

import hashlib
import re
from typing import Final

from lianhua.errors import FileDamaged
from lianhua.formats.json.source import BLOCK_BYTES, Allowance, Readable

MARK_BYTES: Final = 512  # more than any mark has
_MARK = re.compile(rb'\n"end":\{"conversations":\d{1,9},"bytes":(\d{1,15}),"sha256":"([0-9a-f]{64})"\}\}\s*\Z')


class Seal:
    """Counts and hashes what passes."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._size = 0

    def over(self, piece: bytes) -> bytes:
        """The piece, as part of the file."""
        self._digest.update(piece)
        self._size += len(piece)
        return piece

    def of_json(self, conversations: int) -> bytes:
        """The last member of our JSON file, and its end."""
        return b'"end":{"conversations":%d,%b}}\n' % (conversations, self._fields())

    def of_markdown(self) -> bytes:
        """The last line of Markdown, which is not shown."""
        return self.over(b"\n") + b"<!-- end {%b} -->\n" % self._fields()

    def _fields(self) -> bytes:
        return b'"bytes":%d,"sha256":"%b"' % (self._size, self._digest.hexdigest().encode())


def check(file: Readable, allowance: Allowance) -> bool:
    """Whether the JSON file of ours has a mark that is right; False where it has none in the form that we write it.

    Raises `FileDamaged` where it is wrong.
    """
    digest = hashlib.sha256()
    size = 0
    held = b""
    while block := file.read(BLOCK_BYTES):
        allowance.take(len(block))
        held += block
        digest.update(held[:-MARK_BYTES])
        size += len(held[:-MARK_BYTES])
        held = held[-MARK_BYTES:]
    found = _MARK.search(held)
    if found is None:
        return False
    digest.update(held[: found.start() + 1])
    size += found.start() + 1
    if (size, digest.hexdigest()) != (int(found[1]), found[2].decode()):
        raise FileDamaged(
            "file",
            f"is not the export that it was: its end tells of {int(found[1]):,} bytes before it and of their SHA-256, "
            f'here are {size:,} others. Export it again; or, if you have changed it on purpose, remove its "end"',
        )
    return True
