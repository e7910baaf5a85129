"""The chat service: starts turns, follows them, stops them. It owns every task that runs one."""

import asyncio
import logging
import secrets
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from lianhua.errors import ConversationNotFound, Draining, Overloaded, TurnInProgress, Unavailable
from lianhua.events import Cursor
from lianhua.job import Job
from lianhua.messages import Conversation, TurnStatus
from lianhua.personas import DEFAULT_ROLE
from lianhua.planner import Ask, TurnPlanner
from lianhua.relay import COMMIT_EVENTS, Relay
from lianhua.runner import TurnRunner
from lianhua.store.conversations import ConversationPage, ConversationStore, MessagePage
from lianhua.store.journal import FROM_START, Accepted, Busy, TurnJournal
from lianhua.store.running import RunningTurns
from lianhua.turn import TurnRecord, TurnRef
from lianhua.viewer import Viewer

logger = logging.getLogger(__name__)

RENEW_S: Final = 1.0  # how late a stop from another worker is heard of; far below the lease of 15 s
SWEEP_S: Final = 5.0  # a lost turn is sealed at the latest so long after its lease
RUNNING_TURNS: Final = 2_000  # what one worker's memory is planned for, at up to 2 MB a reply
ACCEPT_TRIES: Final = 5
STOP_WAIT_S: Final = 2.0
STOP_LOOK_S: Final = 0.05
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
        turns_on: RunningTurns,
    ) -> None:
        self.catalog = planner.catalog
        self.personas = planner.personas
        self._conversations = conversations
        self._journal = journal
        self._relay = relay
        self._runner = runner
        self._planner = planner
        self._turns_on = turns_on
        self._running: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._draining = False
        self._chores: list[asyncio.Task[None]] = []

    # Its own life

    def start_up(self) -> None:
        self._relay.start()
        self._chores = [
            asyncio.create_task(_every(RENEW_S, self._renew), name="renew leases"),
            asyncio.create_task(_every(SWEEP_S, self._sweep), name="seal lost turns"),
        ]

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
        for chore in self._chores:
            chore.cancel()
        if self._chores:
            await asyncio.wait(self._chores)
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
            noted = asyncio.create_task(self._note(user, job.turn.ref, self._turns_on.add), name="note a turn")
            await self._runner.run(job)  # the model is not kept waiting for the lists
            await noted
            await self._note(user, job.turn.ref, self._turns_on.remove)
        except Exception:
            logger.exception("turn %s: ended by a bug of ours", job.turn.ref.turn_id)

    async def _note(self, user: str, ref: TurnRef, note: Callable[[TurnRef], Awaitable[None]]) -> None:
        """Brings what lies beside the journal level with it; where that fails, later readers mend it."""
        try:
            await note(ref)
            await self._conversations.touch(ref.conversation_id, user)
        except (ConversationNotFound, Unavailable):
            logger.info("turn %s: the lists are not level with it", ref.turn_id)

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
        deadline = asyncio.get_running_loop().time() + STOP_WAIT_S
        while (view := await self.turn(user, ref)).status == "running":
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(STOP_LOOK_S)  # its worker, another one, hears of it with its next append or renewal
        return view

    async def _renew(self) -> None:
        jobs = [job for job, _ in self._running.values()]
        for some in (jobs[start : start + COMMIT_EVENTS] for start in range(0, len(jobs), COMMIT_EVENTS)):
            fates = await self._journal.renew([(job.turn.ref, job.turn.epoch) for job in some])
            for job, fate in zip(some, fates, strict=True):
                if fate == "stop":
                    job.stop("stopped")
                elif fate != "ok":
                    job.abandon()

    async def _sweep(self) -> None:
        for ref in await self._turns_on.all():
            if ref.turn_id not in self._running and await self._runner.seal(ref):
                await self._turns_on.remove(ref)


async def _every(seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await chore()
        except Unavailable as exc:
            logger.info("the store is away: %s", exc)
        except Exception:
            logger.exception("a chore failed and is tried again in %.0f s", seconds)
