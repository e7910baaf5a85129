"""Conversations and their messages as the store keeps them. Every call checks the owner; a foreign id is a missing
one.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from lianhua.errors import ConversationNotFound, InvalidRequest, Overloaded
from lianhua.messages import Conversation, Message
from lianhua.store.changes import PAGE_CHANGES, Change, encode
from lianhua.store.database import Database
from lianhua.store.keys import ConversationKeys, list_keys
from lianhua.store.scripts import Argument, Script

_FIELDS = (
    "owner", "title", "role", "model", "created_at", "updated_at", "expires_at", "pinned", "count", "t.id",
)  # fmt: skip
# The time of a conversation's last activity as Python writes a float, and its id.
_LIST_CURSOR = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,20})?)_([0-9a-f-]{36})")
CHANGES_TTL_S: Final = 86_400  # of a user to whom nothing happens; a tab that was away for longer reads the list again
_message = msgspec.json.Decoder(Message)


class MessagePage(Struct, frozen=True):
    """Part of a branch, oldest first. `next` is the id to ask with for what came before, None at the beginning.

    `head` is the newest message of the branch ("" for none), `total` counts the messages that are kept.
    """

    messages: tuple[Message, ...]
    head: str
    depth: int
    total: int
    next: str | None


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

    def __init__(self, database: Database, retention: Retention, erased: Callable[[], None] = lambda: None) -> None:
        """`erased` is called after each erasure, so that the store can clean its files up as well."""
        self._database = database
        self._retention = retention
        self._erased = erased
        self._create, self._update = Script("create"), Script("update")
        self._page, self._erase, self._index = Script("messages"), Script("erase"), Script("index")

    async def create(self, conversation_id: str, owner: str, role: str, model: str | None, title: str) -> Conversation:
        """A new, empty conversation of `owner`."""
        meta = ConversationKeys(conversation_id).meta
        args: list[Argument] = [owner, role, model or "", title, self._retention.seconds]
        await self._database.run(self._create, [meta], args, durable=True)
        return await self.touch(conversation_id, owner, Change(conversation_id, "created"))

    async def get(self, conversation_id: str, owner: str) -> Conversation:
        (values,) = await self._database.ask(("HMGET", ConversationKeys(conversation_id).meta, *_FIELDS))
        conversation = _conversation(conversation_id, values)
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

    async def touch(self, conversation_id: str, owner: str, change: Change) -> Conversation:
        """Brings the owner's list level with the conversation, and tells the owner's tabs of the change.

        That is a second slot, so a second step; repeated, it tells them twice.
        """
        conversation = await self.get(conversation_id, owner)
        await self._list(owner, change, str(conversation.updated_at), pinned=conversation.pinned)
        return conversation

    async def _list(self, owner: str, change: Change, updated_at: str, *, pinned: bool) -> None:
        args: list[Argument] = [
            change.conversation_id,
            updated_at,
            "1" if pinned else "0",
            self._retention.seconds,
            encode(change),
            PAGE_CHANGES,
            CHANGES_TTL_S,
        ]
        await self._database.run(self._index, list_keys(owner), args)

    async def page(self, owner: str, before: str | None, limit: int) -> ConversationPage:
        """At most `limit` conversations older than the cursor `before`. Raises `InvalidRequest` for a bad cursor."""
        listed, *_ = list_keys(owner)
        score, passed_id = _list_cursor(before)
        found: dict[str, Conversation] = {}
        cursor: str | None = None
        ties = 0  # rows of the same moment as the cursor that have been passed: nearly always none or one
        while True:
            (flat,) = await self._database.ask(
                ("ZREVRANGEBYSCORE", listed, score, "-inf", "WITHSCORES", "LIMIT", ties, limit + 1)
            )
            rows = [(member, float(at)) for member, at in zip(flat[::2], flat[1::2], strict=True)]
            ids = [(member.decode(), updated) for member, updated in rows]
            # Rows of the same moment are ordered by id, downwards like the scores.
            ids = [(name, at) for name, at in ids if passed_id is None or at < float(score) or name < passed_id]
            conversations = await self._read(owner, [name for name, _ in ids])
            for (name, at), conversation in zip(ids, conversations, strict=True):
                if conversation is None or name in found:
                    continue
                if len(found) == limit:
                    return ConversationPage(tuple(found.values()), cursor)
                found[name] = conversation
                cursor = f"{at!r}_{name}"
            if len(rows) <= limit:
                return ConversationPage(tuple(found.values()), None)
            last, at = rows[-1]
            ties = ties + len(rows) - conversations.count(None) if repr(at) == score else 0
            score, passed_id = repr(at), last.decode()

    async def _read(self, owner: str, ids: Sequence[str]) -> list[Conversation | None]:
        """The conversations of `ids`; those that have expired are None and leave the list."""
        if not ids:
            return []
        rows = await self._database.ask(*(("HMGET", ConversationKeys(name).meta, *_FIELDS) for name in ids))
        conversations = [_conversation(name, row) for name, row in zip(ids, rows, strict=True)]
        if gone := [name for name, conversation in zip(ids, conversations, strict=True) if conversation is None]:
            listed, pinned, _ = list_keys(owner)
            await self._database.ask(("ZREM", listed, *gone), ("SREM", pinned, *gone))
        return conversations

    async def messages(self, conversation_id: str, owner: str, before: str | None, limit: int) -> MessagePage:
        """At most `limit` messages of the current branch that come before the message `before` (None: the newest).

        Costs the same wherever in the branch it starts. Raises `InvalidRequest` when there is no such message.
        """
        keys = ConversationKeys(conversation_id)
        args: list[Argument] = [owner, before or "", limit + 1]
        answer = await self._database.run(self._page, [keys.meta, keys.messages], args)
        if answer[0] == b"no_message":
            raise InvalidRequest("before", "no such message in this conversation")
        _check(answer, conversation_id)
        found = [_stored_message(value) for value in answer[4]]
        more = len(found) > limit
        page = tuple(reversed(found[:limit]))
        return MessagePage(page, answer[1].decode(), int(answer[2]), int(answer[3]), page[0].id if more else None)

    async def messages_before(self, conversation_id: str, owner: str, message: Message, limit: int) -> MessagePage:
        """At most `limit` messages that precede `message` in its branch, as it was when `message` was the next one."""
        page = await self.messages(conversation_id, owner, message.id, limit)
        return msgspec.structs.replace(page, head=message.parent_id or "", depth=message.depth - 1)

    async def message(self, conversation_id: str, owner: str, message_id: str) -> Message | None:
        """One message by its id; None when the conversation does not hold it."""
        keys = ConversationKeys(conversation_id)
        holder, value = await self._database.ask(("HGET", keys.meta, "owner"), ("HGET", keys.messages, message_id))
        if holder is None or holder.decode() != owner:
            raise ConversationNotFound(conversation_id)
        return _stored_message(value) if value is not None else None

    async def erase(self, conversation_id: str, owner: str, *, keep_conversation: bool) -> None:
        """Removes every text of the conversation, and unless `keep_conversation` the conversation itself."""
        keys = ConversationKeys(conversation_id)
        for _ in range(8):  # a turn accepted in between changes the set of keys; nobody wins that race eight times
            (names,) = await self._database.ask(("ZRANGE", keys.lingering, 0, -1))
            turn_ids = [name.decode() for name in names]
            working = [key for turn_id in turn_ids for key in keys.working(turn_id)]
            args: list[Argument] = [owner, "1" if keep_conversation else "0", self._retention.seconds, *turn_ids]
            answer = await self._database.run(self._erase, keys.lasting + working, args, durable=True)
            _check(answer, conversation_id)
            if answer[0] == b"ok":
                break
        else:
            raise Overloaded("the conversation changes faster than it can be erased")
        self._erased()
        if keep_conversation:
            await self.touch(conversation_id, owner, Change(conversation_id, "changed"))
        else:
            await self._list(owner, Change(conversation_id, "deleted"), "", pinned=False)


def _check(answer: list[Any], conversation_id: str) -> None:
    if answer[0] == b"missing":
        raise ConversationNotFound(conversation_id)


def _list_cursor(before: str | None) -> tuple[str, str | None]:
    if before is None:
        return "+inf", None
    found = _LIST_CURSOR.fullmatch(before)
    if not found:
        raise InvalidRequest("before", "not a cursor of this list")
    return found[1], found[2]


def _conversation(conversation_id: str, values: Sequence[bytes | None]) -> Conversation | None:
    owner, title, role, model, created, updated, expires, pinned, count, running = (
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
    )


def _stored_message(value: bytes) -> Message:
    head, _, body = value.partition(b"\n")
    parent, turn_id = head.decode().split(" ")
    message = _message.decode(body)
    return msgspec.structs.replace(
        message,
        parent_id=None if parent == "-" else parent,
        turn_id=None if turn_id == "-" else turn_id,
    )
