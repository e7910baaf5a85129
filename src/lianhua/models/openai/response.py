"""One answer of a model's server, from its first byte to its end: events, JSON a line, or one JSON text, read within
time limits.
"""

import asyncio

from lianhua.errors import ModelBadResponse, ModelTimeout, ModelUnavailable
from lianhua.models.http.connection import Broken
from lianhua.models.http.inflate import Body
from lianhua.models.openai.errors import Fault
from lianhua.models.openai.json_lines import JsonLines, begins_stream
from lianhua.models.openai.reply import ReplyReader
from lianhua.models.port import Delta
from lianhua.sse import Event, EventTooLong

# An answer that does not stream is one JSON text; the longest replies of today's models stay below 1 MiB.
JSON_BODY_BYTES = 8 * 1024 * 1024
# After a finish reason only usage and `[DONE]` should follow: a server that is silent then is not waited for. One whose
# reply went on all the same, or had not begun, has the time that it always has.
AFTER_FINISH_S = 5.0
# After `[DONE]` the end of the body is due at once; once it is there the connection can be used again.
DRAIN_S = 0.1
# The first letters of `data`, `event`, `id` and `retry`, of a comment and of a byte order mark.
_EVENT_STARTS = (b"d", b"e", b"i", b"r", b":")
_JSON_STARTS = (b"{", b"[")
_BOM = b"\xef\xbb\xbf"


class Failed(Exception):
    """One try came to nothing. `cut`: the connection broke, and what came so far is all there is. `of_status`: the
    answer's status said so, and not something inside of it.
    """

    def __init__(self, fault: Fault, *, wait_s: float = 0.0, cut: bool = False, of_status: bool = False) -> None:
        super().__init__()
        self.fault = fault
        self.wait_s = wait_s
        self.cut = cut
        self.of_status = of_status


class Answer:
    """The deltas of one answer.

    The first delta is due when the loop's clock shows `deadline`, from then on each event `delta_s` after the last was
    asked for. `watches` as of `ReplyReader`.
    """

    def __init__(self, body: Body, deadline: float, delta_s: float, *, watches: bool = True) -> None:
        self._body = body
        self._deadline = deadline
        self._delta_s = delta_s
        self._clock = asyncio.get_running_loop().time
        self._reader = ReplyReader(watches=watches)
        self._has_head = self._has_text = False  # until its first byte, its first delta
        self._is_ending = self._at_end = self._finished = False  # since the finish reason, the body's end, the `Finish`
        self._fault: Fault | None = None  # to be raised behind what was held back
        self._is_cut = False
        self._lines: JsonLines | None = None  # where it comes in such

    async def batch(self) -> list[Delta]:
        """What the next read that brings any deltas brings, last the `Finish`; empty after that. Raises `Failed`."""
        if not self._has_head:
            self._has_head = True
            head = await _first_bytes(self._body, self._deadline)
            if head.startswith(_JSON_STARTS):
                head, has_line = await _line_or_all(self._body, head, self._deadline)
                if not has_line:
                    self._finished = True
                    return _completion(head)
                self._lines = JsonLines()
            if batch := self._read(head):
                return batch
        if self._fault is not None:
            raise Failed(self._fault, cut=self._is_cut)
        try:
            if batch := await self._next():
                return batch
        except Failed as failed:
            if not (held := self._reader.break_off()):
                raise
            # Not as it is: an error holds the frames that it went through, and they hold us.
            self._fault, self._is_cut = failed.fault, failed.cut
            return held
        if self._reader.done:
            await _chunk_or_end(self._body, self._clock() + DRAIN_S)
        return []

    async def _next(self) -> list[Delta]:
        reader = self._reader
        while not self._finished:
            if reader.fault is not None:
                raise Failed(reader.fault)
            if reader.done or self._at_end:
                return self._finish()
            try:
                chunk = await self._body.read(self._due())
            except (TimeoutError, Broken) as exc:
                if reader.finish_reason is None:
                    raise _failed(exc) from None
                chunk = b""
            if batch := self._read(chunk):
                return batch
        return []

    def _due(self) -> float:
        """When something has to have come that is asked for now."""
        reader = self._reader
        if reader.finish_reason is not None and not reader.was_early:
            if not self._is_ending:
                self._is_ending, self._deadline = True, self._clock() + AFTER_FINISH_S
        elif reader.heard and self._has_text:
            self._deadline = self._clock() + self._delta_s
        return self._deadline

    def _read(self, chunk: bytes) -> list[Delta]:
        self._at_end = not chunk
        reader, lines = self._reader, self._lines
        try:
            if lines is not None:
                batch = reader.read(lines.feed(chunk) if chunk else lines.close(), cut_short=not chunk)
            else:
                batch = reader.feed(chunk) if chunk else reader.close()
        except EventTooLong:
            raise Failed(Fault(ModelBadResponse("an endless event"))) from None
        if batch:
            self._has_text = True
        return batch

    def _finish(self) -> list[Delta]:
        reader = self._reader
        if not reader.done and reader.finish_reason is None:
            raise Failed(Fault(ModelUnavailable("cut before its end"), passing=True), cut=True)
        self._finished = True
        batch = reader.finish()
        if reader.finish_reason is None and not reader.has_begun:
            raise Failed(Fault(ModelBadResponse("an end mark and nothing before it")))
        return batch


