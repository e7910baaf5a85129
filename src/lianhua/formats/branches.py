"""Where messages stand in the tree: the labels that the store keeps of each branch (`grow` in `store/lua/shared.lua`).

A message goes on its parent's branch where that ends with the parent, and begins a new one where it does not. So
whether a message is on the way to another one is told by the labels alone.
"""

import heapq
from collections.abc import Sequence

from msgspec.structs import replace

from lianhua.formats.values import Branch, PortableMessage

Rows = dict[str | None, list[PortableMessage]]


def rows_of(messages: Sequence[PortableMessage]) -> Rows:
    """The children of each parent, in the order of their `sibling` and then of the messages. None is the root."""
    rows: Rows = {}
    for message in messages:
        rows.setdefault(message.parent_id, []).append(message)
    for row in rows.values():
        row.sort(key=lambda message: message.sibling)
    return rows


def grown(messages: Sequence[PortableMessage]) -> tuple[list[PortableMessage], tuple[Branch, ...]]:
    """The messages in their order, placed as if they had been said one after another, and the branches that makes.

    A parent that is not among them was dropped; how deep it stood is told by its children's `depth`. No cycles.
    """
    rows = rows_of(messages)
    index = {message.id: number for number, message in enumerate(messages)}
    placed: dict[str, PortableMessage] = {}
    branches: list[Branch] = []
    # The first child can be said when its parent has been, the next one when the one before it has been.
    ready = [(index[row[0].id], 0) for parent, row in rows.items() if parent not in index]
    heapq.heapify(ready)
    while ready:
        number, sibling = heapq.heappop(ready)
        message = messages[number]
        parent = placed.get(message.parent_id or "")
        placed[message.id] = replace(_grow(message, parent, branches), sibling=sibling)
        row = rows[message.parent_id]
        if sibling + 1 < len(row):
            heapq.heappush(ready, (index[row[sibling + 1].id], sibling + 1))
        if below := rows.get(message.id):
            heapq.heappush(ready, (index[below[0].id], 0))
    return [placed[message.id] for message in messages], tuple(branches)


def _grow(message: PortableMessage, parent: PortableMessage | None, branches: list[Branch]) -> PortableMessage:
    if parent is None:
        depth = max(message.depth, 1) if message.parent_id is not None else 0
        # Below a message that was dropped nobody knows the branch any more: as good as at the root.
        branches.append(Branch(None, -1, depth))
        return replace(message, depth=depth, branch=len(branches) - 1)
    depth = parent.depth + 1
    branch = branches[parent.branch]
    if branch.tip == parent.depth:
        branches[parent.branch] = replace(branch, tip=depth)
        return replace(message, depth=depth, branch=parent.branch)
    branches.append(Branch(parent.branch, parent.depth, depth))
    return replace(message, depth=depth, branch=len(branches) - 1)


def are_sound(messages: Sequence[PortableMessage], branches: Sequence[Branch]) -> bool:
    """Whether the labels that came with a file are ones that the store could have made for just these messages.

    Each place, a branch and a depth on it, is one message's: so what the labels call the way to a message goes along
    its parents, as far as they are there.
    """
    if not all(_is_fork(number, branch, branches) for number, branch in enumerate(branches)):
        return False
    if not all(_stands(message, branches) for message in messages):
        return False
    places: dict[str, tuple[int | None, int]] = {message.id: (message.branch, message.depth) for message in messages}
    holders: dict[tuple[int | None, int], str] = {place: name for name, place in places.items()}
    if len(holders) < len(messages):
        return False
    for message in messages:
        if (parent := message.parent_id) is None:
            continue
        above = _above(message, branches)
        # One that was dropped had its place too.
        if places.get(parent, above) != above or holders.setdefault(above, parent) != parent:
            return False
    return all(len({child.sibling for child in row}) == len(row) for row in rows_of(messages).values())


def _is_fork(number: int, branch: Branch, branches: Sequence[Branch]) -> bool:
    if branch.parent is None:
        return branch.fork == -1 and branch.tip >= 0
    # A branch forks from an older one: so climbing from branch to branch comes to an end.
    return branch.parent < number and 0 <= branch.fork <= branches[branch.parent].tip and branch.tip > branch.fork


def _stands(message: PortableMessage, branches: Sequence[Branch]) -> bool:
    if message.branch >= len(branches):
        return False
    branch = branches[message.branch]
    return branch.fork < message.depth <= branch.tip and (message.depth == 0) == (message.parent_id is None)


def _above(message: PortableMessage, branches: Sequence[Branch]) -> tuple[int | None, int]:
    """The place of the parent of a message that is not the first."""
    branch = branches[message.branch]
    depth = message.depth - 1
    return (message.branch if depth > branch.fork else branch.parent), depth
