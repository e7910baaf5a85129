"""The chat service: starts turns, follows them, stops them. It owns every task that runs one."""

import asyncio
import contextlib
import secrets
import uuid
from typing import Final

from msgspec import Struct

from lianhua.chat.events import Cursor
from lianhua.chat.messages import ContextAccount, Conversation, TurnStatus
from lianhua.chat.personas import DEFAULT_ROLE
from lianhua.chat.turn import TurnRecord, TurnRef
from lianhua.errors import (
    ConversationNotFound,
    Draining,
    Overloaded,
    StoreUnavailable,
    TurnInProgress,
    TurnNotFound,
    Unavailable,
)
from lianhua.store.changes import Change, Changes
from lianhua.store.client.keys import worker_channel
from lianhua.store.client.pubsub import PubSub
from lianhua.store.conversations import ConversationPage, ConversationStore
from lianhua.store.journal.log import FROM_START, Accepted, Busy, Moved, NewTurn, StopAsked, TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.messages import Branches, MessagePage, Placed
from lianhua.store.preferences import NOTHING_PREFERRED, PreferenceStore
from lianhua.streams.changes import Feed
from lianhua.streams.commit import RETRY_S, GroupCommit
from lianhua.streams.tail import Tails
from lianhua.streams.viewer import Viewer
from lianhua.turns.finalize import Finalizer, title_token
from lianhua.turns.leases import Upkeep
from lianhua.turns.personas import Roles
from lianhua.turns.planner import Ask, Plan, TurnPlanner, new_id
from lianhua.turns.recovery import Recovery
from lianhua.turns.registry import TurnTasks
from lianhua.turns.request import Target, find_target
from lianhua.turns.stops import UnheardStops

ACCEPT_TRIES: Final = 5
RECOVERY_WAIT_S: Final = 2.0  # while the server shuts down
STOP_WAIT_S: Final = 2.0
STOP_LOOK_S: Final = 0.05


class TurnView(Struct, frozen=True):
    """A turn as it stands. `stopping`: it was asked to stop, and ends as soon as the store takes its end."""

    status: TurnStatus
    record: TurnRecord
    stopping: bool = False


