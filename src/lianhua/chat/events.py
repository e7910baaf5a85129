"""What a viewer receives: the event union, its place in a turn, and its three forms (value, log entry, SSE frame)."""

import re
from typing import ClassVar, Final

import msgspec
from msgspec import Struct

from lianhua import sse
from lianhua.chat.messages import MessageStatus, Usage


class Cursor(Struct, frozen=True, gc=False, order=True):
    """Where an event stands in its turn. `epoch` rises when another worker takes the turn over, `seq` with every
    event.

    `START` asks for every event, `SNAPSHOT` for the text so far: no event has their epochs.
    """

    START: ClassVar["Cursor"]
    SNAPSHOT: ClassVar["Cursor"]

    epoch: int
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


Cursor.START, Cursor.SNAPSHOT = Cursor(-1, 0), Cursor(-2, 0)


class TurnStarted(Struct, frozen=True):
    """The first event of a turn. `session_id` is the conversation's id, under the name that the tutorial gave it."""

    turn_id: str
    session_id: str
    user_message_id: str
    reply_message_id: str
    model: str


class TextPiece(Struct, frozen=True, gc=False):
    """The next piece of the reply."""

    content: str


class ReasoningPiece(Struct, frozen=True, gc=False):
    """The next piece of the model's reasoning."""

    content: str


class Notice(Struct, frozen=True, omit_defaults=True):
    """Why nothing comes at the moment. `message` is for people, `model` the id of one that is asked from now on."""

    code: str
    message: str
    retry_in_s: float | None = None
    model: str | None = None


class Snapshot(Struct, frozen=True):
    """Replaces everything shown so far of the reply."""

    content: str
    reasoning: str


class End(Struct, frozen=True, omit_defaults=True):
    """The last event. `length` counts code points, `sha256` (hex) is over the UTF-8 of the reply as stored."""

    status: MessageStatus
    finish_reason: str
    length: int
    sha256: str
    code: str | None = None
    message: str | None = None
    usage: Usage | None = None


Event = TurnStarted | TextPiece | ReasoningPiece | Notice | Snapshot | End

# The log's field name of each event that is stored, and the name on the wire; the tutorial's `onmessage` reads the
# unnamed. A snapshot is stored where the reply so far was put right; most are made for one viewer from the text so far.
LOG_KIND: Final[dict[type, bytes]] = {
    TurnStarted: b"t", TextPiece: b"d", ReasoningPiece: b"r", Snapshot: b"s", Notice: b"n", End: b"e",
}  # fmt: skip
EVENT_NAME: Final[dict[type, str | None]] = {
    TurnStarted: "turn", TextPiece: None, ReasoningPiece: "reasoning", Notice: "notice", Snapshot: "snapshot",
    End: "end",
}  # fmt: skip
_TYPE_OF_KIND: Final = {kind: event_type for event_type, kind in LOG_KIND.items()}

_encoder = msgspec.json.Encoder()
_CURSOR = re.compile(r"([0-9]{1,9})-([0-9]{1,15})")
_EVENT_ID = re.compile(r"([A-Za-z0-9_-]{1,64}):([0-9]{1,9})-([0-9]{1,15})")


def event_id(turn_id: str, cursor: Cursor) -> str:
    """The id on the wire: `turn_id:epoch-seq`."""
    return f"{turn_id}:{cursor}"


def parse_event_id(text: str) -> tuple[str, Cursor] | None:
    """Turn and cursor of an id; None when it is not one of ours."""
    found = _EVENT_ID.fullmatch(text)
    return (found[1], Cursor(int(found[2]), int(found[3]))) if found else None


def parse_cursor(text: str) -> Cursor:
    """The cursor of a log entry's id. Raises `ValueError`."""
    found = _CURSOR.fullmatch(text)
    if not found:
        raise ValueError(text)
    return Cursor(int(found[1]), int(found[2]))


def to_log(event: Event) -> tuple[bytes, bytes]:
    """Field and value of the log entry. Pieces are kept as bare text, so that the store can append them to the
    reply.
    """
    kind = LOG_KIND[type(event)]
    if isinstance(event, (TextPiece, ReasoningPiece)):
        return kind, event.content.encode()
    return kind, _encoder.encode(event)


def from_log(kind: bytes, value: bytes) -> Event:
    """The event of a log entry. Raises `KeyError` or `msgspec.DecodeError` on an entry that we did not write."""
    event_type = _TYPE_OF_KIND[kind]
    if event_type is TextPiece or event_type is ReasoningPiece:
        piece: Event = event_type(value.decode())
        return piece
    event: Event = msgspec.json.decode(value, type=event_type)
    return event


def to_frame(turn_id: str, cursor: Cursor, event: Event) -> bytes:
    """The event as it goes over the wire, to every viewer the same bytes."""
    if type(event) is TextPiece:  # nearly all of them: what `sse.frame` does, without what JSON and ids cannot hold
        return b"data: %b\nid: %b:%d-%d\n\n" % (_encoder.encode(event), turn_id.encode(), cursor.epoch, cursor.seq)
    return sse.frame(EVENT_NAME[type(event)], event_id(turn_id, cursor), _encoder.encode(event))
