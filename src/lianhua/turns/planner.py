"""From what a person asks to a turn that could run: persona, model, prompt, record. Nothing is stored here."""

import hashlib
import secrets
from collections.abc import Callable
from functools import partial

import msgspec
from msgspec import Struct

from lianhua.chat.continuation import NOTHING, Continuation
from lianhua.chat.events import Notice
from lianhua.chat.messages import Conversation, Language, Message
from lianhua.chat.personas import Persona
from lianhua.chat.plain_text import MADE_TITLE_CHARS
from lianhua.chat.prompt import (
    CountTokens,
    reply_reserve,
)
from lianhua.chat.texts import say
from lianhua.chat.turn import Turn, TurnRecord, TurnRef
from lianhua.errors import InvalidRequest, MessageTooLong
from lianhua.models.catalog import Catalog
from lianhua.models.port import ChatModel, GenerationOptions
from lianhua.store.journal.values import Claim, NewTurn
from lianhua.store.messages import Window
from lianhua.turns.prompting import ContextLimits, Grounds, PromptBuilder
from lianhua.turns.request import Act, Edit, Send, Target
from lianhua.turns.running import Asking, RunningTurn

# What is planned with the conversation as it stands; asked again when it has moved on meanwhile.
Plan = Callable[[Window], tuple[RunningTurn, NewTurn]]


class Ask(Struct, frozen=True):
    """What a person wants of a conversation. `key` opens at most one turn; without one, a request that is repeated by
    itself is known as long as the turn is `joinable`.
    """

    act: Act
    language: Language
    key: str
    role: str | None = None
    model: str | None = None
    joinable: bool = False


