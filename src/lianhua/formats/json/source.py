"""A file on its way to the JSON parser: in blocks, bounded, and with half characters mended that it would change."""

import re
import time
from typing import Final, Protocol

from lianhua.errors import InvalidRequest
from lianhua.formats.values import CONVERSATIONS

BLOCK_BYTES: Final = 64 * 1024
_BOM: Final = b"\xef\xbb\xbf"
# What may stand in JSON up to where an escape names one half of a surrogate pair and no other half follows. Possessive
# throughout: one pass, however long.
_WHOLE = re.compile(
    rb"(?:[^\\]++|\\(?:[^u]|u(?:[0-9a-ceA-CEF][0-9a-fA-F]{3}|f[0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"
    rb"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})))*+"
)
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LONGEST_ESCAPE: Final = 12  # a pair
_REPLACEMENT: Final = rb"\ufffd"


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Allowance:
    """What may be read of a file, in all of its documents together. Raises `InvalidRequest` where it is used up."""

    def __init__(self, limit_bytes: int, until: float = float("inf")) -> None:
        """`until` is by the clock of `time.monotonic`."""
        self._limit_bytes = self._left_bytes = limit_bytes
        self._things = CONVERSATIONS
        self._until = until

    def take(self, size: int) -> None:
        """So many bytes are read."""
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise InvalidRequest("file", f"holds more than {self._limit_bytes // 1024**2} MB")
        if time.monotonic() > self._until:
            raise InvalidRequest("file", "takes too long to read")

    def begin(self) -> None:
        """One more conversation is read, or a persona."""
        self._things -= 1
        if self._things < 0:
            raise InvalidRequest("file", f"holds more than {CONVERSATIONS:,} conversations")


class Source:
    """Reads `file` for the parser. `halves` counts what was mended: UTF-8 cannot hold half a surrogate pair, and the
    parser would make question marks of them.

    Raises `InvalidRequest` when the allowance is used up, or more than `piece` bytes come between two calls of `mark`.
    """

    def __init__(self, file: Readable, allowance: Allowance, piece: int) -> None:
        self.halves = 0
        self.position = 0  # in bytes, at most a block ahead of what has been parsed
        self._file = file
        self._allowance = allowance
        self._piece = piece
        self._marked = 0
        self._rest = b""
        self._peeked = b""
        self.ended = False  # the file has been read to its end

    def peek(self, size: int) -> bytes:
        """The beginning, which stays to be read. Before anything else has been."""
        while len(self._peeked) < size and (block := self._file.read(BLOCK_BYTES)):
            self._peeked += block
        return self._peeked

    def mark(self) -> None:
        """One of the things in the file is over; the next begins."""
        self._marked = self.position

    def read(self, size: int = -1, /) -> bytes:
        """The next block, empty at the end. How much the parser wants makes no difference, but for nothing, with which
        it asks whether these are bytes.
        """
        while size and not self.ended:
            block = self._peeked[:BLOCK_BYTES] or self._file.read(BLOCK_BYTES)
            self._peeked = self._peeked[len(block) :]
            if self.position == 0:
                block = block.removeprefix(_BOM)
            self.position += len(block)
            self._allowance.take(len(block))
            self._check()
            self.ended = not block
            if ready := self._mended(self._rest + block):
                return ready
        return b""

    def _check(self) -> None:
        if self.position - self._marked > self._piece + BLOCK_BYTES:
            raise InvalidRequest("file", f"holds more than {self._piece // 1024**2} MB in one piece, at {self.where}")

    @property
    def where(self) -> str:
        """For people: where in the file something was met."""
        return f"about byte {self.position}"

    def _mended(self, data: bytes) -> bytes:
        """All of it, but for an escape at its end that is not complete yet."""
        if b"\\" not in data:
            self._rest = b""
            return data
        ready: list[bytes] = []
        start = 0
        while True:
            found = _WHOLE.match(data, start)
            end = found.end() if found else start
            ready.append(data[start:end])
            left = len(data) - end
            if left == 0 or (left < _LONGEST_ESCAPE and not self.ended):
                self._rest = data[end:]
                return b"".join(ready)
            if half := _HALF.match(data, end):
                self.halves += 1
                ready.append(_REPLACEMENT)
                start = half.end()
            else:  # no escape of JSON; the parser says so
                ready.append(data[end : end + 1])
                start = end + 1
