"""Conversations read as a whole, for the search: their titles, and all of their messages in no order.

What is read at once is bounded by its bytes: a conversation of long texts has a thousand times as many as the usual
one.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.client.scripts import Script
from lianhua.store.search.ngrams import BITS

PIECE_MESSAGES: Final = 64  # about as many come in one answer of the store
READ_BYTES: Final = 512 * 1024  # come in one answer or in several of one round trip, unless one message has more
SIZED_CONVERSATIONS: Final = 32  # their sizes are asked for at once: 0.1 ms of the store
SIZED_MESSAGES: Final = 256  # the same of a conversation that is read by size: 0.5 ms of ours
HOLD_S: Final = 0.002  # of work on one conversation; then everybody else has a turn
LONG_BYTES: Final = 256 * 1024  # of a message: of 1.6 MB to look at the bytes takes 3 ms, and to decode them another 3

_SIZES: Final = Script("sizes")
Name = TypeVar("Name", str, str | bytes)


class Text(Struct, frozen=True, gc=False):
    """A stored message, as far as it is searched."""

    id: str
    content: str
    timestamp: float = 0.0


class State(Struct, frozen=True):
    """How a conversation stood before it was read.

    `last` rises with every message, `signed` is what it was when the signature was last made anew, `unsigned` lists the
    texts that the signature lacks. `bits` are how many of the signature are set.
    """

    title: str
    last: str
    unsigned: str
    indexed: int
    count: int
    bits: int

    @property
    def worn(self) -> bool:
        """Whether the signature tells little, and half of what it was made from has been replaced since."""
        last = int(self.last or 0)
        since = last - self.indexed if self.indexed <= last else last
        return self.bits > BITS // 2 and since * 2 >= self.count


class Reading:
    """One conversation that is being read. The first of its messages are there already, unless there are too many bytes
    of them. `read_bytes` are those that have been read so far.
    """

    def __init__(self, database: StoreClient, conversation_id: str, state: State, first: Any) -> None:
        self.conversation_id = conversation_id
        self.state = state
        self.read_bytes = 0
        self._database = database
        self._first = first

    def texts(self, sure: bytes = b"") -> AsyncGenerator[Text, None]:
        """Every message that is there from beginning to end, some perhaps twice; but none without the bytes `sure`.

        These are not even decoded: a fifth less time for a Chinese word that many conversations nearly have.
        """
        messages = ConversationKeys(self.conversation_id).messages
        values = self._values_by_size(messages) if self._first is None else self._values(messages)
        return _texts(self._counted(values), sure)

    async def _counted(self, pieces: AsyncIterable[Iterable[bytes]]) -> AsyncGenerator[Iterable[bytes], None]:
        async for piece in pieces:
            values = list(piece)
            self.read_bytes += sum(map(len, values))
            yield values

    async def _values(self, messages: str) -> AsyncGenerator[Iterable[bytes], None]:
        piece, self._first = self._first, None
        while True:
            cursor, flat = piece
            yield flat[1::2]
            if cursor == b"0":
                return
            (piece,) = await self._database.ask(("HSCAN", messages, cursor, "COUNT", PIECE_MESSAGES))

    async def _values_by_size(self, messages: str) -> AsyncGenerator[Iterable[bytes], None]:
        (names,) = await self._database.ask(("HKEYS", messages))
        async for values in _values_of(self._database, messages, names):
            yield values


async def read_conversations(database: StoreClient, owner: str, ids: Sequence[str]) -> AsyncGenerator[Reading, None]:
    """The conversations of `ids` that are still there and the owner's, in this order. Each is to be read before the
    next one is asked for: some are begun in one round trip.
    """
    for start in range(0, len(ids), SIZED_CONVERSATIONS):
        names = ids[start : start + SIZED_CONVERSATIONS]
        sizes = await _sizes(database, names)
        for some, size in by_size(names, sizes, READ_BYTES):
            for reading in await _begun(database, owner, some, by_size=size > READ_BYTES):
                if reading:
                    yield reading


def read_texts(database: StoreClient, messages: str, ids: Sequence[str]) -> AsyncGenerator[Text, None]:
    """Those of the messages that are still there."""
    return _texts(_values_of(database, messages, ids), b"")


async def _sizes(database: StoreClient, ids: Sequence[str]) -> list[int]:
    """About how many bytes the first piece of each has."""
    messages = [ConversationKeys(name).messages for name in ids]
    if database.slots_mix:
        sizes = await database.run(_SIZES, messages, [PIECE_MESSAGES])
    else:
        each = await asyncio.gather(*(database.run(_SIZES, [key], [PIECE_MESSAGES]) for key in messages))
        sizes = [size for (size,) in each]
    return [READ_BYTES + 1 if size < 0 else size for size in sizes]


async def _begun(database: StoreClient, owner: str, ids: Sequence[str], *, by_size: bool) -> list[Reading | None]:
    asked = []
    for keys in map(ConversationKeys, ids):
        asked += [
            ("HMGET", keys.meta, "owner", "title", "last", "unsigned", "signed", "count"),
            ("BITCOUNT", keys.ngrams),
            ("EXISTS", keys.messages) if by_size else ("HSCAN", keys.messages, 0, "COUNT", PIECE_MESSAGES),
        ]
    answers = await database.ask(*asked)
    begun: list[Reading | None] = []
    for place, name in enumerate(ids):
        values, bits, first = answers[3 * place : 3 * place + 3]
        holder, title, last, unsigned, indexed, count = (value.decode() if value else "" for value in values)
        state = State(title, last, unsigned, int(indexed or 0), int(count or 0), bits)
        begun.append(Reading(database, name, state, None if by_size else first) if holder == owner else None)
    return begun


async def _values_of(
    database: StoreClient, messages: str, ids: Sequence[str | bytes]
) -> AsyncGenerator[Iterable[bytes], None]:
    """Messages as they are stored, some at a time: what is larger than that alone."""
    for start in range(0, len(ids), SIZED_MESSAGES):
        names = ids[start : start + SIZED_MESSAGES]
        sizes = await database.ask(*(("HSTRLEN", messages, name) for name in names))
        for some, _ in by_size(names, sizes, READ_BYTES):
            (values,) = await database.ask(("HMGET", messages, *some))
            yield filter(None, values)


def by_size(names: Sequence[Name], sizes: Sequence[int], limit: int) -> Iterator[tuple[list[Name], int]]:
    """The names in groups of at most `limit` bytes, and the bytes of each group; what is larger comes alone."""
    some: list[Name] = []
    total = 0
    for name, size in zip(names, sizes, strict=True):
        if some and total + size > limit:
            yield some, total
            some, total = [], 0
        some.append(name)
        total += size
    if some:
        yield some, total


async def _texts(pieces: AsyncIterable[Iterable[bytes]], sure: bytes) -> AsyncGenerator[Text, None]:
    """The messages that have the bytes `sure`, without keeping everybody else waiting."""
    async for values in pieces:
        since = time.perf_counter()
        for value in values:
            if sure in value:
                if len(value) > LONG_BYTES:
                    await asyncio.sleep(0)
                yield stored_text(value)
            if time.perf_counter() - since > HOLD_S:
                await asyncio.sleep(0)
                since = time.perf_counter()


def stored_text(value: bytes) -> Text:
    """A message as the store keeps it: a line about its place, then its JSON."""
    return _text.decode(memoryview(value)[value.index(b"\n") + 1 :])


_text = msgspec.json.Decoder(Text)
