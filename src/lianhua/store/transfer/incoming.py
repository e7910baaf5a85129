"""Conversations on their way into the store.

Each is staged under its own keys, where no list names it and a day ends it; when all are there they appear in the list
at once, and then get their true expiry. So an import that is cut off leaves nothing behind for longer than a day.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from lianhua.errors import Overloaded
from lianhua.formats.identity import another_name
from lianhua.formats.values import PortableConversation, PortableMessage
from lianhua.store.changes import PAGE_CHANGES, Change, encode
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX, ConversationKeys, list_keys
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.conversations import CHANGES_TTL_S, Retention
from lianhua.store.search.reading import by_size
from lianhua.store.stored_message import read_message
from lianhua.store.transfer.outgoing import READ_BYTES, READ_IDS
from lianhua.store.transfer.staged import STAGED_TTL_S, WRITTEN_FIELDS, Staged, adding_calls, newer, writing_calls

AT_ONCE: Final = 64  # calls on their way at once
NAMED_CHANGES: Final = 50  # tabs are told of so many one by one; of more, to read the list again

_ARRIVING: Final = f"{PREFIX}:{{arriving}}"  # imports from just before they are listed until all of each is settled


class Landed(Struct, frozen=True):
    """The id of an imported conversation. `is_known`: its owner had it before, and nothing was written."""

    id: str
    is_known: bool


class Extended(Struct, frozen=True):
    """What a file has brought to a conversation that was known: messages that are new, that were there, of these those
    with another text there, that retention has dropped before, and new ones whose parents it has dropped.
    """

    new: int
    known: int
    changed: int
    dropped: int
    orphans: int


class IncomingStore:
    """Raises `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient, retention: Retention, erased: Callable[[], None] = lambda: None) -> None:
        """`erased` is called when an import was taken back, so that the store can clean its files up as well."""
        self.retention = retention
        self._erased = erased
        self._database = database
        self._stage, self._unstage = Script("stage"), Script("unstage")
        self._enlist, self._settle = Script("enlist"), Script("settle")
        self._keep_list = Script("keep_list")
        self._extension, self._index = Script("extend"), Script("list_entry")

    async def stage(self, owner: str, mark: str, staged: Staged, tried: set[str]) -> Landed:
        """Writes a conversation for the import of that mark; `tried` are the ids that it may have written to.

        Nothing is written where its owner has one of its id. Where somebody else has one, it gets an id that is the
        owner's for it, the same each time. What an import of the owner has left that was cut off gives way. An import
        brings no two of one id.
        """
        wanted = staged.wanted_id or str(uuid.uuid4())
        for name in (wanted, another_name(owner, wanted)):
            tried.add(name)
            answer = await self._write(owner, mark, "", name, staged)
            if answer[0] == b"left" and not await self._is_listed(owner, name):
                answer = await self._write(owner, mark, answer[1].decode(), name, staged)
            if answer[0] != b"taken":
                return Landed(name, answer[0] != b"ok")
        raise Overloaded("no id is free")

    async def extend(self, owner: str, conversation: PortableConversation) -> Extended | None:
        """Adds what of a conversation is not there; None where that has gone. Repeating it is harmless."""
        for name in (conversation.id, another_name(owner, conversation.id)):
            if found := await self._extend_one(owner, name, conversation):
                return found
        return None

    async def _extend_one(self, owner: str, name: str, conversation: PortableConversation) -> Extended | None:
        keys = ConversationKeys(name)
        (fields,) = await self._database.ask(("HMGET", keys.meta, "owner", "pinned", "count", "staged"))
        if fields[0] != owner.encode():
            return None
        cap = 0 if fields[1] == b"1" else self.retention.messages
        known, changed = await self._compare(keys, conversation.messages)
        new = [message for message in conversation.messages if message.id not in known]
        fresh = new
        if cap and int(fields[2] or 0) >= cap:
            fresh = newer(conversation.messages, known, await self._oldest(keys))
        fresh = sorted(fresh[-cap:], key=lambda message: message.depth)  # parents first
        orphans = 0
        for args in adding_calls(owner, conversation, self.retention, fresh, settle=bool(fields[3])):
            answer = await self._database.run(self._extension, keys.lasting, args, durable=True)
            if answer[0] != b"ok":
                return None
            orphans += int(answer[2])
        if fresh:
            await self._touch(owner, name)
        return Extended(len(fresh), len(known), changed, len(new) - len(fresh), orphans)

    async def _oldest(self, keys: ConversationKeys) -> float:
        """The time of the message that retention would drop next; that of none is before all."""
        (names,) = await self._database.ask(("ZRANGE", keys.order, 0, 0))
        values = await self._database.ask(*(("HGET", keys.messages, name) for name in names)) if names else []
        return min((read_message(value).timestamp for value in values if value), default=0.0)

    async def _compare(self, keys: ConversationKeys, messages: Sequence[PortableMessage]) -> tuple[set[str], int]:
        """Which messages are there, and how many of them say something else there."""
        known: set[str] = set()
        changed = 0
        for start in range(0, len(messages), READ_IDS):
            some = {message.id: message for message in messages[start : start + READ_IDS]}
            sizes = await self._database.ask(*(("HSTRLEN", keys.messages, name) for name in some))
            there = [(name, size) for name, size in zip(some, sizes, strict=True) if size]
            for names, _ in by_size([name for name, _ in there], [size for _, size in there], READ_BYTES):
                (values,) = await self._database.ask(("HMGET", keys.messages, *names))
                for name, value in zip(names, values, strict=True):
                    if value is None:
                        continue
                    stored = read_message(value)
                    known.add(name)
                    changed += (stored.content, stored.reasoning) != (some[name].content, some[name].reasoning)
        return known, changed

    async def _touch(self, owner: str, name: str) -> None:
        """The conversation stands where it belongs in its owner's list, whose tabs are told."""
        (fields,) = await self._database.ask(("HMGET", ConversationKeys(name).meta, "updated_at", "pinned"))
        if fields[0] is None:
            return
        change = encode(Change(name, "changed"))
        args: list[Argument] = [name, fields[0], fields[1] or "0", self.retention.seconds, change, PAGE_CHANGES]
        await self._database.run(self._index, list_keys(owner), [*args, CHANGES_TTL_S])

    async def _write(self, owner: str, mark: str, replaced: str, name: str, staged: Staged) -> list[bytes]:
        answer: list[bytes] = []
        for part in writing_calls(owner, mark, replaced, staged):
            answer = await self._database.run(self._stage, ConversationKeys(name).lasting, part)
            if answer[0] != b"ok":
                break
        return answer

    async def _is_listed(self, owner: str, name: str) -> bool:
        (score,) = await self._database.ask(("ZSCORE", list_keys(owner)[0], name))
        return score is not None

    async def enlist(self, owner: str, mark: str, arrived: Sequence[tuple[str, float, bool]]) -> None:
        """All of an import appear in the owner's list: their ids, last activities, and whether they are pinned."""
        listed, pinned, feed = list_keys(owner)
        new, new_pinned = _new_lists(owner, mark)
        for start in range(0, len(arrived), WRITTEN_FIELDS):
            some = arrived[start : start + WRITTEN_FIELDS]
            rows = [word for name, at, _ in some for word in (repr(at), name)]
            commands: list[tuple[Argument, ...]] = [("ZADD", new, *rows), ("EXPIRE", new, STAGED_TTL_S)]
            if pins := [name for name, _, is_pinned in some if is_pinned]:
                commands += [("SADD", new_pinned, *pins), ("EXPIRE", new_pinned, STAGED_TTL_S)]
            await self._database.ask(*commands)
        # From the moment that they are listed somebody has to settle them, though this process may die.
        left = _left_list(owner, mark)
        await self._database.ask(("ZUNIONSTORE", left, 1, new), ("EXPIRE", left, STAGED_TTL_S))
        await self._database.ask(("SADD", _ARRIVING, f"{mark} {owner}"), ("EXPIRE", _ARRIVING, STAGED_TTL_S))
        newest = sorted(arrived, key=lambda one: one[1])[-NAMED_CHANGES:]
        args: list[Argument] = [
            self.retention.seconds,
            PAGE_CHANGES,
            CHANGES_TTL_S,
            "1" if len(arrived) > NAMED_CHANGES else "0",
            *(encode(Change(name, "created")) for name, _, _ in newest),
        ]
        await self._database.run(self._enlist, [listed, pinned, feed, new, new_pinned], args, durable=True)

    async def settle(self, owner: str, mark: str, names: Sequence[str]) -> list[str]:
        """From now on they expire as any other, and their list not before them; those that are not there any more."""
        answers = await self._each(self._settle, names, [owner, mark, self.retention.seconds], durable=True)
        await self._database.run(self._keep_list, list_keys(owner)[:2], [self.retention.seconds], durable=True)
        return [name for name, answer in zip(names, answers, strict=True) if answer[0] == b"another"]

    async def settled(self, owner: str, mark: str) -> None:
        """All of an import are settled, or it is taken back: nobody has to look after it."""
        await self._database.ask(("UNLINK", _left_list(owner, mark)))
        await self._database.ask(("SREM", _ARRIVING, f"{mark} {owner}"))

    async def settle_left(self) -> int:
        """Settles what is listed of imports whose process died before it could; how many conversations. Harmless
        beside an import that is about to do so itself.
        """
        (members,) = await self._database.ask(("SMEMBERS", _ARRIVING))
        count = 0
        for mark, _, owner in (member.decode().partition(" ") for member in members):
            new, _ = _new_lists(owner, mark)
            waits, names = await self._database.ask(("EXISTS", new), ("ZRANGE", _left_list(owner, mark), 0, -1))
            if waits:  # none of it is listed: it may be about to be; else it ends by itself
                continue
            await self.settle(owner, mark, [name.decode() for name in names])
            await self.settled(owner, mark)
            count += len(names)
        return count

    async def remove(self, owner: str, mark: str, names: Sequence[str]) -> None:
        """Takes an import back, as far as it got; of `names` only what is its own. Repeating it is harmless."""
        if not names:
            return
        await self.settled(owner, mark)
        listed, pinned, _ = list_keys(owner)
        await self._database.ask(*(("UNLINK", key) for key in _new_lists(owner, mark)))
        answers = await self._each(self._unstage, names, [owner, mark], durable=False)
        gone = [name for name, answer in zip(names, answers, strict=True) if answer[0] == b"ok"]
        for start in range(0, len(gone), WRITTEN_FIELDS):
            some = gone[start : start + WRITTEN_FIELDS]
            await self._database.ask(("ZREM", listed, *some), ("SREM", pinned, *some))
        self._erased()

    async def _each(
        self, script: Script, names: Sequence[str], args: list[Argument], *, durable: bool
    ) -> list[list[bytes]]:
        answers: list[list[bytes]] = []
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            calls = (self._database.run(script, ConversationKeys(name).lasting, args, durable=durable) for name in some)
            answers += await asyncio.gather(*calls)
        return answers


def _new_lists(owner: str, mark: str) -> tuple[str, str]:
    """What an import adds to a user's list, and which of it is pinned."""
    listed, *_ = list_keys(owner)
    return f"{listed}:{mark}", f"{listed}:{mark}:pinned"


def _left_list(owner: str, mark: str) -> str:
    """What of an import may be listed and not settled."""
    listed, *_ = list_keys(owner)
    return f"{listed}:{mark}:left"