async def read_start(body: Body, limit: int, deadline: float) -> bytes:
    """The first `limit` bytes of a body, or what came of it before it broke or its time was up."""
    start = b""
    while len(start) < limit and (chunk := await _chunk_or_end(body, deadline)):
        start += chunk
    return start[:limit]


def _completion(body: bytes) -> list[Delta]:
    reader = ReplyReader()
    batch = reader.read([Event(body)])
    if reader.fault is not None:
        raise Failed(reader.fault)
    if not reader.saw_choices:
        raise Failed(Fault(ModelBadResponse("JSON that is no completion")))
    return batch + reader.finish()


async def _first_bytes(body: Body, deadline: float) -> bytes:
    """The first bytes that tell what the body is, white space and a byte order mark before them removed; empty where
    the body is."""
    head = b""
    while chunk := await _chunk(body, deadline):
        head = (head + chunk).lstrip().removeprefix(_BOM).lstrip()
        if head and not _BOM.startswith(head):
            break
    if head and not head.startswith((*_EVENT_STARTS, *_JSON_STARTS)):
        raise Failed(Fault(ModelBadResponse("neither events nor JSON")))
    return head


async def _line_or_all(body: Body, head: bytes, deadline: float) -> tuple[bytes, bool]:
    """A body of JSON up to its end; or up to its first line, and True, where that is a piece of a reply."""
    found, has_looked = bytearray(head), False
    while True:
        if not has_looked and (end := found.find(b"\n")) >= 0:
            has_looked = True
            if begins_stream(bytes(found[:end])):
                return bytes(found), True
        if not (chunk := await _chunk(body, deadline)):
            return bytes(found), False
        found += chunk
        if len(found) > JSON_BODY_BYTES:
            raise Failed(Fault(ModelBadResponse("an endless answer")))


async def _chunk(body: Body, deadline: float) -> bytes:
    try:
        return await body.read(deadline)
    except (TimeoutError, Broken) as exc:
        raise _failed(exc) from None


async def _chunk_or_end(body: Body, deadline: float) -> bytes:
    """A chunk where nothing depends on it: a broken or silent connection counts as the end."""
    try:
        return await body.read(deadline)
    except (TimeoutError, Broken):
        return b""


def _failed(exc: TimeoutError | Broken) -> Failed:
    if isinstance(exc, TimeoutError):
        return Failed(Fault(ModelTimeout("silent for too long")))
    return Failed(Fault(ModelUnavailable(str(exc)), passing=True), cut=True)
