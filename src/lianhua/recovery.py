"""What becomes of a turn whose worker was lost: run again where nothing of it was shown, else its text is kept."""

import asyncio
import logging
import time
from typing import Final, Literal

from lianhua.errors import ConversationNotFound, LianhuaError, Unavailable
from lianhua.job import Job
from lianhua.planner import TurnPlanner
from lianhua.runner import TurnRunner
from lianhua.store.conversations import ConversationStore
from lianhua.store.journal import Claim, Held, TurnJournal
from lianhua.tasks import TurnTasks
from lianhua.turn import TurnRef

logger = logging.getLogger(__name__)

RERUNS: Final = 2  # a turn that has taken three workers down with it is left alone
BUSY: Final = Held(1.0)  # this process takes no work now; others may

OnLoss = Literal["interrupt", "continue"]


class Recovery:
    """Claims lost turns. `reply_s`: a question older than the longest reply is not asked again, nobody waits for it."""

    def __init__(
        self,
        journal: TurnJournal,
        conversations: ConversationStore,
        planner: TurnPlanner,
        runner: TurnRunner,
        tasks: TurnTasks,
        on_loss: OnLoss,
        reply_s: float,
    ) -> None:
        self._journal = journal
        self._conversations = conversations
        self._planner = planner
        self._runner = runner
        self._tasks = tasks
        self._on_loss = on_loss
        self._reply_s = reply_s
        self._under_way: dict[str, asyncio.Task[Held | None]] = {}
        self._draining = False

    def drain(self) -> None:
        """From now on lost turns are left to other workers."""
        self._draining = True

    async def close(self) -> None:
        """Waits for what is under way."""
        if tasks := list(self._under_way.values()):
            await asyncio.wait(tasks)

    async def recover(self, ref: TurnRef) -> bool:
        """Takes care of a turn if it is lost; False while somebody holds it or the store does not answer."""
        try:
            return await self.look(ref) is None
        except Unavailable:
            return False

    async def look(self, ref: TurnRef) -> Held | None:
        """Takes care of a turn if it is lost. `Held` says who else has it and for how long; None that there is nothing
        to do.

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

    def _looked(self, ref: TurnRef, task: "asyncio.Task[Held | None]") -> None:
        self._under_way.pop(ref.turn_id, None)
        if not task.cancelled():
            task.exception()  # whoever asked has it

    async def _look(self, ref: TurnRef) -> Held | None:
        claim = await self._journal.claim(ref)
        if not isinstance(claim, Claim):
            return claim
        logger.warning("turn %s: taken over, it has lost %d workers", ref.turn_id, claim.losses)
        job = await self._again(ref, claim)
        if job is None:
            await self._runner.seal(ref, claim)
            await self._tasks.note_end(ref, claim.owner)
        else:
            self._tasks.run(job)
        return None

    async def _again(self, ref: TurnRef, claim: Claim) -> Job | None:
        """The job, where the turn is to be run once more."""
        if claim.stopped or claim.losses > RERUNS or (claim.text and self._on_loss == "interrupt"):
            return None
        if time.time() - (claim.record.started_at or 0) > self._reply_s:
            return None
        try:
            question_id = claim.record.user_message_id
            question = await self._conversations.message(ref.conversation_id, claim.owner, question_id)
            if question is None:
                return None
            window = self._planner.window_messages
            before = await self._conversations.messages_before(ref.conversation_id, claim.owner, question, window)
            return self._planner.again(ref, claim, question, before)
        except (Unavailable, ConversationNotFound):
            raise
        except LianhuaError as exc:  # its model is not known here, or its window has become too small
            logger.warning("turn %s: cannot be run again: %s", ref.turn_id, exc.code)
            return None
