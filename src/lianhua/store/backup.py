"""All that a store holds, on its way into a backup and out of one.

A conversation is read in one step, so it is whole as of one moment. The lists of users are read when all conversations
have been: what is listed and was not read is newer than the backup and left out, what was read and has been erased
meanwhile is named at the end.
"""

import hashlib
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX, ConversationKeys
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.format_version import FORMAT_KEY

SCANNED: Final = 500  # names asked for at once
READ_AT_ONCE: Final = 64  # small keys, in one round trip
WRITTEN_BYTES: Final = 256 * 1024  # in one call: others are not kept waiting for longer than some milliseconds
WRITTEN_VALUES: Final = 1_000
BACKUP_KEY: Final = f"{PREFIX}:{{backup}}"  # when the last one was made

_CONVERSATION = re.compile(rf"{PREFIX}:\{{([0-9a-f]{{8}}-[0-9a-f-]{{27}})\}}(?::.*)?", re.DOTALL)
_LISTS = (":conversations", ":pinned")
# What is true of this store alone.
_LEFT_OUT = re.compile(rf"{PREFIX}:\{{(?:ready|barrier \d+|format|backup|rate:[^}}]*)\}}(?::.*)?", re.DOTALL)
_PAIRED = {"hash": 2, "zset": 2}


class StoredKey(Struct, frozen=True, array_like=True):
    """One key. `expires_at_ms` is -1 where it stays. `content` is flat: fields and values of a hash, members and
    scores of a sorted set, members of a set in order; of a stream for each entry its id, then how many, then those.
    """

    name: bytes
    kind: str
    expires_at_ms: int
    content: list[bytes]


class Group(Struct, frozen=True, array_like=True):
    """Keys that belong together: of one conversation (`conversation_id`), or of something else (empty)."""

    conversation_id: str
    keys: list[StoredKey]


class StoreReader:
    """One backup's look at a store. `gone` are the conversations that were read and are not there any more."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._dump = Script("dump")
        self._read: set[str] = set()  # some 120 bytes a conversation
        self.gone: set[str] = set()

    async def groups(self) -> AsyncIterator[Group]:
        """Everything, conversations first. Raises `StoreUnavailable`."""
        async for names in self._database.names(SCANNED):
            ids = {found[1] for name in names if (found := _CONVERSATION.fullmatch(name))}
            for conversation_id in ids - self._read:
                if keys := await self.conversation(conversation_id):
                    self._read.add(conversation_id)
                    yield Group(conversation_id, keys)
        seen: set[bytes] = set()  # a scan may give a name twice
        async for names in self._database.names(SCANNED):
            others = [name for name in names if not (_CONVERSATION.fullmatch(name) or _LEFT_OUT.fullmatch(name))]
            new = {digest: name for name in others if (digest := _digest(name)) not in seen}
            seen |= new.keys()
            for keys in await self.others(list(new.values())):
                yield Group("", [_only_listed(key, self._read) for key in keys])
        await self._look_for_erased()

    async def conversation(self, conversation_id: str) -> list[StoredKey]:
        """All keys of a conversation, its running turn's too; none where it is not there."""
        keys = ConversationKeys(conversation_id)
        return _keys(await self._database.run(self._dump, [*keys.lasting, keys.erased], [keys.meta]))

    async def others(self, names: Sequence[str]) -> list[list[StoredKey]]:
        """Keys that are read one by one."""
        found: list[list[StoredKey]] = []
        for start in range(0, len(names), READ_AT_ONCE):
            calls: list[tuple[Sequence[str], Sequence[Argument]]] = [
                ([name], [""]) for name in names[start : start + READ_AT_ONCE]
            ]
            for answer in await self._database.run_each(self._dump, calls):
                if isinstance(answer, Exception):
                    raise answer
                found.append(_keys(answer))
        return [keys for keys in found if keys]

    async def is_empty(self) -> bool:
        """Whether nothing of ours is there but what any start leaves."""
        async for names in self._database.names(SCANNED):
            if any(not _LEFT_OUT.fullmatch(name) for name in names):
                return False
        return True

    async def _look_for_erased(self) -> None:
        ids = sorted(self._read)
        for start in range(0, len(ids), SCANNED):
            some = ids[start : start + SCANNED]
            there = await self._database.ask(*(("EXISTS", ConversationKeys(each).meta) for each in some))
            self.gone |= {each for each, is_there in zip(some, there, strict=True) if not is_there}


