"""What goes into the journal of turns and what comes out of it."""

from typing import Literal

from msgspec import Struct

from lianhua.chat.events import Cursor, to_log
from lianhua.chat.messages import Message
from lianhua.chat.turn import Numbered, TurnRecord, TurnRef

# What an append or a renewal met: written, asked to stop, over (ended or erased), taken by another worker, or refused
# because the store has lost events that came before.
Fate = Literal["ok", "stop", "ended", "fenced", "behind"]


class NewTurn(Struct, frozen=True):
    """All that `accept` stores: `question` is the user's message, new, or there already and `answered_again`.

    A new one comes below its parent, or should that be gone, where the message `beside` stands. `expected_head` is the
    newest message that the prompt was made from, None where it does not matter. With `known_only` nothing is opened.
    """

    ref: TurnRef
    owner: str
    body_hash: str
    question: Message
    record: TurnRecord
    first_event: Numbered
    title: str
    beside: str = ""
    answered_again: bool = False
    expected_head: str | None = None
    known_only: bool = False


class Accepted(Struct, frozen=True):
    """The turn is open; `repeated` when this key had opened it before, else the conversation was used `updated_at`."""

    turn_id: str
    user_message_id: str
    reply_message_id: str
    repeated: bool
    updated_at: str = ""


class Busy(Struct, frozen=True):
    """Another turn runs. `same_body` when it was asked the same thing, `lost` when its lease has run out."""

    turn_id: str
    user_message_id: str
    reply_message_id: str
    same_body: bool
    lost: bool


class Moved(Struct, frozen=True):
    """The conversation has a newer message than the prompt was made from."""


class Unknown(Struct, frozen=True):
    """What was to be found only is not there: no such turn was opened, and none runs."""


class Append(Struct, frozen=True, gc=False):
    """One event on its way into the log, encoded: what cannot be encoded fails its own turn and no other."""

    ref: TurnRef
    cursor: Cursor
    kind: bytes
    value: bytes

    @classmethod
    def of(cls, ref: TurnRef, event: Numbered) -> "Append":
        return cls(ref, event.cursor, *to_log(event.event))


class EventPage(Struct, frozen=True):
    """Events after a cursor, at most `PAGE_EVENTS`."""

    state: "TurnState"
    record: TurnRecord
    events: tuple[Numbered, ...]


class SnapshotPage(Struct, frozen=True):
    """The text so far, for a cursor that the log does not reach. `cursor` is the last event that it covers.

    `end` where the turn is over. `text` and `reasoning` are None when only the stored reply still has them. `ahead`:
    the cursor is beyond the latest event of a running turn; if it was ours, its worker will put back what the store
    has lost.
    """

    state: "TurnState"
    record: TurnRecord
    cursor: Cursor
    text: str | None
    reasoning: str | None
    end: Numbered | None
    ahead: bool = False


TurnState = Literal["running", "lost", "ended"]


class Held(Struct, frozen=True):
    """A worker holds the turn's lease, for `seconds` more unless it renews it."""

    seconds: float


class Claim(Struct, frozen=True):
    """A turn taken over, with everything its viewers may have seen.

    `losses` counts the workers that it has lost, `stopped` tells that somebody asked to stop it meanwhile.
    """

    owner: str
    epoch: int
    losses: int
    stopped: bool
    text: str
    reasoning: str
    record: TurnRecord


class StopAsked(Struct, frozen=True):
    """Whether the turn runs, and the worker that is to hear of it."""

    state: Literal["running", "lost", "ended"]
    worker: str


class Renewed(Struct, frozen=True):
    """What a renewal met, and the last seq that the store has of this worker (None where that could not be learned)."""

    fate: Fate
    seq: int | None
