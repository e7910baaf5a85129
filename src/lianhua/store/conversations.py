"""Conversations and their messages as the store keeps them. Every call checks the owner; a foreign id is a missing
one.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from lianhua.chat.messages import Conversation, Spent
from lianhua.errors import ConversationNotFound, Overloaded
from lianhua.store.changes import PAGE_CHANGES, Change, encode
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys, erased_key, list_keys
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.listing import ListWalk

CONVERSATION_FIELDS: Final = (
    "owner", "title", "role", "model", "created_at", "updated_at", "expires_at", "pinned", "count", "t.id",
    "usage",
)  # fmt: skip
# Of a list that grows faster than it is read: after so many changes so many of its rows are looked at, which keeps
# those that have expired below two thirds.
LOOK_EVERY: Final = 16
LOOK_AT: Final = 8
CHANGES_TTL_S: Final = 86_400  # of a user to whom nothing happens; a tab that was away for longer reads the list again
DELETED_S: Final = 86_400  # a deletion that is repeated within that time is answered as the first one was
MOST_DELETED: Final = 1_000  # of a user
_usage = msgspec.json.Decoder(dict[str, Spent])


class ConversationPage(Struct, frozen=True):
    """Part of a user's list, newest activity first. `next` is the cursor for what is older, None at the end."""

    conversations: tuple[Conversation, ...]
    next: str | None


class Retention(Struct, frozen=True):
    """How long (seconds after the last activity) and how many messages are kept; 0 is no limit."""

    seconds: float
    messages: int


