"""Finds conversations by what was written in them.

A search asks every conversation of its owner for a few bits of its signature (`grams`), reads those that have them all,
and looks for real. What is not signed yet, because a turn has just begun or nobody came to sign it, says so in bit 0
and is read. So nothing is missed, but for one thing: a signature that an earlier version made knows a text only as it
is written. What is looked for is asked of it in its usual forms, and after the search it is made anew.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from itertools import chain
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from msgspec import Struct

from lianhua.chat.messages import Conversation
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys, list_keys
from lianhua.store.client.scripts import Argument
from lianhua.store.conversations import ConversationStore
from lianhua.store.listing import ListWalk
from lianhua.store.search.excerpt import PIECE_CHARS, Excerpt, Needle, Span
from lianhua.store.search.index import REINDEXED, NewTexts, SearchIndexer
from lianhua.store.search.ngrams import MADE_BIT, probes
from lianhua.store.search.reading import Reading, read_conversations

# What a page may cost; then it says where to go on, however few it has found.
SCANNED_CONVERSATIONS: Final = 20_000
READ_CONVERSATIONS: Final = 1_500
READ_BYTES: Final = 64 * 1024 * 1024  # of messages; the last conversation may go beyond
STEP_CONVERSATIONS: Final = 250  # asked for their bits at a time: 1 ms of ours and 2 ms of the store's
# Bits that all are asked for; the others only where these are set. Each is another page of memory: of 10,000
# signatures 1 µs of the store.
FIRST_BITS: Final = 4
SEARCHES_AT_ONCE: Final = 2  # in this process, which has one core; others wait their turn, and a user has one of them
MATCHES: Final = 3  # of a conversation, its title not counted


class Match(Struct, frozen=True):
    """Where something was found: `message_id` is None for the title."""

    message_id: str | None
    excerpt: Excerpt


class FoundConversation(Struct, frozen=True):
    """A conversation with its matches: the title's first, then those of its newest messages."""

    conversation: Conversation
    matches: tuple[Match, ...]


class SearchPage(Struct, frozen=True):
    """What was found, newest activity first. `next` is the cursor to go on from, None when everything was searched; a
    page with a `next` may be short, or empty.
    """

    found: tuple[FoundConversation, ...]
    next: str | None


class _Row(NamedTuple):
    """A conversation of the list, the cursor after it, and whether its signature is incomplete."""

    conversation_id: str
    place: str
    flagged: bool


class _Asked(NamedTuple):
    """The conversations that may contain what is looked for, and those whose signature an earlier version made."""

    rows: list[_Row]
    outdated: list[str]


