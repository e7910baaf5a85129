"""Keeps the signatures of conversations, which the search asks before it reads one.

Whoever stores a text marks the signature as incomplete, in the same step. So signing may come late, twice or never.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from lianhua.errors import Unavailable
from lianhua.store.client.client import Keyed, StoreClient
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.search.folding import overlapping
from lianhua.store.search.ngrams import MADE_BIT, Signature
from lianhua.store.search.reading import Reading, read_conversations, read_texts

logger = logging.getLogger(__name__)

REINDEXED: Final = 1_000  # conversations after a search, while nobody waits: some seconds, in steps of 2 ms
INDEXED_CHARS: Final = 5_000  # at a time: 2 ms
TITLES: Final = "title:"  # what a title is called among the texts that are not signed yet, before the hash of it
EVERYTHING: Final = "*"  # in the place of too many names


class NewTexts(Struct, frozen=True):
    """Texts of a conversation by message id (a title's by its token): those that are known, others are read."""

    conversation_id: str
    owner: str
    texts: Mapping[str, str]


class SearchIndexer:
    """Raises `StoreUnavailable` and `Overloaded`. `stop` it when the process ends."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._index, self._reindex = Script("index"), Script("reindex")
        self._later: asyncio.Task[None] | None = None

    async def index_each(self, some: Sequence[NewTexts]) -> None:
        """Adds what the signatures lack, in two round trips. Does nothing to a conversation that is gone or somebody
        else's.
        """
        asked: list[tuple[Argument, ...]] = []
        for new in some:
            keys = ConversationKeys(new.conversation_id)
            asked.append(("HMGET", keys.meta, "owner", "title", "unsigned"))
            asked.append(("STRLEN", keys.ngrams))
            asked.append(("GETBIT", keys.ngrams, MADE_BIT))
        answers = await self._database.ask(*asked)
        calls: list[Keyed] = []
        for place, new in enumerate(some):
            if call := await self._call(new, *answers[3 * place : 3 * place + 3]):
                calls.append(call)
        for answer in await self._database.run_each(self._index, calls):
            if isinstance(answer, Exception):
                raise answer

    async def _call(self, new: NewTexts, values: Sequence[bytes | None], size: int, made: int) -> Keyed | None:
        """Keys and arguments of the script that adds a conversation's new texts, None where it is not needed."""
        conversation_id, owner, texts = new.conversation_id, new.owner, new.texts
        keys = ConversationKeys(conversation_id)
        holder, title, unsigned = (value.decode() if value else "" for value in values)
        if holder != owner or not unsigned:
            return None
        if unsigned == EVERYTHING or (size > 1 and not made):  # one byte holds no more than the flag
            await self.reindex(conversation_id, owner)
            return None
        ids = unsigned.split()
        signature = Signature()
        await _add(signature, title)  # an earlier title can no longer be found, whoever waits for it
        for name in ids:
            await _add(signature, texts.get(name, ""))
        missing = [name for name in ids if name not in texts and not name.startswith(TITLES)]
        async for text in read_texts(self._database, keys.messages, missing):
            await _add(signature, text.content)
        names = [keys.meta, keys.ngrams, f"{keys.ngrams}:new"]
        return names, [owner, signature.bitmap(), title, *ids]

    async def reindex(self, conversation_id: str, owner: str) -> None:
        """Makes the signature from everything that is there, and from nothing else, unless that changes meanwhile."""
        async for reading in read_conversations(self._database, owner, [conversation_id]):
            await self._index_read(owner, reading)

    async def _index_read(self, owner: str, reading: Reading) -> None:
        signature, state = Signature(), reading.state
        await _add(signature, state.title)
        async for text in reading.texts():
            await _add(signature, text.content)
        keys = ConversationKeys(reading.conversation_id)
        await self._database.run(
            self._reindex,
            [keys.meta, keys.ngrams],
            [owner, signature.bitmap(), state.title, state.last, state.unsigned],
        )

    def reindex_later(self, owner: str, ids: Sequence[str]) -> None:
        """Makes signatures anew in the background, unless that is being done already: then a later search meets them
        again.
        """
        if ids and (self._later is None or self._later.done()):
            self._later = asyncio.create_task(self._reindex_each(owner, ids[:REINDEXED]), name="sign conversations")

    async def stop(self) -> None:
        """Ends what goes on in the background."""
        if self._later:
            self._later.cancel()
            await asyncio.wait([self._later])

    async def _reindex_each(self, owner: str, ids: Sequence[str]) -> None:
        try:
            for conversation_id in ids:
                await self.reindex(conversation_id, owner)
        except Unavailable as exc:
            logger.info("conversations are not indexed yet (%s)", type(exc).__name__)
        except Exception:
            logger.exception("conversations are not indexed: a bug in Lianhua")


async def _add(signature: Signature, text: str) -> None:
    """Adds a text of any length, without keeping everybody else waiting."""
    for number, piece in enumerate(overlapping(text, INDEXED_CHARS)):
        if number:
            await asyncio.sleep(0)
        signature.add(piece)
