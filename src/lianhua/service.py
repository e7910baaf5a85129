"""The chat service: starts turns, follows them, stops them. It owns every task that runs one."""

import asyncio
import logging
import secrets
import uuid
from typing import Final

from msgspec import Struct

from lianhua.errors import ConversationNotFound, Draining, Overloaded, TurnInProgress, Unavailable
from lianhua.events import Cursor
from lianhua.job import Job
from lianhua.messages import Conversation, TurnStatus
from lianhua.personas import DEFAULT_ROLE
from lianhua.planner import Ask, TurnPlanner
from lianhua.relay import Relay
from lianhua.runner import TurnRunner
from lianhua.store.conversations import ConversationPage, ConversationStore, MessagePage
from lianhua.store.journal import FROM_START, Accepted, Busy, TurnJournal
from lianhua.turn import TurnRecord, TurnRef
from lianhua.viewer import Viewer

logger = logging.getLogger(__name__)

RENEW_S: Final = 5.0  # a third of the lease: two renewals may get lost
RUNNING_TURNS: Final = 2_000  # what one worker's memory is planned for, at up to 2 MB a reply
ACCEPT_TRIES: Final = 5
STOP_WAIT_S: Final = 1.0
END_WAIT_S: Final = 3.0  # the last appends and ends of all turns, while the server shuts down


class TurnView(Struct, frozen=True):
    """A turn as it stands."""

    status: TurnStatus
    record: TurnRecord


