"""What a model is asked with for a turn, and what in its place where it refuses: pure."""

from collections.abc import Callable
from functools import partial

from msgspec import Struct

from lianhua.chat.continuation import Continuation, OverlapFilter
from lianhua.chat.messages import ContextAccount, Language, Message
from lianhua.chat.personas import Persona
from lianhua.chat.prompt import (
    CountTokens,
    Prompt,
    ancestry,
    going_on,
    going_on_tokens,
    left_out_unanswered,
    select,
    smaller_budget,
    token_budget,
    unanswered,
)
from lianhua.chat.window import former_start
from lianhua.models.port import ChatModel
from lianhua.store.messages import Window
from lianhua.turns.running import Asking


class ContextLimits(Struct, frozen=True):
    """How much of a conversation a model is given, and how long one message may be (in characters)."""

    messages: int
    reply_tokens: int | None
    message_chars: int


class Grounds(Struct, frozen=True):
    """What a prompt is made from, whichever model it is for."""

    language: Language
    persona: Persona
    question: Message
    window: Window
    goes_on: Continuation | None


class PromptBuilder:
    """Knows the limits of the window."""

    def __init__(self, limits: ContextLimits, counter_for: Callable[[str], CountTokens]) -> None:
        self._limits = limits
        self._counter_for = counter_for

    def reply_tokens(self, persona: Persona) -> int | None:
        """How long a reply may be at most; None where nothing says so."""
        return min((tokens for tokens in (persona.max_tokens, self._limits.reply_tokens) if tokens), default=None)

    def asking(self, model: ChatModel, grounds: Grounds) -> Asking:
        """What a model is asked with. Raises `MessageTooLong` where its window is known and too small."""
        language, persona, window, goes_on = grounds.language, grounds.persona, grounds.window, grounds.goes_on
        text = persona.text(language)
        info = model.info
        count = self._counter_for(info.name)
        history = window.pinned + window.messages
        prefill = info.prefill is not None
        reserve = going_on_tokens(goes_on.text, language, count, prefill=prefill) if goes_on else 0

        former = _former(window)
        refused_before = left_out_unanswered(former) if former else frozenset()

        def prompt_within(
            budget_tokens: int, refused: Prompt | None, without: frozenset[str] = refused_before
        ) -> Prompt:
            found = select(
                text.prompt,
                history,
                grounds.question,
                max_messages=self._limits.messages,
                budget_tokens=max(budget_tokens - reserve, 1),
                count=count,
                older=max(window.total - len(history), 0),
                pinned=window.pins,
                language=language,
                persona_name=text.name,
                smaller_than=refused.context if refused else None,
                former=_former_start(window, former, model, budget_tokens) if refused is None else None,
                refuses=info.window == "set" and refused is None,
                without=without,
            )
            if goes_on is None:
                return found
            return going_on(found, goes_on.reply_id, goes_on.text, count, prefill=prefill)

        def budget() -> int:
            window_tokens = model.info.context_tokens
            reply_tokens = self.reply_tokens(persona)
            if reply_tokens and persona.max_tokens:
                reply_tokens = min(reply_tokens, window_tokens // 2)  # a persona cannot talk the question away
            return token_budget(window_tokens, reply_tokens)

        def shrink(refused: Prompt) -> Prompt:
            smaller, learnt = smaller_budget(refused.context), budget()
            return prompt_within(learnt if smaller < learnt < refused.context.used_tokens else smaller, refused)

        def answered_only(refused: Prompt) -> Prompt | None:
            without = unanswered(refused.context)
            return prompt_within(budget(), None, without) if without - left_out_unanswered(refused.context) else None

        return Asking(
            model,
            prompt_within(budget(), None),
            count,
            shrink,
            answered_only,
            _overlap(model, goes_on),
            partial(self.asking, model, grounds),
        )


def _former(window: Window) -> ContextAccount | None:
    """The account of the turn before, as far as its messages are in the window."""
    if window.former is None:
        return None
    question = window.former.user_message_id
    places = [place for place, message in enumerate(window.messages) if message.id == question]
    path = ancestry(window.messages[places[0]], window.messages[: places[0]]) if places else (question,)
    return window.former.context.expanded(path)


def _former_start(window: Window, account: ContextAccount | None, model: ChatModel, budget_tokens: int) -> str | None:
    """What the window of the turn before began with, unless that turn had less room, or another model."""
    former = window.former
    if former is None or former.model != model.info.id or former.context.budget_tokens < budget_tokens:
        return None
    return former_start(account) if account else None


def _overlap(model: ChatModel, goes_on: Continuation | None) -> OverlapFilter | None:
    """Where the reply goes on. A model that goes on by itself repeats nothing, and may mean what looks like it."""
    return goes_on.overlap() if goes_on and model.info.prefill is None else None