class TurnPlanner:
    """Knows the models and the limits of the window. `bounded`: every model is told how long a reply may be, because so
    much is reserved for it.
    """

    def __init__(
        self,
        catalog: Catalog,
        limits: ContextLimits,
        counter_for: Callable[[str], CountTokens],
        *,
        bounded: bool = False,
    ) -> None:
        self.catalog = catalog
        self._limits = limits
        self._counter_for = counter_for
        self._prompts = PromptBuilder(limits, counter_for)
        self._bounded = bounded

    @property
    def window_messages(self) -> int:
        """How many of the newest messages a plan wants to see. One of them falls out, and the account can name it."""
        return self._limits.messages

    def counter(self, model: str) -> CountTokens:
        """How the tokens of a model are counted, by the model's id."""
        return self._counter_for(self.catalog.get_or_default(model).info.name)

    def begin(self, ask: Ask, conversation: Conversation, ref: TurnRef, persona: Persona, target: Target) -> Plan:
        """The plan of the turn `ref`. Refuses what cannot be asked at all: `InvalidRequest`, `MessageTooLong`,
        `UnknownModel`.

        The plan that comes back raises `MessageTooLong` when the question cannot fit the model's window.
        """
        if isinstance(ask.act, Send | Edit):
            self._check(ask.act.message)
        model = self._model(ask, conversation, persona, target)
        return lambda window: self._plan(ask, conversation, ref, persona, model, target, window)

    def again(
        self, ref: TurnRef, claim: Claim, persona: Persona, question: Message, window: Window, cut: Message | None
    ) -> RunningTurn:
        """The job of a turn that was taken over: from the beginning, or going on after the text that was kept.

        `window` are the messages that precede the question, `cut` the reply that the turn was to go on with. Raises
        `UnknownModel`, `MessageTooLong`.
        """
        record = claim.record
        model = self.catalog.get(record.model)
        shown = claim.text and (cut is None or claim.text != cut.content)
        if shown:
            goes_on: Continuation | None = Continuation(record.reply_message_id, claim.text)
        else:
            goes_on = _from_text(cut)
        plan = Grounds(record.language, persona, question, window, goes_on)
        asking = self._prompts.asking(model, plan)
        turn = Turn(ref, claim.epoch, next_seq=1, text=claim.text, reasoning=claim.reasoning)
        code = "continued" if shown else "restarted"
        return RunningTurn(
            claim.owner,
            turn,
            question,
            msgspec.structs.replace(record, context=asking.prompt.report, attempts=record.attempts + 1),
            asking,
            self._options(persona, model),
            opening=Notice(code, say(code, record.language)),
            losses=claim.losses,
            fallbacks=self._fallbacks(record.asked or record.model, plan, after=record.model),
            goes_on=Continuation.of(cut) if cut else NOTHING,
            models=self._ids(model),
        )

    def _check(self, message: str) -> None:
        if not message.strip():
            raise InvalidRequest("message", "must not be empty")
        if len(message) > self._limits.message_chars:
            raise MessageTooLong(self._limits.message_chars, len(message), "characters")

    def _model(self, ask: Ask, conversation: Conversation, persona: Persona, target: Target) -> ChatModel:
        """The model that was asked for, else the first of these that is there: the cut reply's, the conversation's, the
        persona's, the default one.
        """
        if ask.model:
            return self.catalog.get(ask.model)
        named = (target.cut.model if target.cut else None, conversation.model, persona.model)
        return self.catalog.get_or_default(next((model for model in named if model and model in self.catalog), None))

    def _plan(
        self,
        ask: Ask,
        conversation: Conversation,
        ref: TurnRef,
        persona: Persona,
        model: ChatModel,
        target: Target,
        window: Window,
    ) -> tuple[RunningTurn, NewTurn]:
        said = ask.act.message if isinstance(ask.act, Send | Edit) else ""
        parent_id = window.head if target.parent_id is None else target.parent_id
        question = target.question or Message(new_id(), "user", said, parent_id=parent_id or None)
        goes_on = _from_text(target.cut)
        plan = Grounds(ask.language, persona, question, window, goes_on)
        asking = self._prompts.asking(model, plan)
        turn = Turn(ref)
        record = TurnRecord(
            user_message_id=question.id,
            reply_message_id=new_id(),
            model=model.info.id,
            persona=persona.id,
            context=asking.prompt.report,
            language=ask.language,
            key=ask.key,
            continues=target.cut.id if target.cut else None,
            joinable=ask.joinable,
        )
        started = turn.start(question.id, record.reply_message_id, model.info.id)
        job = RunningTurn(
            conversation.owner,
            turn,
            question,
            record,
            asking,
            self._options(persona, model),
            ask.role,
            fallbacks=self._fallbacks(model.info.id, plan),
            started=started,
            goes_on=Continuation.of(target.cut) if target.cut else NOTHING,
            title=title_of(said) if said and not conversation.title else "",
            models=self._ids(model),
        )
        new_turn = NewTurn(
            turn.ref,
            conversation.owner,
            _body_hash(ask),
            question,
            record,
            started,
            title_of(said),
            beside=target.beside,
            answered_again=target.question is not None,
            # Only what is to follow the newest message minds that there is a newer one.
            expected_head=window.head if target.question is None and target.parent_id is None else None,
        )
        return job, new_turn

    def _options(self, persona: Persona, model: ChatModel) -> GenerationOptions:
        most = self._prompts.reply_tokens(persona)
        if most is None and self._bounded:
            most = min(reply_reserve(self.catalog.get(name).info.context_tokens) for name in self._ids(model))
        return GenerationOptions(persona.temperature, persona.top_p, most)

    def _ids(self, model: ChatModel) -> list[str]:
        """Of the model and of those that may come in its place."""
        return [model.info.id, *(other.info.id for other in self.catalog.fallbacks(model.info.id))]

    def _fallbacks(self, asked: str, grounds: Grounds, after: str | None = None) -> list[Callable[[], Asking]]:
        """How each model is asked that comes in the place of `asked`; with `after`, those that come after that one."""
        models = self.catalog.fallbacks(asked)
        ids = [model.info.id for model in models]
        later = models[ids.index(after) + 1 :] if after in ids else models
        return [partial(self._prompts.asking, model, grounds) for model in later]


def _from_text(reply: Message | None) -> Continuation | None:
    """What the model is to go on with. A reply of nothing but thoughts is asked for anew, and its thoughts stay."""
    return Continuation.of(reply) if reply and reply.content else None


def title_of(message: str) -> str:
    """A conversation's first title: the beginning of its first message, on one line."""
    line = " ".join(message.split())
    return line if len(line) <= MADE_TITLE_CHARS else line[: MADE_TITLE_CHARS - 1].rstrip() + "…"


def new_id() -> str:
    """An id for a message or a turn: 80 random bits in hexadecimal."""
    return secrets.token_hex(10)


def _body_hash(ask: Ask) -> str:
    """Of what was asked, not of what it came to: the persona may change before the same is asked again."""
    act = ask.act
    plain: object = act.message if isinstance(act, Send) and act.parent_id is None else [type(act).__name__, act]
    return hashlib.sha256(msgspec.json.encode([plain, ask.role, ask.model])).hexdigest()