class ChatService:
    """Every call names the user it is for, and meets only what is that user's. Raises the errors of
    `lianhua.errors`.
    """

    def __init__(
        self,
        conversations: ConversationStore,
        journal: TurnJournal,
        relay: Relay,
        runner: TurnRunner,
        planner: TurnPlanner,
    ) -> None:
        self.catalog = planner.catalog
        self.personas = planner.personas
        self._conversations = conversations
        self._journal = journal
        self._relay = relay
        self._runner = runner
        self._planner = planner
        self._running: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._draining = False
        self._renewing: asyncio.Task[None] | None = None

    # Its own life

    def start_up(self) -> None:
        self._relay.start()
        self._renewing = asyncio.create_task(self._renew_forever(), name="renew leases")

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """From now on new turns are refused with `Draining`; running ones go on."""
        self._draining = True

    async def close(self, grace_s: float, hurry: asyncio.Event) -> None:
        """Gives running turns `grace_s`, less when `hurry` is set, then ends them as `interrupted` with their text
        kept.
        """
        self.drain()
        tasks = [task for _, task in self._running.values()]
        if tasks:
            hurried = asyncio.create_task(hurry.wait(), name="hurry")
            turns = asyncio.create_task(asyncio.wait(tasks), name="running turns")
            await asyncio.wait([turns, hurried], timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
            for waiting in (turns, hurried):
                waiting.cancel()
            for job, _ in list(self._running.values()):
                job.stop("server_stopping")
            await asyncio.wait(tasks, timeout=END_WAIT_S)
        if self._renewing:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
        await self._relay.stop()

    # Conversations

    async def create(self, user: str, role: str | None, model: str | None, title: str = "") -> Conversation:
        """A new conversation, with the default persona and following the default model where none is named."""
        persona = self.personas.get(role or DEFAULT_ROLE)
        if model is not None:
            self.catalog.get(model)
        return await self._conversations.create(str(uuid.uuid4()), user, persona.id, model, title)

    async def get(self, user: str, conversation_id: str) -> Conversation:
        return await self._conversations.get(conversation_id, user)

    async def update(
        self,
        user: str,
        conversation_id: str,
        *,
        title: str | None = None,
        role: str | None = None,
        model: str | None = None,
        pinned: bool | None = None,
    ) -> Conversation:
        """Changes what is not None; the model "" is the server's default."""
        fields: dict[str, str] = {}
        if title is not None:
            fields["title"] = title
        if role is not None:
            fields["role"] = self.personas.get(role).id
        if model is not None:
            fields["model"] = self.catalog.get(model).info.id if model else ""
        if pinned is not None:
            fields["pinned"] = "1" if pinned else "0"
        return await self._conversations.update(conversation_id, user, fields)

    async def page(self, user: str, before: str | None, limit: int) -> ConversationPage:
        return await self._conversations.page(user, before, limit)

    async def messages(self, user: str, conversation_id: str, before: str | None, limit: int) -> MessagePage:
        return await self._conversations.messages(conversation_id, user, before, limit)

    async def erase(self, user: str, conversation_id: str, *, keep_conversation: bool) -> None:
        """Stops a running reply and removes every text; unless `keep_conversation`, the conversation too."""
        conversation = await self._conversations.get(conversation_id, user)
        if conversation.running_turn_id:
            await self.stop(user, TurnRef(conversation_id, conversation.running_turn_id))
        await self._conversations.erase(conversation_id, user, keep_conversation=keep_conversation)

    # Turns

    def new_key(self) -> str:
        """An idempotency key that nobody else has, for a caller that brings none."""
        return secrets.token_hex(16)

    async def start(self, user: str, conversation_id: str, ask: Ask) -> Accepted:
        """Opens the turn for a message and begins the reply. The same key and body again: the same turn.

        Raises `TurnInProgress` while another turn runs, `IdempotencyMismatch` for a used key with another body, and
        what makes the message impossible: `MessageTooLong`, `UnknownRole`, `UnknownModel`, `InvalidRequest`.
        """
        accepted = await self._accept(user, conversation_id, ask)
        if isinstance(accepted, Busy):
            raise TurnInProgress(accepted.turn_id)
        return accepted

    async def start_or_join(self, user: str, conversation_id: str, ask: Ask) -> Accepted:
        """Like `start`, but a running turn with the same message and persona is joined."""
        accepted = await self._accept(user, conversation_id, ask)
        if isinstance(accepted, Accepted):
            return accepted
        if not accepted.same_body:
            raise TurnInProgress(accepted.turn_id)
        return Accepted(accepted.turn_id, accepted.user_message_id, accepted.reply_message_id, repeated=True)

    async def _accept(self, user: str, conversation_id: str, ask: Ask) -> Accepted | Busy:
        if self._draining:
            raise Draining("shutting down")
        if len(self._running) >= RUNNING_TURNS:
            raise Overloaded(f"{RUNNING_TURNS} turns are running")
        conversation = await self._conversations.get(conversation_id, user)
        plan = self._planner.begin(ask, conversation)
        for _ in range(ACCEPT_TRIES):
            page = await self._conversations.messages(conversation_id, user, None, self._planner.window_messages)
            job, new_turn = plan(page)
            answer = await self._journal.accept(new_turn)
            match answer:
                case Accepted(repeated=False):
                    self._run(user, job)
                    if job.record.persona != conversation.role:
                        await self._conversations.update(conversation_id, user, {"role": job.record.persona})
                    return answer
                case Accepted():
                    return answer
                case Busy(lost=True):
                    await self._runner.seal(TurnRef(conversation_id, answer.turn_id))
                case Busy():
                    return answer
        raise Overloaded("the conversation changes faster than a prompt can be made")

    def _run(self, user: str, job: Job) -> None:
        ref = job.turn.ref
        self._relay.open(ref)
        task = asyncio.create_task(self._run_and_touch(user, job), name=f"turn {ref.turn_id}")
        self._running[ref.turn_id] = (job, task)
        task.add_done_callback(lambda _: self._running.pop(ref.turn_id, None))

    async def _run_and_touch(self, user: str, job: Job) -> None:
        try:
            await self._touch(user, job.turn.ref)
            await self._runner.run(job)
            await self._touch(user, job.turn.ref)
        except Exception:
            logger.exception("turn %s: ended by a bug of ours", job.turn.ref.turn_id)

    async def _touch(self, user: str, ref: TurnRef) -> None:
        try:
            await self._conversations.touch(ref.conversation_id, user)
        except (ConversationNotFound, Unavailable):
            logger.info("turn %s: the list is not level with it", ref.turn_id)

    async def view(self, user: str, ref: TurnRef, after: Cursor = FROM_START) -> Viewer | None:
        """A viewer of the turn, open at the cursor; None when the turn is over and nothing is missing."""
        viewer = Viewer(
            ref,
            user,
            after,
            journal=self._journal,
            relay=self._relay,
            conversations=self._conversations,
            seal=self._runner.seal,
        )
        return viewer if await viewer.open() else None

    async def turn(self, user: str, ref: TurnRef) -> TurnView:
        """The turn as it stands now."""
        page = await self._journal.read(ref, user, FROM_START)
        if page.state == "lost":
            await self._runner.seal(ref)
            page = await self._journal.read(ref, user, FROM_START)
        end = page.record.end
        return TurnView(end.status if end else "running", page.record)

    async def stop(self, user: str, ref: TurnRef) -> TurnView:
        """Ends a running reply and keeps what came of it; the turn as it then stands. Harmless when repeated."""
        state = await self._journal.stop(ref, user)
        if state == "lost":
            await self._runner.seal(ref)
        elif running := self._running.get(ref.turn_id):
            job, task = running
            job.stop("stopped")
            await asyncio.wait([task], timeout=STOP_WAIT_S)
        return await self.turn(user, ref)

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            for job, _ in list(self._running.values()):
                try:
                    fate = await self._journal.renew(job.turn.ref, job.turn.epoch)
                except Unavailable:
                    continue  # the appends tell when the lease is over
                if fate == "stop":
                    job.stop("stopped")
                elif fate != "ok":
                    job.abandon()
