"""Server-sent events as bytes, in and out, without I/O.

The grammar is the HTML Living Standard's, 9.2.6 "Interpreting an event stream". `Decoder` reads what a model's
server sends, `frame` and its kin write what our viewers read.
"""

import re

from msgspec import Struct

# A longer line is no event of a chat: a chunk of a reply is near 300 bytes, with log probabilities a few KiB.
MAX_EVENT_BYTES = 1024 * 1024

# A line that has grown so far and is within a data URL by then is a picture (0.5 to 20 MB). The rest of its letters is
# dropped as it comes, so that the bound above holds for what is kept; of those dropped a line may have so many:
PICTURE_AFTER_BYTES = 64 * 1024
PICTURE_BYTES = 64 * 1024 * 1024
# Of base64 in a JSON string, which may have its slashes escaped.
# Possessive: what has matched is not tried in parts again, else letters behind which no end comes take for ever.
_LETTERS = re.compile(rb"(?:[A-Za-z0-9+/=_-]++|\\/)*+(?:\\\Z)?")
_PICTURE = re.compile(rb";base64,(?:[A-Za-z0-9+/=_-]++|\\/)*+")
_LARGE_PICTURE = re.compile(rb";base64,(?:[A-Za-z0-9+/=_-]|\\/){16384,}+")
_PICTURE_AT_END = re.compile(rb";base64,(?:[A-Za-z0-9+/=_-]++|\\/)*+\\?\Z")

_BOM = b"\xef\xbb\xbf"
_NO_OBJECTS = (b"", 0)


class EventTooLong(ValueError):
    """A line, or the data of one event, grew past the decoder's bound."""


class Event(Struct, frozen=True):
    """One event. `name` is empty where the stream gave none; `id` is the last one given, here or earlier."""

    data: bytes
    name: str = ""
    id: str | None = None


