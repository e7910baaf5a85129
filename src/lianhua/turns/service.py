"""Turns of a user: started, followed, looked into, stopped."""

import asyncio
import contextlib
import secrets
from typing import Final

import msgspec
from msgspec import Struct

from lianhua.chat.events import Cursor
from lianhua.chat.messages import ContextAccount, Conversation, TurnStatus
from lianhua.chat.turn import TurnRecord, TurnRef
from lianhua.errors import (
    Draining,
    LianhuaError,
    Limited,
    Overloaded,
    StoreUnavailable,
    TurnInProgress,
    Unavailable,
)
from lianhua.store.client.keys import worker_channel
from lianhua.store.client.pubsub import PubSub
from lianhua.store.client.retry import WRITE_AGAIN_S, patiently
from lianhua.store.conversations import ConversationStore
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.journal.values import Accepted, Busy, Moved, NewTurn, StopAsked, Unknown
from lianhua.store.messages import MessageStore, Window
from lianhua.streams.commit import GroupCommit
from lianhua.streams.tail import Tails
from lianhua.streams.viewer import OWNER_CHECK_S, Viewer
from lianhua.turns.finalize import Finalizer
from lianhua.turns.personas import AvailablePersonas
from lianhua.turns.planner import Ask, Plan, TurnPlanner, new_id
from lianhua.turns.recovery import Recovery
from lianhua.turns.registry import TurnRegistry
from lianhua.turns.request import Send, Target, find_target
from lianhua.turns.reservations import Reservations
from lianhua.turns.running import RunningTurn
from lianhua.turns.stops import PendingStops

ACCEPT_TRIES: Final = 5
STOP_WAIT_S: Final = 2.0
STOP_LOOK_S: Final = 0.05


class TurnView(Struct, frozen=True):
    """A turn as it stands. `stopping`: it was asked to stop, and ends as soon as the store takes its end."""

    status: TurnStatus
    record: TurnRecord
    stopping: bool = False


