"""Whole conversations on their way out of the store and into it.

Out: one is read in pieces, whatever its size, while others write to it. In: each is staged under its own keys, where no
list names it and a day ends it; when all are there they appear in the list at once, and then get their true expiry. So
an import that is cut off leaves nothing behind for longer than a day.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import Final, Literal, cast

import msgspec
from msgspec import Struct

from lianhua.chat.messages import Message
from lianhua.errors import ConversationNotFound, Overloaded
from lianhua.formats.branches import rows_of
from lianhua.formats.identity import another_name
from lianhua.formats.tree import kept_within
from lianhua.formats.values import Branch, PortableConversation, PortableHead, PortableMessage
from lianhua.store.changes import PAGE_CHANGES, Change, encode
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX, ConversationKeys, list_keys
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.conversations import CHANGES_TTL_S, Retention, spent_of
from lianhua.store.search.folding import overlapping
from lianhua.store.search.index import INDEXED_CHARS
from lianhua.store.search.ngrams import Signature
from lianhua.store.search.reading import by_size
from lianhua.store.stored_message import branch_of, placed_message, read_message, timed_body

STAGED_TTL_S: Final = 86_400
READ_IDS: Final = 512  # messages whose sizes are asked for at once
READ_BYTES: Final = 256 * 1024  # of messages that are read at once: decoding them holds the loop for some milliseconds
WRITTEN_BYTES: Final = 256 * 1024  # in one call: the store is not kept from others for longer than a few milliseconds
WRITTEN_FIELDS: Final = 2_000
AT_ONCE: Final = 64  # calls on their way at once
NAMED_CHANGES: Final = 50  # tabs are told of so many one by one; of more, to read the list again

_ARRIVING: Final = f"{PREFIX}:{{arriving}}"  # imports from just before they are listed until all of each is settled
_FIELDS = (
    "owner", "title", "titled", "role", "model", "created_at", "updated_at", "pinned", "head", "pins", "usage",
)  # fmt: skip
_encode = msgspec.json.Encoder().encode


class Leaving(Struct, frozen=True):
    """A conversation that is being read: its head, the depth of its branch's end, and the ids of its messages, the
    oldest first; which are pinned, and their places among their siblings where they are not the first.

    `places` are those of the branches in the file, by their numbers in the store, which forgets branches.
    """

    head: PortableHead
    depth: int
    ids: list[str]
    pins: frozenset[str]
    siblings: dict[str, int]
    places: dict[int, int]


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


class Staged(Struct, frozen=True):
    """A conversation as the store is to keep it. `dropped` counts the messages that retention does not let in."""

    wanted_id: str
    updated_at: float
    pinned: bool
    meta: list[str | bytes]
    tree: list[str | bytes]
    messages: list[tuple[str, bytes, str]]  # id, value, age
    signature: bytes
    dropped: int


class TransferStore:
    """Raises `ConversationNotFound`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient, retention: Retention, erased: Callable[[], None] = lambda: None) -> None:
        """`erased` is called when an import was taken back, so that the store can clean its files up as well."""
        self.retention = retention
        self._erased = erased
        self._database = database
        self._stage, self._unstage = Script("stage"), Script("unstage")
        self._enlist, self._settle = Script("enlist"), Script("settle")
        self._keep_list = Script("keep_list")
        self._extension, self._index = Script("extend"), Script("list_entry")

    # Out

    async def ids(self, owner: str) -> list[str]:
        """Every conversation of the owner's list, the longest silent first: all at once, for the list moves."""
        (members,) = await self._database.ask(("ZRANGE", list_keys(owner)[0], 0, -1))
        return [member.decode() for member in members]

    async def leaving(self, conversation_id: str, owner: str) -> Leaving:
        """What there is to read of a conversation."""
        keys = ConversationKeys(conversation_id)
        (values,) = await self._database.ask(("HMGET", keys.meta, *_FIELDS, "depth"))
        fields = [value.decode() if value is not None else "" for value in values]
        holder, title, titled, role, model, created, updated, pinned, head, pins, usage, depth = fields
        if holder != owner or not updated:
            raise ConversationNotFound(conversation_id)
        branches, siblings = await self._tree(keys)
        places = {number: place for place, number in enumerate(sorted(branches))}
        ids, pinned_ids = await self._order(keys, pins)
        return Leaving(
            PortableHead(
                id=conversation_id,
                title=title,
                titled=cast(Literal["", "model", "user"], titled),
                role=role,
                model=model or None,
                created_at=float(created),
                updated_at=float(updated),
                pinned=pinned == "1",
                current=head or None,
                usage=spent_of(usage),
                branches=tuple(_branch(branches[number], places) for number in places),
            ),
            int(depth or -1),
            ids,
            pinned_ids,
            siblings,
            places,
        )

    async def _tree(self, keys: ConversationKeys) -> tuple[dict[int, bytes], dict[str, int]]:
        branches: dict[int, bytes] = {}
        siblings: dict[str, int] = {}
        cursor: str | bytes = "0"
        while True:
            ((cursor, flat),) = await self._database.ask(("HSCAN", keys.tree, cursor, "COUNT", READ_IDS))
            for name, value in zip(flat[::2], flat[1::2], strict=True):
                if name.startswith(b"b:"):
                    branches[int(name[2:])] = value
                else:
                    children = value.decode().split()
                    siblings.update((child, number) for number, child in enumerate(children) if number)
            if cursor in (b"0", "0"):
                return branches, siblings

    async def _order(self, keys: ConversationKeys, pins: str) -> tuple[list[str], frozenset[str]]:
        aged = [(int(age), name) for name, _, age in (pin.partition(":") for pin in pins.split())]
        pinned = frozenset(name for _, name in aged)
        last: str = "-inf"
        while True:
            (flat,) = await self._database.ask(
                ("ZRANGEBYSCORE", keys.order, last, "+inf", "WITHSCORES", "LIMIT", 0, READ_IDS)
            )
            aged += [(int(age), name.decode()) for name, age in zip(flat[::2], flat[1::2], strict=True)]
            if len(flat) < 2 * READ_IDS:
                break
            last = f"({int(flat[-1])}"
        return [name for _, name in sorted(set(aged))], pinned

    async def messages(
        self, leaving: Leaving, ids: Sequence[str] | None = None
    ) -> AsyncGenerator[list[PortableMessage], None]:
        """The messages in the order of `ids` (None: of all), some at a time; without those that have gone meanwhile."""
        keys = ConversationKeys(leaving.head.id)
        wanted = leaving.ids if ids is None else ids
        for start in range(0, len(wanted), READ_IDS):
            names = wanted[start : start + READ_IDS]
            sizes = await self._database.ask(*(("HSTRLEN", keys.messages, name) for name in names))
            for some, _ in by_size(names, sizes, READ_BYTES):
                (values,) = await self._database.ask(("HMGET", keys.messages, *some))
                yield [_portable(value, leaving) for value in values if value is not None]

    async def way(self, leaving: Leaving) -> list[str]:
        """The ids of the branch that is shown, the oldest first: of what is left of it."""
        # A hash gives whole values only, so this reads them all; it keeps of each a line.
        positions: dict[str, tuple[int, int]] = {}
        async for messages in self.messages(leaving):
            positions.update((message.id, (message.branch, message.depth)) for message in messages)
        reach = _reach(leaving, positions)
        on_way = [name for name, (branch, depth) in positions.items() if depth <= reach.get(branch, -1)]
        return sorted(on_way, key=lambda name: positions[name][1])

    # In

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
            fresh = _newer(conversation.messages, known, await self._oldest(keys))
        fresh = sorted(fresh[-cap:], key=lambda message: message.depth)  # parents first
        orphans = 0
        for args in _additions(owner, conversation, self.retention, fresh, settle=bool(fields[3])):
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
        for part in _parts(owner, mark, replaced, staged):
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


