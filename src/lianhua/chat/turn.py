"""The state machine of one turn: it numbers the events and keeps the reply, without I/O.

    started ──(text | reasoning | snapshot | notice)*──▶ end

Exactly one start, exactly one end, nothing after it. Whoever breaks this has a bug, so it is an assertion and no
error of the tree.
"""

import hashlib

from msgspec import Struct

from lianhua.chat.context_report import ContextReport
from lianhua.chat.events import Cursor, End, Event, Notice, ReasoningPiece, Snapshot, TextPiece, TurnStarted
from lianhua.chat.messages import Language, MessageStatus, Usage


class TurnRef(Struct, frozen=True, gc=False):
    """Names a turn in the store."""

    conversation_id: str
    turn_id: str


class TurnRecord(Struct, frozen=True, omit_defaults=True):
    """What is kept of a turn as long as its reply. Times are Unix seconds by the store's clock, None while not reached.

    `end` and `end_cursor` let a viewer who comes after the log is gone still get the last event, with its id.
    `continues` is the id of the reply that this turn goes on with. `asked` is the model that was to answer, where
    `model` has come in its place. `joinable`: who asks the same again, not having been given the turn's end, joins it.
    """

    user_message_id: str
    reply_message_id: str
    model: str
    persona: str
    context: ContextReport
    language: Language = "zh"
    key: str = ""
    attempts: int = 1
    started_at: float | None = None
    first_token_at: float | None = None
    ended_at: float | None = None
    end: End | None = None
    end_cursor: Cursor | None = None
    continues: str | None = None
    asked: str | None = None
    joinable: bool = False


class Numbered(Struct, frozen=True, gc=False):
    """An event and its place in the turn."""

    cursor: Cursor
    event: Event


class Turn:
    """One turn while it runs. Every method that returns a `Numbered` has moved the turn on by one event."""

    def __init__(self, ref: TurnRef, epoch: int = 1, next_seq: int = 0, text: str = "", reasoning: str = "") -> None:
        self.ref = ref
        self.epoch = epoch
        self._next_seq = next_seq
        self._text = [text] if text else []
        self._reasoning = [reasoning] if reasoning else []
        self.length = len(text)
        self.reasoning_length = len(reasoning)
        self.ended = False

    @property
    def text(self) -> str:
        """The reply so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The model's reasoning so far."""
        return "".join(self._reasoning)

    def start(self, user_message_id: str, reply_message_id: str, model: str) -> Numbered:
        ref = self.ref
        started = TurnStarted(ref.turn_id, ref.conversation_id, user_message_id, reply_message_id, model)
        return self._number(started)

    def text_piece(self, text: str) -> Numbered:
        self._text.append(text)
        self.length += len(text)
        return self._number(TextPiece(text))

    def reasoning_piece(self, text: str) -> Numbered:
        self._reasoning.append(text)
        self.reasoning_length += len(text)
        return self._number(ReasoningPiece(text))

    def restate(self, text: str, reasoning: str) -> Numbered:
        """Replaces the reply so far."""
        self._text, self._reasoning = [text], [reasoning]
        self.length, self.reasoning_length = len(text), len(reasoning)
        return self._number(Snapshot(text, reasoning))

    def notice(self, notice: Notice) -> Numbered:
        return self._number(notice)

    def end(
        self,
        status: MessageStatus,
        finish_reason: str,
        *,
        code: str | None = None,
        message: str | None = None,
        usage: Usage | None = None,
    ) -> Numbered:
        sha256 = hashlib.sha256(self.text.encode()).hexdigest()
        end = self._number(End(status, finish_reason, self.length, sha256, code, message, usage))
        self.ended = True
        return end

    def _number(self, event: Event) -> Numbered:
        assert not self.ended, "nothing comes after the end of a turn"  # noqa: S101
        cursor = Cursor(self.epoch, self._next_seq)
        self._next_seq += 1
        return Numbered(cursor, event)
