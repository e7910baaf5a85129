"""One running turn with all that it needs, and the switch that stops it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from lianhua.chat.continuation import NOTHING, Continuation, OverlapFilter
from lianhua.chat.events import Notice
from lianhua.chat.messages import Language, Message
from lianhua.chat.prompt import CountTokens, Prompt
from lianhua.chat.turn import Numbered, Turn, TurnRecord
from lianhua.models.port import ChatModel, GenerationOptions

# `gone`: the turn is another worker's or was erased, and nothing more may be written.
# `handed_over`: nothing was shown yet, and another worker is to run it.
StopReason = Literal["stopped", "server_stopping", "handed_over", "gone"]


class Acknowledged(Struct, frozen=True, gc=False):
    """The latest event that the journal has taken, and how much of the texts it had then."""

    event: Numbered
    text_chars: int
    reasoning_chars: int


class Asking(Struct, frozen=True):
    """What one model is asked with. `shrink` makes a smaller prompt of a refused one, `answered_only` one without the
    questions that got no reply, None where there are none. `overlap` is where the reply goes on, and `again` makes the
    same of what is known of the model by now.
    """

    model: ChatModel
    prompt: Prompt
    count: CountTokens
    shrink: Callable[[Prompt], Prompt]
    answered_only: Callable[[Prompt], Prompt | None]
    overlap: OverlapFilter | None
    again: Callable[[], "Asking"]


class RunningTurn:
    """`stop` may be called at any time from the same event loop. `fallbacks` are the models to ask in the place of the
    first when it cannot answer.

    `chosen_role` is the persona that came with the message, if one did: the conversation takes it over. `opening` is
    what viewers are told before anything else. `started` is the turn's first event, where it has not been run before.
    `reply` is there once the turn has ended. `title` is what the question calls the conversation, where it is the first
    one. `models` are the ids of all that may come to answer.
    """

    def __init__(
        self,
        user: str,
        turn: Turn,
        question: Message,
        record: TurnRecord,
        asking: Asking,
        options: GenerationOptions,
        chosen_role: str | None = None,
        opening: Notice | None = None,
        losses: int = 0,
        fallbacks: Sequence[Callable[[], Asking]] = (),
        started: Numbered | None = None,
        goes_on: Continuation = NOTHING,
        title: str = "",
        models: Sequence[str] = (),
    ) -> None:
        self.user = user
        self.turn = turn
        self.question = question
        self.record = record
        self.options = options
        self.fallbacks = list(fallbacks)
        self.ask_with(asking)
        self.chosen_role = chosen_role
        self.opening = opening
        self.losses = losses
        self.started = started
        self.accepted_at = ""  # when the store took the turn, by its clock; empty for one that was taken over
        self.goes_on = goes_on
        self.title = title
        self.models = models or (record.model,)
        self.reply: Message | None = None
        self.acknowledged: Acknowledged | None = None
        self._clock = asyncio.get_running_loop().time  # kept: to ask for the loop is a call of the kernel (Python 3.11)
        self.begun_at_s = self.renewed_at_s = self._clock()
        self.first_token_s: float | None = None  # from there
        self.stop_reason: StopReason | None = None
        self._limit: asyncio.Timeout | None = None

    def ask_with(self, asking: Asking) -> None:
        """The model and the prompt to go on with; nothing of the reply has been shown yet."""
        self.asking = asking
        self.model, self.prompt, self.count, self.overlap = asking.model, asking.prompt, asking.count, asking.overlap

    @property
    def unseen(self) -> bool:
        """Whether nothing of the reply has been shown but what it goes on with."""
        return self.goes_on.is_all_of(self.turn.length, self.turn.reasoning_length)

    def acknowledge(self, event: Numbered) -> None:
        """The journal has the turn as it stands, `event` being its latest; its lease runs from now."""
        turn = self.turn
        self.acknowledged = Acknowledged(event, turn.length, turn.reasoning_length)
        self.renewed_at_s = self._clock()

    @property
    def language(self) -> Language:
        return self.prompt.language

    def stop(self, reason: StopReason) -> None:
        """Ends the model's part at once; what came so far is kept. The first reason counts, but what somebody wants to
        stop is not handed over.
        """
        if self.stop_reason is None or (reason == "stopped" and self.stop_reason == "handed_over"):
            self.stop_reason = reason
        if self._limit:
            limit, self._limit = self._limit, None  # it can be moved only once
            if not limit.expired():  # else the reply's own time has just run out, and it is ending already
                limit.reschedule(0)  # a time in the past: the deadline that a reply has anyway comes now

    def within(self, limit: asyncio.Timeout) -> None:
        """Called as the model's part begins: a stop that came before takes effect now."""
        if self.stop_reason:
            limit.reschedule(0)
        else:
            self._limit = limit

    def outside(self) -> None:
        """Called when the model's part is over: there is nothing left to stop."""
        self._limit = None
