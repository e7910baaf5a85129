"""What follows the end of a turn and holds nothing up: the lists, the ledger, the search, the title."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

from lianhua.chat.messages import Message, Usage
from lianhua.chat.prompt import Prompt
from lianhua.chat.turn import TurnRef
from lianhua.errors import ConversationNotFound, Unavailable
from lianhua.store.changes import Change
from lianhua.store.conversations import ConversationStore
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.usage import COUNTED_S, TITLE, UsageLedger
from lianhua.turns.indexing import IndexQueue
from lianhua.turns.reservations import Reservations
from lianhua.turns.running import RunningTurn
from lianhua.turns.titles import EXCERPT_CHARS, REST_S, TITLE_TOKENS, Titler, Untitled, title_prompt

logger = logging.getLogger(__name__)

LAST_WORDS_S: Final = 1.0  # while the server shuts down

# Makes texts quick to find: a conversation, its owner, and texts by what `unsigned` calls them in the store.
IndexText = Callable[[str, str, Mapping[str, str]], Awaitable[None]]


class Finalizer:
    """Where the store is away nothing is lost: later readers bring the lists and the search level, and a turn that is
    still listed as running is counted when it is met (`found_ended`).
    """

    def __init__(
        self,
        conversations: ConversationStore,
        journal: TurnJournal,
        running_turns: RunningTurns,
        ledger: UsageLedger,
        index: IndexText,
        index_queue: IndexQueue,
        *,
        titles: bool,
        title_rest_s: float = REST_S,
        reservations: Reservations | None = None,
    ) -> None:
        self._conversations = conversations
        self._journal = journal
        self._running_turns = running_turns
        self._ledger = ledger
        self._index = index
        self._index_queue = index_queue
        self._reservations = reservations
        self._titler = Titler(self._is_untitled, self._title, title_rest_s) if titles else None
        self._telling: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Gives up the titles that are still to be made."""
        if self._telling:
            await asyncio.wait(self._telling, timeout=LAST_WORDS_S)
        if self._titler:
            await self._titler.stop()
        await self._index_queue.stop()

    async def note_start(self, job: RunningTurn) -> None:
        """The conversation takes over the persona that came with the message, and the owner's tabs hear of the turn."""
        ref = job.turn.ref
        if self._titler:
            self._titler.turn_begins(ref.conversation_id)
        try:
            if job.chosen_role:
                await self._conversations.update(ref.conversation_id, job.user, {"role": job.chosen_role})
            if job.accepted_at:
                await self._conversations.enlist_used(job.user, _change(ref, "started"), job.accepted_at)
            else:
                await self._conversations.touch(ref.conversation_id, job.user, _change(ref, "started"))
        except (ConversationNotFound, Unavailable):
            logger.info("turn %s: the lists are not up to date", ref.turn_id)

    async def note_end(self, ref: TurnRef, user: str, reply: Message | None) -> None:
        """Counts the turn and brings the lists level. `reply` None: it was erased, or another worker has it."""
        touching = self._conversations.touch(ref.conversation_id, user, _change(ref, "ended"))
        # At the same time, so that both take two round trips and not four.
        for met in await asyncio.gather(self._count(ref, user, reply), touching, return_exceptions=True):
            if isinstance(met, ConversationNotFound | Unavailable):
                logger.info("turn %s: the lists are not up to date", ref.turn_id)
            elif isinstance(met, BaseException):
                raise met

    async def _count(self, ref: TurnRef, user: str, reply: Message | None) -> None:
        """The turn leaves the list of running ones when it is counted: until then whoever meets it there counts it."""
        if reply and reply.usage:
            await self._charge(user, ref.turn_id, reply.model or "", reply.usage, time.time())
        elif reply and self._reservations:
            await self._reservations.give_back(user, ref.turn_id)
        await self._running_turns.remove(ref)

    async def _charge(self, user: str, turn_id: str, model: str, usage: Usage, at: float) -> None:
        charged = self._reservations.charged(model, usage) if self._reservations else None
        await self._ledger.count(user, turn_id, model, usage, at, charged)

    async def note_job(self, job: RunningTurn) -> None:
        """The same for a turn that has run here; its texts become quick to find, and its conversation gets a title."""
        ref, reply = job.turn.ref, job.reply
        await self.note_end(ref, job.user, reply)
        if reply:
            texts = {job.question.id: job.question.content, reply.id: reply.content}
            if job.title:
                texts[title_token(job.title)] = job.title
            self._index_queue.add(ref.conversation_id, job.user, texts)
        if self._titler:
            if reply and reply.status == "done" and job.title:
                self._titler.consider(_untitled(job, reply))
            self._titler.turn_ended()

    def end_given(self, ref: TurnRef) -> None:
        """A viewer has been given the end of a turn that could be joined until then."""
        task = asyncio.create_task(self._end_given(ref), name=f"end of turn {ref.turn_id} given")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _end_given(self, ref: TurnRef) -> None:
        try:
            await self._journal.given(ref)
        except Unavailable:
            logger.info("turn %s: the same question joins it once more", ref.turn_id)

    def forget(self, conversation_id: str) -> None:
        """The conversation is being erased."""
        self._index_queue.forget(conversation_id)
        if self._titler:
            self._titler.forget(conversation_id)

    async def index(self, conversation_id: str, user: str, texts: Mapping[str, str]) -> None:
        """Makes texts quick to find. Where that fails they are found all the same, after a longer look."""
        try:
            await self._index(conversation_id, user, texts)
        except (ConversationNotFound, Unavailable):
            logger.info("conversation %s: the search has to read it", conversation_id)

    async def found_ended(self, ref: TurnRef) -> None:
        """A turn that is still listed has ended: whoever ended it may have died before the ledger had it."""
        ended = await self._journal.ended(ref)
        if ended is None:
            return
        owner, record = ended
        at = record.ended_at or time.time()
        # Of an older one the ledger may no longer know that it was counted.
        if record.end and record.end.usage and time.time() - at < COUNTED_S:
            await self._charge(owner, ref.turn_id, record.model, record.end.usage, at)

    async def _is_untitled(self, untitled: Untitled) -> bool:
        """Whether a title is still wanted: not where the text was erased, here or by another worker. Raises
        `QuotaExhausted` where its cost cannot be reserved.
        """
        conversation = await self._conversations.get(untitled.conversation_id, untitled.user)
        if conversation.title != untitled.made_from:
            return False
        if self._reservations:
            prompt = sum(untitled.count(message.content) for message in _title_prompt(untitled).messages)
            model = untitled.model.info.id
            await self._reservations.reserve_title(untitled.user, _title_id(untitled), model, prompt, TITLE_TOKENS)
        return True

    async def _title(self, untitled: Untitled, title: str, usage: Usage) -> None:
        """A title that a model has made, which is none where it is empty, and what it has cost."""
        name, user = untitled.conversation_id, untitled.user
        await self._charge(user, _title_id(untitled), untitled.model.info.id, usage, time.time())
        if title and await self._conversations.retitle(name, user, untitled.made_from, title):
            await self.index(name, user, {title_token(title): title})


def title_token(title: str) -> str:
    """What `unsigned` calls a title in the store: another one needs its own turn."""
    return f"title:{hashlib.sha1(title.encode(), usedforsecurity=False).hexdigest()[:8]}"


def _title_prompt(untitled: Untitled) -> Prompt:
    return title_prompt(untitled.question, untitled.reply, untitled.language)


def _title_id(untitled: Untitled) -> str:
    return f"{TITLE}{untitled.conversation_id}:{title_token(untitled.made_from)}"


def _untitled(job: RunningTurn, reply: Message) -> Untitled:
    return Untitled(
        job.turn.ref.conversation_id,
        job.user,
        job.title,
        job.question.content[:EXCERPT_CHARS],
        reply.content[:EXCERPT_CHARS],
        job.language,
        job.model,
        job.count,
    )


def _change(ref: TurnRef, change: Literal["started", "ended"]) -> Change:
    return Change(ref.conversation_id, change, ref.turn_id)