def _last_used(conversation: PortableConversation) -> float:
    """The moment that its expiry is counted from: a file may say any, but not one that is still to come."""
    return min(conversation.updated_at, time.time())


def _left_list(owner: str, mark: str) -> str:
    """What of an import may be listed and not settled."""
    listed, *_ = list_keys(owner)
    return f"{listed}:{mark}:left"


def staged(conversation: PortableConversation, retention: Retention) -> Staged:
    """A conversation as the store keeps one, as far as retention lets it in."""
    cap = 0 if conversation.pinned else retention.messages
    messages = kept_within(conversation.messages, cap)
    ages = {message.id: age for age, message in enumerate(messages, 1)}
    by_id = {message.id: message for message in messages}
    current = by_id.get(conversation.current or "") or (messages[-1] if messages else None)
    pins = " ".join(f"{message.id}:{ages[message.id]}" for message in messages if message.pinned)
    meta: dict[str, str | bytes] = {
        "title": conversation.title,
        "role": conversation.role,
        "model": conversation.model or "",
        "created_at": f"{conversation.created_at:.6f}",
        "updated_at": f"{_last_used(conversation):.6f}",
        "pinned": "1" if conversation.pinned else "0",
        "head": current.id if current else "",
        "depth": str(current.depth if current else -1),
        "branch": str(current.branch) if current else "-",
        "count": str(len(messages)),
        "last": str(len(messages)),
        "branches": str(len(conversation.branches)),
        "signed": str(len(messages)),
    }
    optional = {"titled": conversation.titled, "pins": pins}
    meta.update({name: value for name, value in optional.items() if value})
    if conversation.usage:
        meta["usage"] = _encode(conversation.usage)
    tree: dict[str, str] = {f"b:{number}": _label(branch) for number, branch in enumerate(conversation.branches)}
    for parent, row in rows_of(messages).items():
        tree[f"c:{parent or '-'}"] = " ".join(message.id for message in row)
    return Staged(
        conversation.id,
        _last_used(conversation),
        conversation.pinned,
        [part for pair in meta.items() for part in pair],
        [part for pair in tree.items() for part in pair],
        [
            (
                message.id,
                placed_message(_message(message), message.branch),
                "" if message.pinned else str(ages[message.id]),
            )
            for message in messages
        ],
        _signature(conversation.title, messages),
        len(conversation.messages) - len(messages),
    )