class ChatService:
    """Every call names the user it is for, and meets only what is that user's. Raises what `errors` lists."""

    def __init__(
        self,
        conversations: ConversationStore,
        branches: Branches,
        roles: Roles,
        preferences: PreferenceStore,
        journal: TurnJournal,
        commit: GroupCommit,
        planner: TurnPlanner,
        tasks: TurnTasks,
        running_turns: RunningTurns,
        stops: UnheardStops,
        recovery: Recovery,
        tails: Tails,
        pubsub: PubSub,
        changes: Changes,
        upkeep: Upkeep,
        finalizer: Finalizer,
    ) -> None:
        self.catalog = planner.catalog
        self.roles = roles
        self.preferences = preferences
        self._conversations = conversations
        self._branches = branches
        self._journal = journal
        self._commit = commit
        self._planner = planner
        self._tasks = tasks
        self._running_turns = running_turns
        self._stops = stops
        self._recovery = recovery
        self._tails = tails
        self._pubsub = pubsub
        self._changes = changes
        self._upkeep = upkeep
        self._finalizer = finalizer
        self._draining = False

    # Its own life

    def start_up(self) -> None:
        self._pubsub.start()
        self._upkeep.start()

    @property
    def worker(self) -> str:
        """This process as the journal knows it."""
        return self._journal.worker

    async def worker_gone(self, worker: str) -> None:
        """Another process is known to have died, the one of that name."""
        await self._upkeep.worker_gone(worker)

    @property
    def draining(self) -> bool:
        return self._draining

    def drain(self) -> None:
        """From now on new turns are refused with `Draining`; running ones go on."""
        self._draining = True
        self._recovery.drain()

    async def close(self, grace_s: float, hurry: asyncio.Event) -> None:
        """Gives turns `grace_s`, less when `hurry` is set, then ends them as `interrupted` with their text kept."""
        self.drain()
        await asyncio.gather(self._recovery.close(RECOVERY_WAIT_S), self._tasks.close(grace_s, hurry))
        await self._stops.close()
        await self._finalizer.stop()
        await self._upkeep.stop()
        await self._tails.stop()
        await self._pubsub.stop()
        await self._commit.stop()

    # Conversations

    async def create(self, user: str, role: str | None, model: str | None, title: str = "") -> Conversation:
        """A new conversation. Where no persona or model is named, with what the user prefers, else with the server's
        default.
        """
        preferred = await self.preferences.get(user) if role is None or model is None else NOTHING_PREFERRED
        if role is not None:
            persona = await self.roles.get(user, role)
        else:
            persona = await self.roles.get_or_default(user, preferred.default_role or DEFAULT_ROLE)
        if model is not None:
            self.catalog.get(model)
        elif persona.model not in self.catalog and preferred.default_model in self.catalog:
            model = preferred.default_model  # the persona's own goes before what is preferred for all of them
        conversation = await self._conversations.create(str(uuid.uuid4()), user, persona.id, model, title)
        if title:
            await self._finalizer.index(conversation.id, user, {title_token(title): title})
        return conversation

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
            fields["role"] = (await self.roles.get(user, role)).id
        if model is not None:
            fields["model"] = self.catalog.get(model).info.id if model else ""
        if pinned is not None:
            fields["pinned"] = "1" if pinned else "0"
        conversation = await self._conversations.update(conversation_id, user, fields)
        if title is not None:
            await self._finalizer.index(conversation_id, user, {title_token(title): title})
        return conversation

    async def page(self, user: str, before: str | None, limit: int) -> ConversationPage:
        return await self._conversations.page(user, before, limit)

    async def messages(self, user: str, conversation_id: str, before: str | None, limit: int) -> MessagePage:
        return await self._branches.page(conversation_id, user, before, limit)

    async def switch_branch(self, user: str, conversation_id: str, message_id: str) -> Conversation:
        """Makes the branch of a message the current one. Raises `InvalidRequest` when there is no such message."""
        await self._branches.switch(conversation_id, user, message_id)
        return await self._conversations.touch(conversation_id, user, Change(conversation_id, "changed"))

    async def pin_message(self, user: str, conversation_id: str, message_id: str, *, pinned: bool) -> Placed:
        """A pinned message is kept as long as its conversation, and is in every prompt of its branch. Raises
        `InvalidRequest`.
        """
        placed = await self._branches.pin(conversation_id, user, message_id, pinned=pinned)
        await self._conversations.touch(conversation_id, user, Change(conversation_id, "changed"))
        return placed

    async def erase(self, user: str, conversation_id: str, *, keep_conversation: bool) -> None:
        """Stops a running reply and removes every text; unless `keep_conversation`, the conversation too.

        Deleting what was deleted within the last day is harmless: the answer may have been lost.
        """
        try:
            await self._erase(user, conversation_id, keep_conversation=keep_conversation)
        except ConversationNotFound:
            if keep_conversation or not await self._conversations.was_deleted(conversation_id, user):
                raise
            await self._conversations.finish_deletion(conversation_id, user)

    async def _erase(self, user: str, conversation_id: str, *, keep_conversation: bool) -> None:
        conversation = await self._conversations.get(conversation_id, user)
        self._finalizer.forget(conversation_id)
        if conversation.running_turn_id:
            with contextlib.suppress(TurnNotFound):  # somebody else erases it too
                await self.stop(user, TurnRef(conversation_id, conversation.running_turn_id))
        await self._conversations.erase(conversation_id, user, keep_conversation=keep_conversation)

    async def feed(self, user: str, last: str | None) -> Feed:
        """What happens to the user's conversations after the change `last`; with None, from now on."""
        feed = Feed(user, last, self._changes, self._pubsub)
        await feed.open()
        return feed

    # Turns

    def new_key(self) -> str:
        """An idempotency key that nobody else has, for a caller that brings none."""
        return secrets.token_hex(16)

    async def start(self, user: str, conversation_id: str, ask: Ask) -> Accepted:
        """Opens a turn and begins the reply. The same key and body again: the same turn.

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
        self._refuse_while_draining()
        return await self._tasks.open(self._open(user, conversation_id, ask))

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
            persona = await self.roles.get(user, ask.role)
        else:
            persona = await self.roles.get_or_default(user, conversation.role)
        target = await find_target(self._branches, conversation.id, user, ask.act)
        return self._planner.begin(ask, conversation, ref, persona, target), target

    async def _open(self, user: str, conversation_id: str, ask: Ask) -> Accepted | Busy:
        conversation = await self._conversations.get(conversation_id, user)
        ref = TurnRef(conversation_id, new_id())
        plan, target = await self._plan(user, conversation, ref, ask)
        for _ in range(ACCEPT_TRIES):
            reading = target.window(self._branches, conversation_id, user, self._planner.window_messages)
            # Listed before it is accepted: should this process die in between, another one finds the turn.
            window, _ = await asyncio.gather(reading, self._list(ref))
            job, new_turn = plan(window)
            self._refuse_while_draining()
            answer = await self._accept_patiently(new_turn)
            match answer:
                case Accepted(repeated=False):
                    self._tasks.run(job)
                    return answer
                case Accepted():
                    return answer
                case Busy(lost=True):
                    await self._recovery.recover(TurnRef(conversation_id, answer.turn_id))
                case Busy():
                    return answer
        raise Overloaded("the conversation changes faster than a prompt can be made")

    async def _list(self, ref: TurnRef) -> None:
        with contextlib.suppress(Unavailable):  # in a Cluster another node may be away than the one that counts
            await self._running_turns.add(ref)

    async def _accept_patiently(self, new_turn: NewTurn) -> Accepted | Busy | Moved:
        """Asks again while the store does not answer: it may have taken the turn, and somebody has to run it then."""
        began_s = asyncio.get_running_loop().time()
        while True:
            try:
                return await self._journal.accept(new_turn)
            except StoreUnavailable:
                if self._commit.out_of_patience(began_s):
                    raise
                await asyncio.sleep(RETRY_S)

    def _refuse_while_draining(self) -> None:
        if self._draining:
            raise Draining("shutting down")

    async def view(self, user: str, ref: TurnRef, after: Cursor = FROM_START) -> Viewer | None:
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
        )
        return viewer if await viewer.open() else None

    async def turn(self, user: str, ref: TurnRef) -> TurnView:
        """The turn as it stands now."""
        page = await self._journal.read(ref, user, FROM_START)
        if page.state == "lost" and await self._recovery.recover(ref):
            page = await self._journal.read(ref, user, FROM_START)
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
