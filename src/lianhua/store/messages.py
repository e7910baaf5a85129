"""The messages of a conversation, as the tree they are: pages of the current branch, what a prompt is made from, pins.

Every call checks the owner; a foreign conversation is a missing one.
"""

from typing import Any, Final

from msgspec import Struct

from lianhua.chat.messages import Conversation, Message
from lianhua.chat.turn import TurnRecord
from lianhua.errors import ConversationNotFound, InvalidRequest
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.conversations import CONVERSATION_FIELDS, read_conversation
from lianhua.store.records import read_record
from lianhua.store.stored_message import read_message

PINNED_MESSAGES: Final = 20  # each is in every prompt; more would leave no room to talk
# A switch looks for the end of the branch so many messages at a time, so that the store is not kept for longer.
SWITCH_STEPS: Final = 500
# Of messages that are read at once, unless one alone has more. The loop decodes, shows or counts 1 MB in some 10 ms;
# 48 messages of 1.2 MB kept everybody waiting for half a second.
READ_BYTES: Final = 1024 * 1024


class Placed(Struct, frozen=True):
    """A message as it stands in the tree. `siblings` are all children of its parent, itself included, oldest first.

    `dropped_before` counts the messages between it and the one before it that retention has dropped.
    """

    message: Message
    siblings: tuple[str, ...]
    pinned: bool
    dropped_before: int


class MessagePage(Struct, frozen=True):
    """Part of the current branch, oldest first. `next` is the id to ask with for more, None at the beginning.

    `head` is the newest message of the branch ("" for none), `total` counts all messages it ever had, `dropped` those
    that retention has taken out of this part of it. `kept` counts what there is of the conversation, in all branches.
    """

    messages: tuple[Placed, ...]
    head: str
    total: int
    dropped: int
    kept: int
    next: str | None


class Window(Struct, frozen=True):
    """The newest messages of a branch, oldest first, and the pinned ones that come before them.

    `head` is the conversation's newest message. `total` counts all that precede what is to be said next; `pins` are the
    ids of all pinned messages. `former` is the record of the turn that made the newest reply, where one is kept.
    `conversation` is what they are of, read in the same step.
    """

    messages: tuple[Message, ...]
    pinned: tuple[Message, ...]
    head: str
    total: int
    pins: frozenset[str]
    former: TurnRecord | None = None
    conversation: Conversation | None = None


