"""Removes all that is a person's, found by looking at every key: also what no list names, such as half an import."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from lianhua.errors import ConversationNotFound
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX, ConversationKeys, account_key
from lianhua.store.client.scripts import translated
from lianhua.store.conversations import ConversationStore

SCAN_KEYS: Final = 1_000  # in one step: about a millisecond of the store
_ARRIVING: Final = f"{PREFIX}:{{arriving}}"


class PersonErasure:
    """Raises `StoreUnavailable`, `Overloaded`. Repeating it is harmless."""

    def __init__(
        self, database: StoreClient, conversations: ConversationStore, erased: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._erased = erased

    async def erase(self, name: str) -> int:
        """Everything but the account; how much was found. What somebody still writes meanwhile takes another call."""
        count = await self._conversations_of(name) + await self._keys_of(name) + await self._imports_of(name)
        if count:
            self._erased()
        return count

    async def _conversations_of(self, name: str) -> int:
        count = 0
        async for keys in self._scan(f"{PREFIX}:{{*}}"):
            ids = [found for key in keys if (found := _conversation_id(key))]
            owners = await self._owners(ids)
            for conversation_id, owner in zip(ids, owners, strict=True):
                if owner == name.encode():
                    count += await self._erase_one(conversation_id, name)
        return count

    async def _owners(self, ids: list[str]) -> list[bytes | None]:
        if not ids:
            return []
        rows = await self._database.ask(*(("TYPE", ConversationKeys(one).meta) for one in ids))
        hashes = [one for one, kind in zip(ids, rows, strict=True) if kind in (b"hash", "hash")]
        found = await self._database.ask(*(("HGET", ConversationKeys(one).meta, "owner") for one in hashes))
        owners = dict(zip(hashes, found, strict=True))
        return [owners.get(one) for one in ids]

    async def _erase_one(self, conversation_id: str, name: str) -> int:
        try:
            await self._conversations.erase_texts(conversation_id, name, keep_conversation=False)
        except ConversationNotFound:  # it has just expired
            return 0
        return 1

    async def _keys_of(self, name: str) -> int:
        count = 0
        async for keys in self._scan(f"{PREFIX}:{{user:{name}}}*"):  # a name has no character that means something here
            found = [key for key in keys if key != account_key(name)]
            if found:
                await self._database.ask(*(("UNLINK", key) for key in found))
            count += len(found)
        return count

    async def _imports_of(self, name: str) -> int:
        (members,) = await self._database.ask(("SMEMBERS", _ARRIVING))
        found = [member for member in members if member.decode().partition(" ")[2] == name]
        if found:
            await self._database.ask(("SREM", _ARRIVING, *found))
        return len(found)

    async def _scan(self, pattern: str) -> AsyncIterator[list[str]]:
        """The names of all keys of that pattern, of every server, some at a time."""
        for node in self._database.nodes.all():
            cursor = 0
            while True:
                try:
                    cursor, keys = await node.client.scan(cursor, match=pattern, count=SCAN_KEYS)
                except Exception as exc:
                    raise translated(exc) from exc
                if keys:
                    yield [key if isinstance(key, str) else key.decode() for key in keys]
                if cursor == 0:
                    break
                await asyncio.sleep(0)


def _conversation_id(key: str) -> str | None:
    """Of a key that may be a conversation's first: `lianhua:{ID}`."""
    inner = key.removeprefix(f"{PREFIX}:{{").removesuffix("}")
    return inner if key == f"{PREFIX}:{{{inner}}}" and ":" not in inner else None
