"""One answer of a model's server, from its first byte to its end: events or one JSON text, read within time limits."""

import asyncio
from collections.abc import AsyncGenerator

import aiohttp
from aiohttp.http import HttpProcessingError

from lianhua.errors import ModelBadResponse, ModelTimeout, ModelUnavailable
from lianhua.models.faults import Fault
from lianhua.models.port import Delta
from lianhua.models.reply import ReplyReader
from lianhua.sse import Decoder, Event, EventTooLong

# An answer that does not stream is one JSON text; the longest replies of today's models stay below 1 MiB.
JSON_BODY_BYTES = 8 * 1024 * 1024
# After a finish reason only usage and `[DONE]` can follow. A server that sends neither is not waited for.
AFTER_FINISH_S = 5.0
# After `[DONE]` the end of the body is due at once; once it is there the connection can be used again.
DRAIN_S = 0.1
# The first letters of `data`, `event`, `id` and `retry`, of a comment and of a byte order mark.
_EVENT_STARTS = (b"d", b"e", b"i", b"r", b":", b"\xef")


class Failed(Exception):
    """One try came to nothing. `cut`: the connection broke, and what came so far is all there is."""

    def __init__(self, fault: Fault, *, wait_s: float = 0.0, cut: bool = False) -> None:
        super().__init__()
        self.fault = fault
        self.wait_s = wait_s
        self.cut = cut


async def read_answer(
    response: aiohttp.ClientResponse, deadline: float, delta_s: float
) -> AsyncGenerator[list[Delta], None]:
    """The deltas of an answer: a batch for each read that brought some, last the `Finish`. Raises `Failed`.

    The first delta is due when the loop's clock shows `deadline`, from then on each event `delta_s` after the last.
    """
    clock = asyncio.get_running_loop().time
    decoder, reader = Decoder(), ReplyReader()
    begun, end = False, 0.0
    chunk = await _first_bytes(response, deadline)
    if chunk.startswith(b"{"):
        for batch in _completion(chunk + await _rest(response, JSON_BODY_BYTES, deadline)):
            yield batch
        return
    while True:
        try:
            events = decoder.feed(chunk) if chunk else decoder.close()
        except EventTooLong:
            raise Failed(Fault(ModelBadResponse("an endless event"))) from None
        batch = reader.read(events, cut_short=not chunk)
        if batch:
            begun = True
            yield batch
        if reader.fault is not None:
            raise Failed(reader.fault)
        if reader.done or not chunk:
            break
        if reader.finish_reason is not None:
            end = end or clock() + AFTER_FINISH_S
            chunk = await _chunk_or_end(response, end)
            continue
        if begun and events:
            deadline = clock() + delta_s
        chunk = await _chunk(response, deadline)
    if not reader.done and reader.finish_reason is None:
        raise Failed(Fault(ModelUnavailable("cut before its end"), passing=True), cut=True)
    yield reader.finish()
    if reader.done:
        await _chunk_or_end(response, clock() + DRAIN_S)


async def read_start(response: aiohttp.ClientResponse, limit: int, deadline: float) -> bytes:
    """The first `limit` bytes of a body, or what came of it before it broke or its time was up."""
    body = b""
    while len(body) < limit and (chunk := await _chunk_or_end(response, deadline)):
        body += chunk
    return body[:limit]


def _completion(body: bytes) -> list[list[Delta]]:
    reader = ReplyReader()
    batch = reader.read([Event(body)])
    if reader.fault is not None:
        raise Failed(reader.fault)
    if not reader.saw_choices:
        raise Failed(Fault(ModelBadResponse("JSON that is no completion")))
    return [batch + reader.finish()]


async def _first_bytes(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """The first chunk that tells what the body is, white space before it removed; empty where the body is."""
    while chunk := await _chunk(response, deadline):
        if head := chunk.lstrip():
            if not head.startswith((*_EVENT_STARTS, b"{")):
                raise Failed(Fault(ModelBadResponse("neither events nor JSON")))
            return head
    return b""


async def _rest(response: aiohttp.ClientResponse, limit: int, deadline: float) -> bytes:
    body = bytearray()
    while chunk := await _chunk(response, deadline):
        body += chunk
        if len(body) > limit:
            raise Failed(Fault(ModelBadResponse("an endless answer")))
    return bytes(body)


async def _chunk(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    try:
        async with asyncio.timeout_at(deadline):
            return await response.content.readany()
    except TimeoutError:
        raise Failed(Fault(ModelTimeout("silent for too long"))) from None
    # An HttpProcessingError is what aiohttp's parser in pure Python raises for broken chunks.
    except (aiohttp.ClientError, HttpProcessingError, OSError) as exc:
        raise Failed(Fault(ModelUnavailable(type(exc).__name__), passing=True), cut=True) from None


async def _chunk_or_end(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """A chunk where nothing depends on it: a broken or silent connection counts as the end."""
    try:
        return await _chunk(response, deadline)
    except Failed:
        return b""