class Decoder:
    """Feed it bytes cut anywhere; it returns the events that they complete. One decoder reads one stream.

    A large picture in the data is emptied (`;base64,` and nothing), which `has_emptied` tells. A line `error: …`, which
    some servers write in place of an event (llama.cpp), is an event of that name, and a line `[DONE]` alone an event.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest: list[bytes] = []  # pieces of a line without its end, joined once, when the end has come
        self._rest_bytes = 0
        self._at_start = True
        self._after_cr = False
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = ""
        self._id: str | None = None
        self.has_emptied = False
        self._is_picture: bool | None = None  # whether the line without its end ends in one; None: not looked yet
        self._dropped_bytes = 0  # of pictures in that line

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes, oldest first. Raises `EventTooLong`."""
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk.startswith(b"\n"):  # the second half of a CRLF that was cut in two
                chunk = chunk[1:]
        if b"\n" not in chunk and b"\r" not in chunk:
            self._keep(chunk)
            return []
        if self._rest:
            self._rest.append(chunk)
            chunk = b"".join(self._rest)
            self._rest.clear()
            self._rest_bytes = 0
        if len(chunk) > PICTURE_AFTER_BYTES:
            chunk = self._without_pictures(chunk)
        self._after_cr = chunk.endswith(b"\r")
        lines = chunk.splitlines()  # of bytes: at CR, LF and CRLF and nowhere else
        if not chunk.endswith((b"\n", b"\r")):
            self._keep(lines.pop())
        return self._events(lines)

    def objects(self, chunk: bytes) -> tuple[bytes, int]:
        """The data of what `feed` would return, where that is JSON objects and no more: one a line, and their number.

        Every two are parted by `}`, a line feed and `{`. Nothing and 0 where it is not so; then nothing was taken, and
        `chunk` is for `feed`. Nearly every server of a model sends what this reads.
        """
        if self._data or self._name or self._after_cr:
            return _NO_OBJECTS
        if self._rest:
            if len(self._rest) > 1:  # a long line, which `feed` joins but once
                return _NO_OBJECTS
            chunk = self._rest[0] + chunk
        end, size = chunk.rfind(b"\n\n"), len(chunk)
        # `find`, for `in` takes twice the time to look for one byte.
        if end < 0 or not chunk.startswith(b"data: {") or chunk.find(b"\r") >= 0 or size > self._max_event_bytes:
            return _NO_OBJECTS
        lines = chunk[6:end]
        count = 1
        if lines.find(b"\n") >= 0:
            lines = lines.replace(b"}\n\ndata: {", b"}\n{")
            count += (end - 6 - len(lines)) // 7  # by so much each replacement is shorter
            if lines.count(b"\n") != count - 1:
                return _NO_OBJECTS
        if end + 2 < size:
            tail = chunk[end + 2 :]
            if tail.find(b"\n") >= 0:
                return _NO_OBJECTS
            self._rest, self._rest_bytes = [tail], len(tail)
        elif self._rest:
            self._rest, self._rest_bytes = [], 0
        self._at_start = False
        return lines, count

    def close(self) -> list[Event]:
        """What the stream's end leaves: the event whose last line end or blank line never came, if any.

        The standard drops it. Servers that forget the blank line after their last event are common enough to
        keep it; a caller must expect data that was cut short.
        """
        lines = [b"".join(self._rest), b""] if self._rest else [b""]
        self._rest.clear()
        self._rest_bytes = 0
        return self._events(lines)

    def _without_pictures(self, lines: bytes) -> bytes:
        picture = _PICTURE if self._dropped_bytes else _LARGE_PICTURE
        self._is_picture, self._dropped_bytes = None, 0
        emptied, count = picture.subn(b";base64,", lines)
        self.has_emptied = self.has_emptied or count > 0
        return emptied

    def _keep(self, piece: bytes) -> None:
        if self._rest_bytes > PICTURE_AFTER_BYTES:
            piece = self._behind_picture(piece)
        if not piece:
            return
        self._rest.append(piece)
        self._rest_bytes += len(piece)
        if self._rest_bytes > self._max_event_bytes:
            raise EventTooLong(f"a line of more than {self._max_event_bytes} bytes")

    def _behind_picture(self, piece: bytes) -> bytes:
        """The next piece of a long line, without what only goes on with a picture."""
        if self._is_picture is None:
            self._is_picture = _PICTURE_AT_END.search(b"".join(self._rest)) is not None
        if self._is_picture and (letters := _LETTERS.match(piece)):
            self._dropped_bytes += letters.end()
            if self._dropped_bytes > PICTURE_BYTES:
                raise EventTooLong(f"a picture of more than {PICTURE_BYTES} bytes")
            piece = piece[letters.end() :]
        if piece:
            self._is_picture = _PICTURE_AT_END.search(self._rest[-1][-8:] + piece) is not None
        return piece

    def _events(self, lines: list[bytes]) -> list[Event]:
        if self._at_start and lines:
            self._at_start = False
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[Event] = []
        for line in lines:
            if not line:
                if self._data:
                    data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                    events.append(Event(data, self._name, self._id))
                    self._data.clear()
                    self._data_bytes = 0
                self._name = ""
            elif line.startswith(b"data: "):
                self._add_data(line[6:])
            elif line.startswith(b"error:"):
                if (said := line[6:].strip()) not in (b"", b"null"):
                    events.append(Event(said, "error", self._id))
            elif line == b"[DONE]":
                events.append(Event(line, "", self._id))
            elif not line.startswith(b":"):
                self._field(line)
        return events

    def _add_data(self, value: bytes) -> None:
        self._data.append(value)
        self._data_bytes += len(value) + 1
        if self._data_bytes > self._max_event_bytes:
            raise EventTooLong(f"an event of more than {self._max_event_bytes} bytes")

    def _field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._add_data(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")


def frame(event: str | None, id: str | None, data: bytes | str) -> bytes:
    """One event as it goes to a viewer. Line ends inside `data` arrive as LF: the grammar carries no other.

    The id is the last line: there are clients that take it over when they read that line, before the event is given
    out. What is cut between the two would be lost to them, for they ask on after that id.

    Raises `ValueError` where `event` or `id` holds a line end, or `id` a NUL.
    """
    raw = data.encode() if isinstance(data, str) else data
    head = b"" if event is None else b"event: " + _one_line(event) + b"\n"
    foot = b"\n"
    if id is not None:
        foot = b"id: " + _one_line(id) + b"\n\n"
        if "\0" in id:
            raise ValueError("a NUL in an event's id")
    if b"\n" in raw or b"\r" in raw:
        # Not splitlines: data that ends in a line end keeps it.
        lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        return head + b"".join(b"data: " + line + b"\n" for line in lines) + foot
    return head + b"data: " + raw + b"\n" + foot


def comment(text: str = "") -> bytes:
    """A line that keeps a connection alive and no viewer sees.

    Without an empty line after it, of which some clients make an event without data.
    """
    return b": " + _one_line(text) + b"\n"


def retry(milliseconds: int) -> bytes:
    """How long a browser waits before it connects again: a line of the event that comes next, whenever that is.

    As a block of its own some clients make an event without data of it.
    """
    return b"retry: %d\n" % milliseconds


def _one_line(text: str) -> bytes:
    if "\n" in text or "\r" in text:
        raise ValueError("a line end where the grammar allows none")
    return text.encode()