class MessageStore:
    """Raises `ConversationNotFound`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._page, self._window = Script("messages"), Script("window")
        self._switch, self._pin = Script("branch"), Script("pin")
        self._ancestry = Script("ancestry")

    async def page(self, conversation_id: str, owner: str, before: str | None, limit: int) -> MessagePage:
        """At most `limit` messages of the current branch that come before the message `before` (None: the newest), and
        fewer where they have more than `READ_BYTES`.

        Costs the same wherever in the branch it starts. Raises `InvalidRequest` when there is no such message.
        """
        args: list[Argument] = [owner, before or "", limit + 1, READ_BYTES]
        answer = await self._tree(self._page, conversation_id, args, "before")
        pins = _pinned(answer[3])
        found = [(read_message(value), ids) for value, ids in zip(answer[4], answer[5], strict=True)]
        # Of the one before each; -1 before the first.
        depths = [message.depth for message, _ in found[1:]] + [-1 if answer[7] == b"" else int(answer[7])]
        page = tuple(
            Placed(message, tuple(ids.decode().split()) or (message.id,), message.id in pins, message.depth - depth - 1)
            for (message, ids), depth in zip(found[:limit], depths, strict=False)
        )[::-1]
        more = len(found) > limit or answer[7] != b""
        dropped = sum(placed.dropped_before for placed in page)
        next_id = page[0].message.id if more else None
        return MessagePage(page, answer[1].decode(), int(answer[2]) + 1, dropped, int(answer[6]), next_id)

    async def window(
        self, conversation_id: str, owner: str, limit: int, *, at: str | None = None, before: str | None = None
    ) -> Window:
        """The newest `limit` messages of the branch that ends with the message `at`, or just before `before`; fewer
        where they have more than `READ_BYTES`, which bounds the pinned ones as well.

        With neither, of the current branch. Costs the same at the 10th and at the 10,000th message. Raises
        `InvalidRequest` when there is no such message.
        """
        if at == "":  # before the first message
            page = await self.window(conversation_id, owner, 0)
            return Window((), (), page.head, 0, page.pins, conversation=page.conversation)
        start = ("at", at) if at is not None else ("before", before) if before is not None else ("head", "")
        args: list[Argument] = [owner, start[0], start[1] or "", limit, READ_BYTES, *CONVERSATION_FIELDS]
        keys = ConversationKeys(conversation_id)
        answer = await self._database.run(self._window, [keys.meta, keys.messages, keys.tree, keys.turns], args)
        _check(answer, conversation_id, "parent_id" if at else "message_id")
        newest = tuple(read_message(value) for value in reversed(answer[4]))
        pinned = tuple(read_message(value) for value in reversed(answer[5]))
        former = read_record(answer[6]) if answer[6] else None
        conversation = read_conversation(conversation_id, answer[7])
        total = int(answer[2]) + 1
        return Window(newest, pinned, answer[1].decode(), total, _pinned(answer[3]), former, conversation)

    async def message(self, conversation_id: str, owner: str, message_id: str) -> Message | None:
        """One message by its id; None when the conversation does not hold it."""
        keys = ConversationKeys(conversation_id)
        holder, value = await self._database.ask(("HGET", keys.meta, "owner"), ("HGET", keys.messages, message_id))
        if holder is None or holder.decode() != owner:
            raise ConversationNotFound(conversation_id)
        return read_message(value) if value is not None else None

    async def ancestry(self, conversation_id: str, message_id: str, limit: int) -> list[str]:
        """The ids of a message and of those above it, each one's parent next: at most `limit`, empty for one that is
        not kept. The caller has checked the owner.
        """
        names = ConversationKeys(conversation_id)
        keys = [names.meta, names.messages, names.tree]
        return [name.decode() for name in await self._database.run(self._ancestry, keys, [message_id, limit])]

    async def switch(self, conversation_id: str, owner: str, message_id: str) -> None:
        """Makes the branch of a message the current one. Raises `InvalidRequest` when there is no such message."""
        below = message_id
        while True:
            args: list[Argument] = [owner, message_id, below, SWITCH_STEPS]
            answer = await self._tree(self._switch, conversation_id, args, "message_id")
            if answer[0] == b"ok":
                return
            below = answer[1].decode()

    async def pin(self, conversation_id: str, owner: str, message_id: str, *, pinned: bool) -> Placed:
        """Pins a message or lets it go. Raises `InvalidRequest` when there is none, or too many are pinned already."""
        keys = ConversationKeys(conversation_id)
        args: list[Argument] = [owner, message_id, "1" if pinned else "0", PINNED_MESSAGES]
        names = [keys.meta, keys.messages, keys.order, keys.tree]
        answer = await self._database.run(self._pin, names, args, durable=True)
        _check(answer, conversation_id, "message_id")
        if answer[0] == b"full":
            raise InvalidRequest("pinned", f"at most {PINNED_MESSAGES} messages of a conversation")
        message = read_message(answer[1])
        return Placed(message, tuple(answer[2].decode().split()) or (message.id,), pinned, 0)

    async def _tree(self, script: Script, conversation_id: str, args: list[Argument], field: str) -> list[Any]:
        keys = ConversationKeys(conversation_id)
        answer = await self._database.run(script, [keys.meta, keys.messages, keys.tree, keys.order], args)
        _check(answer, conversation_id, field)
        return answer


def _pinned(pins: bytes) -> frozenset[str]:
    return frozenset(pin.partition(":")[0] for pin in pins.decode().split())


def _check(answer: list[Any], conversation_id: str, field: str) -> None:
    if answer[0] == b"missing":
        raise ConversationNotFound(conversation_id)
    if answer[0] == b"no_message":
        raise InvalidRequest(field, "no such message in this conversation")
