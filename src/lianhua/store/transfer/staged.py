"""An imported conversation as the store is to keep it, and the calls that write it there. Pure."""

import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from lianhua.chat.messages import Message
from lianhua.formats.branches import rows_of
from lianhua.formats.tree import kept_within
from lianhua.formats.values import Branch, PortableConversation, PortableMessage
from lianhua.store.client.scripts import Argument
from lianhua.store.conversations import Retention
from lianhua.store.search.folding import overlapping
from lianhua.store.search.index import INDEXED_CHARS
from lianhua.store.search.ngrams import Signature
from lianhua.store.stored_message import placed_message, timed_body

STAGED_TTL_S: Final = 86_400
WRITTEN_BYTES: Final = 256 * 1024  # in one call: the store is not kept from others for longer than a few milliseconds
WRITTEN_FIELDS: Final = 2_000
_encode = msgspec.json.Encoder().encode


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


def writing_calls(owner: str, mark: str, replaced: str, staged: Staged) -> Iterator[list[Argument]]:
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


def newer(messages: Sequence[PortableMessage], known: set[str], oldest: float) -> list[PortableMessage]:
    """Of a conversation in which retention drops: what it had not dropped before, by all that can be told.

    The messages come as it would drop them; `oldest` is the time of the one that it would drop next.
    """
    first = next((place for place, message in enumerate(messages) if message.id in known), 0)
    return [one for one in messages[first:] if one.id not in known and one.timestamp >= oldest]


def adding_calls(
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


def _last_used(conversation: PortableConversation) -> float:
    """The moment that its expiry is counted from: a file may say any, but not one that is still to come."""
    return min(conversation.updated_at, time.time())


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


def _label(branch: Branch) -> str:
    return f"{'-' if branch.parent is None else branch.parent} {branch.fork} {branch.tip}"