class ConversationStore:
    """Reads and writes conversations. Raises `ConversationNotFound`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient, retention: Retention, erased: Callable[[], None] = lambda: None) -> None:
        """`erased` is called after each erasure, so that the store can clean its files up as well."""
        self._database = database
        self._retention = retention
        self._erased = erased
        self._changes = 0
        self._create, self._update = Script("create"), Script("update")
        self._erase, self._index, self._retitle = Script("erase"), Script("list_entry"), Script("retitle")
        self._deleting = Script("deleting")

    async def create(self, conversation_id: str, owner: str, role: str, model: str | None, title: str) -> Conversation:
        """A new, empty conversation of `owner`."""
        keys = ConversationKeys(conversation_id)
        args: list[Argument] = [owner, role, model or "", title, self._retention.seconds, *CONVERSATION_FIELDS]
        values = await self._database.run(self._create, [keys.meta, keys.ngrams], args, durable=True)
        conversation = read_conversation(conversation_id, values)
        assert conversation  # noqa: S101  it has just been made
        await self.enlist(conversation, Change(conversation_id, "created"))
        return conversation

    async def get(self, conversation_id: str, owner: str) -> Conversation:
        (values,) = await self._database.ask(("HMGET", ConversationKeys(conversation_id).meta, *CONVERSATION_FIELDS))
        conversation = read_conversation(conversation_id, values)
        if conversation is None or conversation.owner != owner:
            raise ConversationNotFound(conversation_id)
        return conversation

    async def update(self, conversation_id: str, owner: str, fields: dict[str, str]) -> Conversation:
        """Sets `fields`, of title, role, model ("" for the server's default) and pinned ("1" or "0")."""
        pairs = [part for pair in fields.items() for part in pair]
        keys = ConversationKeys(conversation_id).lasting
        answer = await self._database.run(self._update, keys, [owner, self._retention.seconds, *pairs], durable=True)
        _check(answer, conversation_id)
        return await self.touch(conversation_id, owner, Change(conversation_id, "changed"))

    async def retitle(self, conversation_id: str, owner: str, made_from: str, title: str) -> bool:
        """Puts `title` in the place of `made_from`; False, and no change, where somebody has named the conversation."""
        keys = ConversationKeys(conversation_id)
        answer = await self._database.run(self._retitle, [keys.meta, keys.ngrams], [owner, made_from, title])
        _check(answer, conversation_id)
        if answer[0] == b"ok":
            await self.touch(conversation_id, owner, Change(conversation_id, "changed"))
        return bool(answer[0] == b"ok")

    async def touch(self, conversation_id: str, owner: str, change: Change) -> Conversation:
        """Brings the owner's list level with the conversation, and tells the owner's tabs of the change.

        That is a second slot, so a second step; repeated, it tells them twice.
        """
        conversation = await self.get(conversation_id, owner)
        await self.enlist(conversation, change)
        return conversation

    async def enlist(self, conversation: Conversation, change: Change) -> None:
        """`touch`, for who has just read the conversation."""
        await self._list(conversation.owner, change, str(conversation.updated_at), pinned=conversation.pinned)

    async def enlist_used(self, owner: str, change: Change, updated_at: str) -> None:
        """`touch`, for who has just used the conversation, at `updated_at` by the store, and has not read it."""
        await self._list(owner, change, updated_at, pinned=None)

    async def _list(self, owner: str, change: Change, updated_at: str, *, pinned: bool | None) -> None:
        args: list[Argument] = [
            change.conversation_id,
            updated_at,
            "" if pinned is None else "1" if pinned else "0",
            self._retention.seconds,
            encode(change),
            PAGE_CHANGES,
            CHANGES_TTL_S,
        ]
        await self._database.run(self._index, list_keys(owner), args)
        self._changes += 1
        if self._changes % LOOK_EVERY == 0:  # what has expired and is never met by a reader
            (some,) = await self._database.ask(("ZRANDMEMBER", list_keys(owner)[0], LOOK_AT))
            await self.rows(owner, [member.decode() for member in some])

    async def page(self, owner: str, before: str | None, limit: int) -> ConversationPage:
        """At most `limit` conversations older than the cursor `before`. Raises `InvalidRequest` for a bad cursor."""
        walk = ListWalk(self._database, list_keys(owner)[0], before, limit + 1)
        found: dict[str, Conversation] = {}
        cursor: str | None = None
        while not walk.ended:
            places = await walk.step()
            rows = await self.rows(owner, [name for name, _ in places])
            for (name, place), row in zip(places, rows, strict=True):
                if row is None or name in found:
                    continue
                if len(found) == limit:
                    return ConversationPage(tuple(found.values()), cursor)
                found[name] = row
                cursor = place
            walk.gone(rows.count(None))
        return ConversationPage(tuple(found.values()), None)

    async def rows(self, owner: str, ids: Sequence[str]) -> list[Conversation | None]:
        """The conversations of `ids`, which are from the owner's list; those that have expired are None and leave
        it.
        """
        if not ids:
            return []
        rows = await self._database.ask(*(("HMGET", ConversationKeys(name).meta, *CONVERSATION_FIELDS) for name in ids))
        found = [read_conversation(name, row) for name, row in zip(ids, rows, strict=True)]
        # An id that has become free may be somebody else's by now: an import brings its own.
        conversations = [row if row and row.owner == owner else None for row in found]
        if gone := [name for name, conversation in zip(ids, conversations, strict=True) if conversation is None]:
            listed, pinned, _ = list_keys(owner)
            await self._database.ask(("ZREM", listed, *gone), ("SREM", pinned, *gone))
        return conversations

    async def erase(self, conversation_id: str, owner: str, *, keep_conversation: bool) -> None:
        """Removes every text of the conversation, and unless `keep_conversation` the conversation itself."""
        if not keep_conversation:
            await self._note_deletion(conversation_id, owner)
        try:
            await self.erase_texts(conversation_id, owner, keep_conversation=keep_conversation)
        finally:
            self._erased()  # also where the answer was lost: it may have been done
        if keep_conversation:
            await self.touch(conversation_id, owner, Change(conversation_id, "changed"))
        else:
            await self._list(owner, Change(conversation_id, "deleted"), "", pinned=False)

    async def finish_deletion(self, conversation_id: str, owner: str) -> None:
        """What follows the deletion of a conversation that is gone, should it have been cut off in between."""
        self._erased()
        await self._list(owner, Change(conversation_id, "deleted"), "", pinned=False)

    async def was_deleted(self, conversation_id: str, owner: str) -> bool:
        """Whether the owner has deleted it within the last day, or begun to."""
        (score,) = await self._database.ask(("ZSCORE", erased_key(owner), _hashed(conversation_id)))
        return score is not None

    async def _note_deletion(self, conversation_id: str, owner: str) -> None:
        """Before it is done: what follows it may be lost."""
        await self.get(conversation_id, owner)
        args: list[Argument] = [_hashed(conversation_id), DELETED_S, MOST_DELETED]
        await self._database.run(self._deleting, [erased_key(owner)], args, durable=True)

    async def erase_texts(self, conversation_id: str, owner: str, *, keep_conversation: bool) -> None:
        """`erase` without what goes with it in the owner's keys: for who removes those too."""
        keys = ConversationKeys(conversation_id)
        for _ in range(8):  # a turn accepted in between changes the set of keys; nobody wins that race eight times
            (lingering,) = await self._database.ask(("ZRANGE", keys.lingering, 0, -1))
            turn_ids = [name.decode() for name in lingering]
            working = [key for turn_id in turn_ids for key in keys.working(turn_id)]
            args: list[Argument] = [owner, "1" if keep_conversation else "0", self._retention.seconds, *turn_ids]
            names = [*keys.lasting, keys.erased, *working]
            answer = await self._database.run(self._erase, names, args, durable=True)
            _check(answer, conversation_id)
            if answer[0] == b"ok":
                return
        raise Overloaded("the conversation changes faster than it can be erased")


def _hashed(conversation_id: str) -> str:
    return hashlib.sha256(conversation_id.encode()).hexdigest()


def _check(answer: list[Any], conversation_id: str) -> None:
    if answer[0] == b"missing":
        raise ConversationNotFound(conversation_id)


def read_conversation(conversation_id: str, values: Sequence[bytes | None]) -> Conversation | None:
    owner, title, role, model, created, updated, expires, pinned, count, running, usage = (
        value.decode() if value is not None else None for value in values
    )
    if owner is None or created is None or updated is None:
        return None
    return Conversation(
        id=conversation_id,
        owner=owner,
        title=title or "",
        role=role or "",
        model=model or None,
        created_at=float(created),
        updated_at=float(updated),
        expires_at=float(expires) if expires else None,
        pinned=pinned == "1",
        message_count=int(count or 0),
        running_turn_id=running,
        usage=spent_of(usage or ""),
    )


def spent_of(usage: str) -> dict[str, Spent]:
    """What the turns have cost, as it is stored; nothing where that cannot be read: a list is worth more than its
    figures.
    """
    try:
        return _usage.decode(usage) if usage else {}
    except msgspec.MsgspecError:
        return {}
