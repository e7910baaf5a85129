"""Conversations on their way out of the store: one is read in pieces, whatever its size, while others write to it."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Final, Literal, cast

from msgspec import Struct

from lianhua.errors import ConversationNotFound
from lianhua.formats.values import Branch, PortableHead, PortableMessage
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys, list_keys
from lianhua.store.conversations import spent_of
from lianhua.store.search.reading import by_size
from lianhua.store.stored_message import branch_of, read_message

READ_IDS: Final = 512  # messages whose sizes are asked for at once
READ_BYTES: Final = 256 * 1024  # of messages that are read at once: decoding them holds the loop for some milliseconds
_FIELDS = (
    "owner", "title", "titled", "role", "model", "created_at", "updated_at", "pinned", "head", "pins", "usage",
)  # fmt: skip


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


class OutgoingStore:
    """Raises `ConversationNotFound`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database

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
