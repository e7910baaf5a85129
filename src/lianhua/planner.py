"""From what a person asks to a turn that could run: persona, model, prompt, record. Nothing is stored here."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from lianhua.errors import InvalidRequest, MessageTooLong
from lianhua.events import Notice
from lianhua.job import Job
from lianhua.messages import Conversation, Language, Message
from lianhua.models.catalog import Catalog
from lianhua.models.port import ChatModel, GenerationOptions
from lianhua.personas import Persona, Personas
from lianhua.prompt import CountTokens, Prompt, going_on, going_on_tokens, select, smaller_budget, token_budget
from lianhua.seam import Seam
from lianhua.store.conversations import MessagePage
from lianhua.store.journal import Claim, NewTurn
from lianhua.texts import say
from lianhua.turn import Turn, TurnRecord, TurnRef

TITLE_CHARS: Final = 40

# What is planned with the conversation as it stands; asked again when it has moved on meanwhile.
Plan = Callable[[MessagePage], tuple[Job, NewTurn]]


class ContextLimits(Struct, frozen=True):
    """How much of a conversation a model is given, and how long one message may be (in characters)."""

    messages: int
    reply_tokens: int | None
    message_chars: int


class Ask(Struct, frozen=True):
    """What a person wants of a conversation: the next message. `key` opens at most one turn."""

    message: str
    language: Language
    key: str
    role: str | None = None
    model: str | None = None


class TurnPlanner:
    """Knows the personas, the models and the limits of the window."""

    def __init__(
        self,
        catalog: Catalog,
        personas: Personas,
        limits: ContextLimits,
        counter_for: Callable[[str], CountTokens],
    ) -> None:
        self.catalog = catalog
        self.personas = personas
        self._limits = limits
        self._counter_for = counter_for

    @property
    def window_messages(self) -> int:
        """How many of the newest messages a plan wants to see. One of them falls out, and the account can name it."""
        return self._limits.messages

    def begin(self, ask: Ask, conversation: Conversation, ref: TurnRef) -> Plan:
        """The plan of the turn `ref`. Refuses what cannot be asked at all: `InvalidRequest`, `MessageTooLong`,
        `UnknownRole`, `UnknownModel`.

        The plan that comes back raises `MessageTooLong` when the question cannot fit the model's window.
        """
        if not ask.message.strip():
            raise InvalidRequest("message", "must not be empty")
        if len(ask.message) > self._limits.message_chars:
            raise MessageTooLong(self._limits.message_chars, len(ask.message), "characters")
        persona = self.personas.get(ask.role) if ask.role else self.personas.get_or_default(conversation.role)
        model = self.catalog.get(ask.model) if ask.model else self.catalog.get_or_default(conversation.model)
        return lambda page: self._plan(ask, conversation, ref, persona, model, page)

    def again(self, ref: TurnRef, claim: Claim, question: Message, before: MessagePage) -> Job:
        """The job of a turn that was taken over: from the beginning, or going on after the text that was kept.

        `before` are the messages that precede the question. Raises `UnknownModel`, `MessageTooLong`.
        """
        record = claim.record
        persona = self.personas.get_or_default(record.persona)
        model = self.catalog.get(record.model)
        count = self._counter_for(model.info.name)
        ask = Ask(question.content, record.language, record.key)
        prompt_within = self._prompts(ask, persona, question, before, count)
        kept = claim.text
        reserve = going_on_tokens(kept, record.language, count) if kept else 0
        budget = token_budget(model.info.context_tokens, self._limits.reply_tokens) - reserve

        def prompt(budget_tokens: int, refused: Prompt | None) -> Prompt:
            found = prompt_within(budget_tokens, refused)
            return going_on(found, record.reply_message_id, kept, count) if kept else found

        def shrink(refused: Prompt) -> Prompt:
            return prompt(smaller_budget(refused.context) - reserve, refused)

        first = prompt(max(budget, 1), None)
        turn = Turn(ref, claim.epoch, next_seq=1, text=kept, reasoning=claim.reasoning)
        record = msgspec.structs.replace(record, context=first.context, attempts=record.attempts + 1)
        options = GenerationOptions(temperature=persona.temperature, max_tokens=self._limits.reply_tokens)
        code = "continued" if kept else "restarted"
        opening = Notice(code, say(code, record.language))
        seam = Seam(kept) if kept else None
        return Job(claim.owner, turn, record, first, model, options, count, shrink, None, opening, claim.losses, seam)

    def _plan(
        self,
        ask: Ask,
        conversation: Conversation,
        ref: TurnRef,
        persona: Persona,
        model: ChatModel,
        page: MessagePage,
    ) -> tuple[Job, NewTurn]:
        question = Message(new_id(), "user", ask.message, parent_id=page.head or None)
        count = self._counter_for(model.info.name)
        prompt_within = self._prompts(ask, persona, question, page, count)
        prompt = prompt_within(token_budget(model.info.context_tokens, self._limits.reply_tokens), None)

        def shrink(refused: Prompt) -> Prompt:
            return prompt_within(smaller_budget(refused.context), refused)

        turn = Turn(ref)
        record = TurnRecord(
            user_message_id=question.id,
            reply_message_id=new_id(),
            model=model.info.id,
            persona=persona.id,
            context=prompt.context,
            language=ask.language,
            key=ask.key,
        )
        started = turn.start(question.id, record.reply_message_id, model.info.id)
        options = GenerationOptions(temperature=persona.temperature, max_tokens=self._limits.reply_tokens)
        owner = conversation.owner
        job = Job(owner, turn, record, prompt, model, options, count, shrink, ask.role, started=started)
        body_hash = _body_hash(ask)
        title = title_of(ask.message)
        return job, NewTurn(turn.ref, owner, body_hash, question, record, started, title)

    def _prompts(
        self, ask: Ask, persona: Persona, question: Message, page: MessagePage, count: CountTokens
    ) -> Callable[[int, Prompt | None], Prompt]:
        """The prompt for a budget, and for one that is smaller than a prompt which the model refused."""
        text = persona.text(ask.language)

        def prompt_within(budget_tokens: int, refused: Prompt | None) -> Prompt:
            return select(
                text.prompt.strip(),
                page.messages,
                question,
                max_messages=self._limits.messages,
                budget_tokens=budget_tokens,
                count=count,
                older=max(page.depth + 1 - len(page.messages), 0),
                language=ask.language,
                persona_name=text.name,
                smaller_than=refused.context if refused else None,
            )

        return prompt_within


def title_of(message: str) -> str:
    """A conversation's first title: the beginning of its first message, on one line."""
    line = " ".join(message.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1].rstrip() + "…"


def new_id() -> str:
    """An id for a message or a turn: 80 random bits in hexadecimal."""
    return secrets.token_hex(10)


def _body_hash(ask: Ask) -> str:
    """Of what was asked, not of what it came to: the persona may change before the same is asked again."""
    return hashlib.sha256(msgspec.json.encode([ask.message, ask.role, ask.model])).hexdigest()