class ConversationSearch:
    """Raises `StoreUnavailable` and `Overloaded`. `stop` it when the process ends."""

    def __init__(self, database: StoreClient, conversations: ConversationStore) -> None:
        self._database = database
        self._conversations = conversations
        self._indexer = SearchIndexer(database)
        self._places = asyncio.Semaphore(SEARCHES_AT_ONCE)
        self._users: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # who search or wait to

    async def page(self, owner: str, wanted: str, before: str | None, limit: int) -> SearchPage:
        """At most `limit` of the owner's conversations whose title or messages, on whichever branch, contain `wanted`.

        Upper and lower case are alike, and all ways to write a character (`folding`). Raises `InvalidRequest` for a
        cursor that is none of the list's.
        """
        walk = ListWalk(self._database, list_keys(owner)[0], before, STEP_CONVERSATIONS)
        found: dict[str, tuple[Match, ...]] = {}
        in_vain: list[str] = []
        outdated: list[str] = []
        full_at: str | None = None
        read_bytes = 0
        users_turn = self._users.setdefault(owner, asyncio.Lock())
        async with users_turn, self._places, aclosing(self._likely(owner, walk, probes(wanted), outdated)) as likely:
            needle = Needle(wanted)
            async for row, reading in likely:
                if matches := await _matches(reading, needle):
                    found[reading.conversation_id] = matches
                elif row.flagged or reading.state.worn:
                    in_vain.append(reading.conversation_id)
                read_bytes += reading.read_bytes
                if len(found) == limit or read_bytes > READ_BYTES:
                    full_at = row.place
                    break
            rows = await self._conversations.rows(owner, list(found))
        self._indexer.reindex_later(owner, list(dict.fromkeys([*in_vain, *await self._with_texts(outdated)])))
        there = [FoundConversation(row, found[row.id]) for row in rows if row]
        return SearchPage(tuple(there), full_at or walk.place)

    async def index(self, conversation_id: str, owner: str, texts: Mapping[str, str]) -> None:
        """Makes new texts of a conversation quick to find; `texts` are those that are known, by message id."""
        await self._indexer.index_each([NewTexts(conversation_id, owner, texts)])

    async def index_each(self, some: Sequence[NewTexts]) -> None:
        """`index`, for many conversations in two round trips."""
        await self._indexer.index_each(some)

    async def stop(self) -> None:
        """Ends what goes on in the background."""
        await self._indexer.stop()

    async def _likely(
        self, owner: str, walk: ListWalk, asked: Sequence[Sequence[int]], outdated: list[str]
    ) -> AsyncGenerator[tuple[_Row, Reading], None]:
        """What may contain it, with its texts. Adds to `outdated` whose signature is to be made anew."""
        read = 0
        while not walk.ended and walk.passed < SCANNED_CONVERSATIONS and read < READ_CONVERSATIONS:
            rows = [_Row(name, place, False) for name, place in await walk.step()]
            for some in (slice(FIRST_BITS), slice(FIRST_BITS, None)):
                rows, old = await self._asked(rows, [bits[some] for bits in asked])
                outdated += old
            likely = {row.conversation_id: row for row in rows}
            async with aclosing(read_conversations(self._database, owner, list(likely))) as readings:
                async for reading in readings:
                    yield likely[reading.conversation_id], reading
            read += len(rows)

    async def _with_texts(self, outdated: Sequence[str]) -> list[str]:
        """Those that have a signature at all: without a text there is none to make."""
        some = list(dict.fromkeys(outdated))[:REINDEXED]
        if not some:
            return []
        sizes = await self._database.ask(*(("STRLEN", ConversationKeys(name).ngrams) for name in some))
        return [name for name, size in zip(some, sizes, strict=True) if size]

    async def _asked(self, rows: Sequence[_Row], forms: Sequence[Sequence[int]]) -> _Asked:
        """The rows whose signatures have all the bits of a form, or are incomplete."""
        if not all(forms):
            return _Asked(list(rows), [])
        words: list[Argument] = [word for bit in (0, MADE_BIT, *chain(*forms)) for word in ("GET", "u1", bit)]
        keys = [ConversationKeys(row.conversation_id).ngrams for row in rows]
        answers = await self._database.ask(*(("BITFIELD_RO", key, *words) for key in keys))
        likely = [
            _Row(row.conversation_id, row.place, flag == 1)
            for row, (flag, _, *found) in zip(rows, answers, strict=True)
            if flag or _any_whole(found, forms)
        ]
        outdated = [
            row.conversation_id
            for row, (flag, made, *_) in zip(rows, answers, strict=True)
            if not (flag or made)  # what is flagged is read anyway, and made anew when it is signed
        ]
        return _Asked(likely, outdated)


def _any_whole(found: Sequence[int], forms: Sequence[Sequence[int]]) -> bool:
    """Whether all bits of a form were found; `found` has those of one form after another."""
    start = 0
    for form in forms:
        if all(found[start : start + len(form)]):
            return True
        start += len(form)
    return False


async def _matches(reading: Reading, needle: Needle) -> tuple[Match, ...]:
    """The title's and those of the newest messages."""
    title = reading.state.title
    hit = needle.find(title)
    in_title = [Match(None, needle.excerpt(title, hit))] if hit else []
    newest: list[tuple[float, Match]] = []
    async for text in reading.texts(needle.sure):
        if len(newest) == MATCHES and text.timestamp <= newest[-1][0]:
            continue
        hit = await _find(needle, text.content)
        if hit and all(text.id != match.message_id for _, match in newest):
            newest.append((text.timestamp, Match(text.id, needle.excerpt(text.content, hit))))
            newest = sorted(newest, key=lambda found: -found[0])[:MATCHES]
    return (*in_title, *(match for _, match in newest))


async def _find(needle: Needle, text: str) -> Span | None:
    """The first hit in a text of any length, without keeping everybody else waiting."""
    for start in range(0, len(text), PIECE_CHARS):
        if start:
            await asyncio.sleep(0)
        if hit := needle.find(text, start):
            return hit
    return None