class TurnService:
    """Every call names the user it is for, and meets only what is that user's. Raises what `errors` lists."""

    def __init__(
        self,
        conversations: ConversationStore,
        branches: MessageStore,
        personas: AvailablePersonas,
        journal: TurnJournal,
        commit: GroupCommit,
        planner: TurnPlanner,
        tasks: TurnRegistry,
        running_turns: RunningTurns,
        stops: PendingStops,
        recovery: Recovery,
        tails: Tails,
        pubsub: PubSub,
        finalizer: Finalizer,
        owner_check_s: float = OWNER_CHECK_S,
        reservations: Reservations | None = None,
    ) -> None:
        self._conversations = conversations
        self._branches = branches
        self._personas = personas
        self._journal = journal
        self._commit = commit
        self._planner = planner
        self._tasks = tasks
        self._running_turns = running_turns
        self._stops = stops
        self._recovery = recovery
        self._tails = tails
        self._pubsub = pubsub
        self._finalizer = finalizer
        self._owner_check_s = owner_check_s
        self._reservations = reservations
        self._draining = False

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """From now on new turns are refused with `Draining`; running ones go on."""
        self._draining = True

    def new_key(self) -> str:
        """An idempotency key that nobody else has, for a caller that brings none."""
        return secrets.token_hex(16)

    async def start(self, user: str, conversation_id: str, ask: Ask) -> Accepted:
        """Opens a turn and begins the reply. The same key and body again: the same turn.

        Raises `TurnInProgress` while another turn runs, `IdempotencyMismatch` for a used key with another body, and
        what makes the message impossible: `MessageTooLong`, `UnknownRole`, `UnknownModel`, `InvalidRequest`. Where
        there are limits, `QuotaExhausted` and `TurnsRunning`, and nothing is stored.
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
        self._refuse_while_draining()
        ref = TurnRef(conversation_id, new_id())
        if self._reservations is None:
            return await self._tasks.open(self._open(user, ref, ask))
        return await self._tasks.open(self._open_within_limits(user, ref, ask, self._reservations))

    async def _open_within_limits(
        self, user: str, ref: TurnRef, ask: Ask, reservations: Reservations
    ) -> Accepted | Busy:
        """What was reserved for a turn that does not begin is given back; by time where nobody knows whether it did."""
        try:
            answer = await self._open(user, ref, ask)
        except Unavailable:
            raise
        except LianhuaError:
            await self._give_back(user, ref, reservations)
            raise
        if answer.turn_id != ref.turn_id:
            await self._give_back(user, ref, reservations)
        return answer

    async def _give_back(self, user: str, ref: TurnRef, reservations: Reservations) -> None:
        with contextlib.suppress(Unavailable):  # then its time runs out
            await reservations.release(user, ref)

    async def _refusal(self, job: RunningTurn) -> LianhuaError | None:
        """Why the turn may not run, where there are limits; else what it may use is reserved."""
        try:
            if self._reservations:
                await self._reservations.reserve(job)
        except (Limited, Overloaded) as refusal:
            return refusal
        return None

    async def check(self, user: str, conversation_id: str, ask: Ask) -> None:
        """Refuses what `start` would, and starts nothing. Any running turn counts as another one."""
        self._refuse_while_draining()
        conversation = await self._conversations.get(conversation_id, user)
        ref = TurnRef(conversation_id, new_id())
        plan, target = await self._plan(user, conversation, ref, ask)
        plan(await target.window(self._branches, conversation_id, user, self._planner.window_messages))
        if conversation.running_turn_id is not None:
            raise TurnInProgress(conversation.running_turn_id)

    async def _plan(self, user: str, conversation: Conversation, ref: TurnRef, ask: Ask) -> tuple[Plan, Target]:
        if ask.role:
            persona = await self._personas.get(user, ask.role)
        else:
            persona = await self._personas.get_or_default(user, conversation.role)
        target = await find_target(self._branches, conversation.id, user, ask.act)
        return self._planner.begin(ask, conversation, ref, persona, target), target

    async def _open(self, user: str, ref: TurnRef, ask: Ask) -> Accepted | Busy:
        conversation_id = ref.conversation_id
        conversation, window = await self._read(user, conversation_id, ask)
        plan, target = await self._plan(user, conversation, ref, ask)
        for _ in range(ACCEPT_TRIES):
            if window is None:
                window = await target.window(self._branches, conversation_id, user, self._planner.window_messages)
            job, new_turn = plan(window)
            window = None
            self._refuse_while_draining()
            refusal = await self._refusal(job)
            answer = await (self._find(new_turn) if refusal else self._accept_listed(new_turn))
            match answer:
                case Accepted(repeated=False):
                    job.accepted_at = answer.updated_at
                    self._tasks.run(job)
                    return answer
                case Accepted():
                    return answer
                case Busy(lost=True):
                    await self._recovery.recover(TurnRef(conversation_id, answer.turn_id))
                case Busy():
                    return answer
                case Unknown() if refusal:
                    raise refusal
        raise Overloaded("the conversation changes faster than a prompt can be made")

    async def _read(self, user: str, conversation_id: str, ask: Ask) -> tuple[Conversation, Window | None]:
        """The conversation and, where nothing else has to be found first, what the prompt is made from, in one step."""
        if isinstance(ask.act, Send):
            limit = self._planner.window_messages
            window = await self._branches.window(conversation_id, user, limit, at=ask.act.parent_id)
            if window.conversation:
                return window.conversation, window
        return await self._conversations.get(conversation_id, user), None

    async def _find(self, new_turn: NewTurn) -> Accepted | Busy | Moved | Unknown:
        """What a refused turn may be all the same: one that an earlier try has opened, or that runs."""
        return await self._accept_patiently(msgspec.structs.replace(new_turn, known_only=True))

    async def _accept_listed(self, new_turn: NewTurn) -> Accepted | Busy | Moved | Unknown:
        # Sent before the turn is: should this process die in between, another one finds it.
        listing = asyncio.create_task(self._list(new_turn.ref), name="list a turn")
        await asyncio.sleep(0)
        try:
            return await self._accept_patiently(new_turn)
        finally:
            await listing

    async def _list(self, ref: TurnRef) -> None:
        with contextlib.suppress(Unavailable):  # in a Cluster another node may be away than the one that counts
            await self._running_turns.add(ref)

    async def _accept_patiently(self, new_turn: NewTurn) -> Accepted | Busy | Moved | Unknown:
        """Asks again while the store does not answer: it may have taken the turn, and somebody has to run it then."""
        began_s = asyncio.get_running_loop().time()
        return await patiently(
            lambda: self._journal.accept(new_turn),
            lambda: self._commit.out_of_patience(began_s),
            WRITE_AGAIN_S,
            StoreUnavailable,
        )

    def _refuse_while_draining(self) -> None:
        if self._draining:
            raise Draining("shutting down")

    async def view(self, user: str, ref: TurnRef, after: Cursor = Cursor.START) -> Viewer | None:
        """A viewer of the turn, open at the cursor; None when the turn is over and nothing is missing."""
        job = self._tasks.job(ref, user)
        viewer = Viewer(
            ref,
            user,
            after,
            journal=self._journal,
            tails=self._tails,
            conversations=self._conversations,
            branches=self._branches,
            recover=self._recovery.recover,
            given=self._finalizer.end_given,
            running=job.record if job else None,
            owner_check_s=self._owner_check_s,
        )
        return viewer if await viewer.open() else None

    async def turn(self, user: str, ref: TurnRef) -> TurnView:
        """The turn as it stands now."""
        page = await self._journal.read(ref, user, Cursor.START)
        if page.state == "lost" and await self._recovery.recover(ref):
            page = await self._journal.read(ref, user, Cursor.START)
        if end := page.record.end:
            return TurnView(end.status, page.record)
        return TurnView("running", page.record, stopping=await self._journal.stopping(ref))

    async def context(self, ref: TurnRef, record: TurnRecord) -> ContextAccount:
        """What was sent to the model for a turn of the user's that was just read, and what was left out."""
        report, question = record.context, record.user_message_id
        length = report.path_length
        return report.expanded(await self._branches.ancestry(ref.conversation_id, question, length) if length else [])

    async def stop(self, user: str, ref: TurnRef) -> TurnView:
        """Ends a running reply and keeps what came of it; the turn as it then stands. Harmless when repeated."""
        deadline = asyncio.get_running_loop().time() + STOP_WAIT_S
        if job := self._tasks.job(ref, user):
            job.stop("stopped")  # at once, whether or not the store answers
            await self._tasks.ended(ref, STOP_WAIT_S)
        if not job or not job.reply:  # it was not ended in the store: whoever does so is to know
            asked = await self._ask_to_stop(user, ref)
            if asked.state == "running" and not job:
                await self._pubsub.tell(worker_channel(asked.worker), ref.turn_id)
            elif asked.state == "lost":
                await self._recovery.recover(ref)
        while (view := await self.turn(user, ref)).status == "running":
            if asyncio.get_running_loop().time() > deadline:
                return TurnView("running", view.record, stopping=True)
            await asyncio.sleep(STOP_LOOK_S)  # its worker, another one, hears of it with its next append or renewal
        if view.record.joinable:  # who stops a reply and asks the same again wants another one
            self._finalizer.end_given(ref)
        return view

    async def _ask_to_stop(self, user: str, ref: TurnRef) -> StopAsked:
        try:
            return await self._journal.stop(ref, user)
        except Unavailable:
            self._stops.add(ref, user)
            raise