class StoreWriter:
    """Brings groups into a store that has nothing of them."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database

    async def write(self, group: Group) -> None:
        """Every key with its expiry; what has expired meanwhile stays away."""
        now_ms = int(time.time() * 1000)
        for key in group.keys:
            if key.expires_at_ms < 0 or key.expires_at_ms > now_ms:
                for command in commands_of(key):
                    await self._database.ask(command)

    async def mark(self, value: str | bytes | int) -> None:
        """What stands as the store's format from now on."""
        await self._database.ask(("SET", FORMAT_KEY, value))

    async def note_backup(self, conversations: int) -> None:
        """That a backup was made now."""
        await self._database.ask(("HSET", BACKUP_KEY, "at", time.time(), "conversations", conversations))


async def last_backup(database: StoreClient) -> float | None:
    """When the last backup was made, in seconds since 1970; None where none was."""
    (at,) = await database.ask(("HGET", BACKUP_KEY, "at"))
    return float(at) if at is not None else None


def commands_of(key: StoredKey) -> Iterator[tuple[Argument, ...]]:
    """What makes the key anew, a bounded piece at a time."""
    if key.kind == "stream":
        yield from _entries(key)
    else:
        for values in _pieces(key):
            match key.kind:
                case "string":
                    yield ("SET", key.name.decode(), values[0])
                case "hash":
                    yield ("HSET", key.name.decode(), *values)
                case "zset":
                    scored = [value for pair in zip(values[1::2], values[::2], strict=True) for value in pair]
                    yield ("ZADD", key.name.decode(), *scored)
                case "set":
                    yield ("SADD", key.name.decode(), *values)
                case "list":
                    yield ("RPUSH", key.name.decode(), *values)
    if key.expires_at_ms >= 0:
        yield ("PEXPIREAT", key.name.decode(), key.expires_at_ms)


def _entries(key: StoredKey) -> Iterator[tuple[Argument, ...]]:
    rest = iter(key.content)
    for entry_id in rest:
        fields = [next(rest) for _ in range(int(next(rest)))]
        yield ("XADD", key.name.decode(), entry_id, *fields)


def _pieces(key: StoredKey) -> Iterator[list[bytes]]:
    step, piece, size = _PAIRED.get(key.kind, 1), list[bytes](), 0
    for start in range(0, len(key.content), step):
        values = key.content[start : start + step]
        piece += values
        size += sum(map(len, values))
        if size >= WRITTEN_BYTES or len(piece) >= WRITTEN_VALUES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _keys(answer: Sequence[Any]) -> list[StoredKey]:
    return [
        StoredKey(name, kind.decode(), int(expires), _flat(kind.decode(), content))
        for name, kind, expires, content in answer
    ]


def _flat(kind: str, content: Sequence[Any]) -> list[bytes]:
    """The content in an order that is the same each time it is read."""
    match kind:
        case "set":
            return sorted(content)
        case "hash":
            pairs = sorted(zip(content[::2], content[1::2], strict=True))
            return [value for pair in pairs for value in pair]
        case "stream":
            return [value for entry_id, fields in content for value in (entry_id, str(len(fields)).encode(), *fields)]
    return list(content)


def _only_listed(key: StoredKey, read: set[str]) -> StoredKey:
    """A user's list without conversations that are newer than the backup."""
    if not key.name.endswith(tuple(map(str.encode, _LISTS))):
        return key
    step = _PAIRED.get(key.kind, 1)
    kept = [
        value
        for start in range(0, len(key.content), step)
        if key.content[start].decode() in read
        for value in key.content[start : start + step]
    ]
    return StoredKey(key.name, key.kind, key.expires_at_ms, kept)


def _digest(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=12).digest()