def _signature(title: str, messages: Sequence[PortableMessage]) -> bytes:
    """What the search asks before it reads the conversation. This is most of what an import costs."""
    signature = Signature()
    text = "\n".join((title, *(message.content for message in messages)))  # a third less than one by one
    for piece in overlapping(text, INDEXED_CHARS):
        signature.add(piece)
        time.sleep(0)  # this is a thread: whoever waits for the interpreter gets it now, not after its 5 ms
    return signature.bitmap()


def _parts(owner: str, mark: str, replaced: str, staged: Staged) -> Iterator[list[Argument]]:
    """The calls that write a conversation: one for most, more for a long one."""
    meta, tree, messages = staged.meta, staged.tree, list(staged.messages)
    signature = staged.signature
    at = 0
    while at == 0 or tree or at < len(messages):
        some: list[Argument] = []
        size = count = 0
        while at + count < len(messages) and size < WRITTEN_BYTES and count < WRITTEN_FIELDS:
            some += messages[at + count]
            size += len(messages[at + count][1])
            count += 1
        leaves, tree = tree[: 2 * WRITTEN_FIELDS], tree[2 * WRITTEN_FIELDS :]
        head: list[Argument] = [owner, mark, replaced, STAGED_TTL_S, signature]
        yield [*head, len(meta) // 2, *meta, len(leaves) // 2, *leaves, count, *some]
        if not messages and not tree:
            return
        meta, signature, at = [], b"", at + count


def _newer(messages: Sequence[PortableMessage], known: set[str], oldest: float) -> list[PortableMessage]:
    """Of a conversation in which retention drops: what it had not dropped before, by all that can be told.

    The messages come as it would drop them; `oldest` is the time of the one that it would drop next.
    """
    first = next((place for place, message in enumerate(messages) if message.id in known), 0)
    return [one for one in messages[first:] if one.id not in known and one.timestamp >= oldest]


def _additions(
    owner: str,
    conversation: PortableConversation,
    retention: Retention,
    messages: Sequence[PortableMessage],
    *,
    settle: bool,
) -> Iterator[list[Argument]]:
    """The calls that add messages, parents first; `settle`: one at least."""
    updated_at = f"{_last_used(conversation):.6f}"
    head: list[Argument] = [owner, updated_at, retention.seconds, retention.messages, conversation.title]
    args, size = list(head), 0
    for message in messages:
        body = timed_body(_message(message))
        args += [message.id, message.parent_id or "-", body]
        size += len(body)
        if size >= WRITTEN_BYTES or len(args) >= WRITTEN_FIELDS:
            yield args
            args, size = list(head), 0
    if settle or len(args) > len(head):
        yield args


def _message(message: PortableMessage) -> Message:
    return Message(
        id=message.id,
        role=message.role,
        content=message.content,
        parent_id=message.parent_id,
        timestamp=message.timestamp,
        depth=message.depth,
        status=message.status,
        finish_reason=message.finish_reason,
        code=message.code,
        reasoning=message.reasoning,
        model=message.model,
        persona=message.persona,
        usage=message.usage,
    )


def _portable(value: bytes, leaving: Leaving) -> PortableMessage:
    message = read_message(value)
    return PortableMessage(
        id=message.id,
        role=message.role,
        content=message.content,
        timestamp=message.timestamp,
        parent_id=message.parent_id,
        depth=message.depth,
        # A branch that has come since the tree was read is none of the file's: who reads that mends the tree.
        branch=leaving.places.get(branch_of(value), len(leaving.places)),
        sibling=leaving.siblings.get(message.id, 0),
        status=message.status,
        finish_reason=message.finish_reason,
        code=message.code,
        reasoning=message.reasoning,
        model=message.model,
        persona=message.persona,
        usage=message.usage,
        pinned=message.id in leaving.pins,
    )


def _branch(label: bytes, places: Mapping[int, int]) -> Branch:
    parent, fork, tip = label.decode().split(" ")
    return Branch(None if parent == "-" else places.get(int(parent)), int(fork), int(tip))


def _label(branch: Branch) -> str:
    return f"{'-' if branch.parent is None else branch.parent} {branch.fork} {branch.tip}"


def _reach(leaving: Leaving, positions: dict[str, tuple[int, int]]) -> dict[int, int]:
    """For each branch on the way to what is shown, the depth up to which that way goes along it."""
    branches = leaving.head.branches
    branch: int | None
    branch, depth = positions.get(leaving.head.current or "", (None, -1))
    reach: dict[int, int] = {}
    while branch is not None and branch < len(branches):
        reach[branch] = depth
        fork = branches[branch]
        branch, depth = fork.parent, min(fork.fork, depth)
    return reach
