"""What becomes of a turn whose worker was lost: run again where nothing of it was shown, else its text is kept."""

import asyncio
import logging
import time
from typing import Final, Literal

import msgspec

from lianhua.chat.continuation import NOTHING, Continuation
from lianhua.chat.messages import Usage
from lianhua.chat.turn import TurnRef
from lianhua.errors import LianhuaError, Unavailable
from lianhua.store.client.retry import WRITE_AGAIN_S, after, patiently
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.journal.values import Claim, Held
from lianhua.store.messages import MessageStore
from lianhua.streams.commit import STORE_PATIENCE_S
from lianhua.turns.finalize import Finalizer
from lianhua.turns.personas import AvailablePersonas
from lianhua.turns.planner import TurnPlanner
from lianhua.turns.registry import TurnRegistry
from lianhua.turns.reservations import Reservations
from lianhua.turns.running import RunningTurn
from lianhua.turns.stops import PendingStops
from lianhua.turns.writer import TurnWriter

logger = logging.getLogger(__name__)

RERUNS: Final = 2  # a turn that has taken three workers down with it is left alone
BUSY: Final = Held(1.0)  # this process takes no work now; others may

OnLoss = Literal["interrupt", "continue"]


class Recovery:
    """Claims lost turns. `reply_s`: a question older than the longest reply is not asked again, nobody waits for it."""

    def __init__(
        self,
        journal: TurnJournal,
        branches: MessageStore,
        roles: AvailablePersonas,
        planner: TurnPlanner,
        writer: TurnWriter,
        tasks: TurnRegistry,
        finalizer: Finalizer,
        running_turns: RunningTurns,
        stops: PendingStops,
        on_loss: OnLoss,
        reply_s: float,
        reservations: Reservations | None = None,
    ) -> None:
        self._journal = journal
        self._branches = branches
        self._roles = roles
        self._planner = planner
        self._writer = writer
        self._tasks = tasks
        self._finalizer = finalizer
        self._running_turns = running_turns
        self._stops = stops
        self._on_loss = on_loss
        self._reply_s = reply_s
        self._reservations = reservations
        self._under_way: dict[str, asyncio.Task[Held | Literal["taken", "ended"]]] = {}
        self._draining = False

    def drain(self) -> None:
        """From now on lost turns are left to other workers."""
        self._draining = True

    async def close(self, timeout_s: float) -> None:
        """Waits for what is under way, and gives it up after `timeout_s`: a claim runs out by itself."""
        if tasks := list(self._under_way.values()):
            _, late = await asyncio.wait(tasks, timeout=timeout_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    async def recover(self, ref: TurnRef) -> bool:
        """Takes care of a turn if it is lost; False while a worker holds it or the store does not answer."""
        try:
            return not isinstance(await self.look(ref), Held)
        except Unavailable:
            return False

    async def look(self, ref: TurnRef) -> Held | Literal["taken", "ended"]:
        """Takes care of a turn if it is lost: `taken` when it runs here from now on. `Held` says that somebody else
        has it.

        Raises `StoreUnavailable`, `Overloaded`.
        """
        if self._draining or self._tasks.runs(ref):  # what runs here finds out by itself
            return BUSY
        task = self._under_way.get(ref.turn_id)
        if task is None:
            # A task of its own: the viewer who noticed may go away, and what was claimed has to be seen through.
            task = asyncio.create_task(self._look(ref), name=f"recover turn {ref.turn_id}")
            self._under_way[ref.turn_id] = task
            task.add_done_callback(lambda task: self._looked(ref, task))
        return await asyncio.shield(task)

    def _looked(self, ref: TurnRef, task: "asyncio.Task[Held | Literal['taken', 'ended']]") -> None:
        self._under_way.pop(ref.turn_id, None)
        if not task.cancelled():
            task.exception()  # whoever asked has it

    async def _look(self, ref: TurnRef) -> Held | Literal["taken", "ended"]:
        claim = await self._journal.claim(ref)
        if isinstance(claim, Held):
            return claim
        if claim is None:
            return "ended"
        if self._stops.wants(ref):
            claim = msgspec.structs.replace(claim, stopped=True)
        logger.warning("turn %s: taken over, it has lost %d workers", ref.turn_id, claim.losses)
        # When patience is over our claim runs out, and another worker looks at it.
        return await patiently(lambda: self._take_over(ref, claim), after(STORE_PATIENCE_S), WRITE_AGAIN_S)

    async def _take_over(self, ref: TurnRef, claim: Claim) -> Literal["taken", "ended"]:
        await self._running_turns.add(ref)  # should this process die too, or its former worker have taken it out
        if job := await self._again(ref, claim):
            self._tasks.run(job)
            return "taken"
        reply = await self._writer.seal(ref, claim, await self._usage(ref, claim))
        await self._finalizer.note_end(ref, claim.owner, reply)
        return "ended"

    async def _usage(self, ref: TurnRef, claim: Claim) -> Usage | None:
        """What a turn has cost that nobody can be asked about any more; None where the model had said nothing."""
        record, goes_on = claim.record, NOTHING
        if record.continues:
            cut = await self._branches.message(ref.conversation_id, claim.owner, record.continues)
            goes_on = Continuation.of(cut) if cut else NOTHING
        text, reasoning = goes_on.added(claim.text, claim.reasoning)
        if not text and not reasoning:
            return None
        count = self._planner.counter(record.model)
        tokens = count(text) + count(reasoning)
        return Usage(claim.record.context.used_tokens, tokens, estimated=True)

    async def _again(self, ref: TurnRef, claim: Claim) -> RunningTurn | None:
        """The job, where the turn is to be run once more."""
        if claim.stopped or claim.losses > RERUNS:
            return None
        if time.time() - (claim.record.started_at or 0) > self._reply_s:
            return None
        name, owner, record = ref.conversation_id, claim.owner, claim.record
        try:
            cut = await self._branches.message(name, owner, record.continues) if record.continues else None
            if record.continues and cut is None:
                return None
            shown = claim.text and (cut is None or claim.text != cut.content)
            question = await self._branches.message(name, owner, record.user_message_id)
            if question is None or (shown and self._on_loss == "interrupt"):
                return None
            window = await self._branches.window(name, owner, self._planner.window_messages, before=question.id)
            persona = await self._roles.get_or_default(owner, record.persona)
            job = self._planner.again(ref, claim, persona, question, window, cut)
            if self._reservations:
                await self._reservations.reserve_again(job)
            return job
        except Unavailable:
            raise
        except LianhuaError as exc:  # its model is not known here, its window is too small, its reservation is gone
            logger.warning("turn %s: cannot be run again: %s", ref.turn_id, exc.code)
            return None
