"""A message as the store keeps it: one line that places it in the tree, and its JSON.

    parent_id turn_id branch\\n{"id":…,"role":…,"content":…,…,"timestamp":…,"n":depth}

`-` stands for no parent and no turn. Only the scripts know where a message comes to stand, so they write the line and,
at the end of the JSON, time and depth (`splice`, `header` and `depth_of` in `lua/shared.lua`). Whole conversations that
come in know both themselves (`placed_message`).
"""

import msgspec

from lianhua.chat.messages import Message

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


def message_body(message: Message) -> bytes:
    """The JSON without what the scripts add: time, depth, and the line with parent, turn and branch."""
    return _encode(msgspec.structs.replace(message, parent_id=None, turn_id=None, timestamp=0.0, depth=0))


def timed_body(message: Message) -> bytes:
    """The same with the message's own time, for one that was said elsewhere."""
    return message_body(message)[:-1] + f',"timestamp":{message.timestamp:.6f}}}'.encode()


def placed_message(message: Message, branch: int) -> bytes:
    """The whole value of a message whose place is known."""
    head = f"{message.parent_id or '-'} {message.turn_id or '-'} {branch}\n".encode()
    return head + timed_body(message)[:-1] + f',"n":{message.depth}}}'.encode()


def read_message(value: bytes) -> Message:
    """The message of a value."""
    head, _, body = value.partition(b"\n")
    parent, turn_id, _branch = head.decode().split(" ")
    return msgspec.structs.replace(
        _decode(body),
        parent_id=None if parent == "-" else parent,
        turn_id=None if turn_id == "-" else turn_id,
    )


def branch_of(value: bytes) -> int:
    """The branch that the message of a value stands in."""
    return int(value[: value.index(b"\n")].rsplit(b" ", 1)[1])
