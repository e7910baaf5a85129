"""The tasks that open and run turns: named, held, heard when they die, and ended at close."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from lianhua.chat.turn import TurnRef
from lianhua.errors import Overloaded, StoreUnavailable
from lianhua.metrics import TURNS_NOW
from lianhua.streams.commit import GroupCommit
from lianhua.turns.finalize import Finalizer
from lianhua.turns.runner import TurnRunner
from lianhua.turns.running import RunningTurn

logger = logging.getLogger(__name__)

RUNNING_TURNS: Final = 2_000  # what one worker's memory is planned for, at up to 2 MB a reply
OPEN_PATIENCE_S: Final = 8.0  # then the caller is asked to come back; what it asked for goes on
END_WAIT_S: Final = 2.0  # the last appends and ends of all turns, while the server shuts down

T = TypeVar("T")


class TurnRegistry:
    """Owns one task a turn, and one for each that is being opened."""

    def __init__(self, commit: GroupCommit, runner: TurnRunner, finalizer: Finalizer) -> None:
        self._commit = commit
        self._runner = runner
        self._finalizer = finalizer
        self._opening: set[asyncio.Task[Any]] = set()
        self._begun: set[asyncio.Task[Any]] = set()  # of those: their turn runs already
        self._running: dict[str, tuple[RunningTurn, asyncio.Task[None]]] = {}
        self._ending = False

    @property
    def jobs(self) -> list[RunningTurn]:
        """Every turn that runs in this process."""
        return [job for job, _ in self._running.values()]

    def job(self, ref: TurnRef, user: str) -> RunningTurn | None:
        """The user's turn, if it runs in this process."""
        job, _ = self._running.get(ref.turn_id, (None, None))
        return job if job and job.user == user and job.turn.ref == ref else None

    def runs(self, ref: TurnRef) -> bool:
        """Whether the turn runs in this process."""
        return ref.turn_id in self._running

    async def open(self, work: Coroutine[Any, Any, T]) -> T:
        """Lets `work`, which opens a turn, come to its end even if the caller goes away meanwhile.

        Raises what it raises, `Overloaded` when too much runs, `StoreUnavailable` when it takes too long.
        """
        if len(self._opening) - len(self._begun) + len(self._running) >= RUNNING_TURNS:
            work.close()
            raise Overloaded(f"{RUNNING_TURNS} turns are running")
        task = asyncio.create_task(work, name="open a turn")
        self._opening.add(task)
        task.add_done_callback(self._opened)
        try:
            return await asyncio.wait_for(asyncio.shield(task), OPEN_PATIENCE_S)
        except TimeoutError as exc:
            raise StoreUnavailable("a turn could not be opened in time") from exc

    def _opened(self, task: asyncio.Task[Any]) -> None:
        self._opening.discard(task)
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()  # the caller has it, or went away

    def run(self, job: RunningTurn) -> None:
        """Begins the reply."""
        ref = job.turn.ref
        if ref.turn_id in self._running:
            return  # never twice in one process
        if self._ending:
            job.stop("handed_over")
        self._commit.open(ref, job.turn.epoch, job.started)
        task = asyncio.create_task(self._run(job), name=f"turn {ref.turn_id}")
        self._running[ref.turn_id] = (job, task)
        TURNS_NOW.value = len(self._running)
        task.add_done_callback(lambda task: self._ran(ref, task))
        if (opening := asyncio.current_task()) in self._opening:
            self._begun.add(opening)

    def _ran(self, ref: TurnRef, task: "asyncio.Task[None]") -> None:
        if (entry := self._running.get(ref.turn_id)) and entry[1] is task:
            del self._running[ref.turn_id]
            TURNS_NOW.value = len(self._running)

    def stop(self, turn_id: str) -> None:
        """A stop of a turn was asked for, here or on another worker."""
        job, _ = self._running.get(turn_id, (None, None))
        if job:
            job.stop("stopped")

    async def ended(self, ref: TurnRef, timeout_s: float) -> None:
        """Waits until a turn no longer runs here, at most `timeout_s`."""
        if running := self._running.get(ref.turn_id):
            await asyncio.wait([running[1]], timeout=timeout_s)

    async def close(self, grace_s: float, hurry: asyncio.Event) -> None:
        """Gives turns `grace_s`, less when `hurry` is set, then ends them as `interrupted` with their text kept."""
        await self._empty(grace_s, hurry)
        self._ending = True  # what is still being opened ends as soon as it begins
        for job in self.jobs:
            job.stop("handed_over" if job.unseen else "server_stopping")
        await self._empty(END_WAIT_S, asyncio.Event())
        left = [*self._opening, *(task for _, task in self._running.values())]
        for task in left:
            task.cancel()
        if left:
            logger.error("%d turns could not be ended in order; they are sealed by their next reader", len(left))
            await asyncio.wait(left, timeout=END_WAIT_S)

    async def _empty(self, timeout_s: float, hurry: asyncio.Event) -> None:
        """Waits until nothing is opened or runs: a turn that is being opened becomes one that runs."""
        hurried = asyncio.create_task(hurry.wait(), name="hurry")
        deadline = asyncio.get_running_loop().time() + timeout_s
        while tasks := [*self._opening, *(task for _, task in self._running.values())]:
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0 or hurried.done():
                break
            await asyncio.wait([*tasks, hurried], timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()

    async def _run(self, job: RunningTurn) -> None:
        noted = asyncio.create_task(self._finalizer.note_start(job), name="note a turn")
        ended = False
        try:
            ended = await self._runner.run(job)  # the model is not kept waiting for the lists
        except Exception:
            logger.exception("turn %s: ended by a bug in Lianhua", job.turn.ref.turn_id)
        finally:
            await noted
        if ended:
            await self._finalizer.note_job(job)
