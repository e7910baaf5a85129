"""What happened, in the order in which it was known here. The checker reads nothing else.

`at` is this process's monotonic clock. A worker is named as in `worker.Worker`, a viewer by a name that nobody else
has; both live longer than one connection.
"""

import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

Cursor = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """A message was sent under a key, for the first time or again."""

    at: float
    key: str
    conversation: str
    message: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server answered 202 or, for a repeated key, 200."""

    at: float
    key: str
    conversation: str
    turn: str
    status: int
    worker: str


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that is a problem. `what` was asked at `asked_at`; `running_turn` is what a 409 names."""

    at: float
    what: str
    conversation: str
    worker: str
    status: int
    code: str
    asked_at: float
    running_turn: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A viewer's stream began; `after` is the cursor that it brought."""

    at: float
    viewer: str
    turn: str
    worker: str
    after: Cursor | None


@dataclass(frozen=True, slots=True)
class Seen:
    """A viewer received an event; `name` is empty for a piece of the reply, `named` is the turn in the event's id."""

    at: float
    viewer: str
    turn: str
    named: str
    cursor: Cursor
    name: str
    data: Any


@dataclass(frozen=True, slots=True)
class Nothing:
    """A viewer was told (204) that the turn is over and that it misses nothing."""

    at: float
    viewer: str
    turn: str


@dataclass(frozen=True, slots=True)
class Closed:
    """A viewer's stream ended: `how` is "dropped" (the viewer's own doing), "ended" or "broken"."""

    at: float
    viewer: str
    turn: str
    how: str


@dataclass(frozen=True, slots=True)
class StopAsked:
    at: float
    turn: str
    worker: str


@dataclass(frozen=True, slots=True)
class StopAnswered:
    at: float
    turn: str
    status: str


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault was made. `turns` are those that ran where it struck; None where it struck all."""

    at: float
    fault: str
    target: str
    turns: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Expired:
    """Every key of a conversation was let expire."""

    at: float
    conversation: str


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: str
    role: str
    content: str
    status: str
    turn: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A conversation as it is kept when all is quiet, oldest message first."""

    at: float
    conversation: str
    messages: tuple[StoredMessage, ...]


@dataclass(frozen=True, slots=True)
class TurnRead:
    """A turn as the server tells it when all is quiet."""

    at: float
    turn: str
    status: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Logged:
    """A worker's log tells of a bug of its own."""

    at: float
    worker: str
    line: str


Record = (
    Asked
    | Accepted
    | Refused
    | Opened
    | Seen
    | Nothing
    | Closed
    | StopAsked
    | StopAnswered
    | Struck
    | Expired
    | Stored
    | TurnRead
    | Logged
)


class History:
    """Grows by `add`."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._over: set[str] = set()
        self._watching: set[str] = set()
        self.broken_streams = 0  # those that had begun and were cut before the end

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def add(self, record: Record) -> None:
        self.records.append(record)
        if isinstance(record, Seen) and record.name == "end":
            self._over.add(record.turn)
        elif isinstance(record, Opened):
            self._watching.add(record.viewer)
        elif isinstance(record, Closed):
            self.broken_streams += record.how == "broken" and record.viewer in self._watching
            self._watching.discard(record.viewer)

    def about(self, conversations: Collection[str]) -> list[Record]:
        """What concerns these conversations, and what struck whom."""
        turns = {
            record.turn for record in self if isinstance(record, Accepted) and record.conversation in conversations
        }
        return [record for record in self if _concerns(record, conversations, turns)]

    @property
    def ended(self) -> int:
        """How many turns have come to an end that somebody saw."""
        return len(self._over)

    def is_over(self, turn: str) -> bool:
        return turn in self._over


def _concerns(record: Record, conversations: Collection[str], turns: Collection[str]) -> bool:
    match record:
        case Asked() | Accepted() | Refused() | Expired() | Stored():
            return record.conversation in conversations
        case Struck() | Logged():
            return True
    return record.turn in turns


def now() -> float:
    return time.monotonic()
