"""What is done every so often: leases are renewed, and lost turns are taken care of although nobody looks at them."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, Final

from msgspec import Struct

from lianhua.chat.turn import TurnRef
from lianhua.errors import Unavailable
from lianhua.store.client.keys import worker_channel
from lianhua.store.client.pubsub import PubSub
from lianhua.store.journal.leases import LEASE_S
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.journal.values import Fate, Held, Renewed
from lianhua.streams.commit import COMMIT_EVENTS, GroupCommit
from lianhua.turns.finalize import Finalizer
from lianhua.turns.recovery import Recovery
from lianhua.turns.registry import TurnRegistry
from lianhua.turns.running import Job
from lianhua.turns.writer import TurnWriter

logger = logging.getLogger(__name__)

# How late a stop from another worker is heard of when its hint is lost; far below the lease of 15 s.
RENEW_S: Final = 1.0  # at most, from one append or renewal to the next
SWEEP_S: Final = 1.0  # a lost turn is met at the latest so long after its lease
# A turn is listed a moment before it is accepted. One that is still not there after so long never was, or has ended.
FORGET_S: Final = LEASE_S


class UpkeepTimes(Struct, frozen=True):
    """How often, in seconds: leases are renewed, lost turns looked for, and a listed turn that has ended looked at
    again before it is taken off the list.
    """

    renew_s: float = RENEW_S
    sweep_s: float = SWEEP_S
    forget_s: float = FORGET_S


class Upkeep:
    """Tasks from `start` to `stop`."""

    def __init__(
        self,
        journal: TurnJournal,
        commit: GroupCommit,
        writer: TurnWriter,
        tasks: TurnRegistry,
        running_turns: RunningTurns,
        recovery: Recovery,
        finalizer: Finalizer,
        pubsub: PubSub,
        times: UpkeepTimes = UpkeepTimes(),  # noqa: B008  frozen
    ) -> None:
        self._journal = journal
        self._times = times
        self._commit = commit
        self._writer = writer
        self._tasks = tasks
        self._running_turns = running_turns
        self._recovery = recovery
        self._finalizer = finalizer
        self._pubsub = pubsub
        self._listening = ExitStack()
        self._chores: list[asyncio.Task[None]] = []
        self._renewing: dict[str, asyncio.Task[Any]] = {}
        self._due_s: dict[TurnRef, float] = {}  # when to look at a listed turn again, by the loop's clock
        self._missing: set[TurnRef] = set()  # listed, but not there when last looked at

    def start(self) -> None:
        channel = worker_channel(self._journal.worker)
        self._listening.enter_context(self._pubsub.listen(channel, self._hear))
        self._chores = [
            asyncio.create_task(_every(self._times.renew_s / 2, self._renew), name="renew leases"),
            asyncio.create_task(_every(self._times.sweep_s, self._sweep), name="look for lost turns"),
        ]

    async def stop(self) -> None:
        self._listening.close()
        chores = [*self._chores, *self._renewing.values()]
        for chore in chores:
            chore.cancel()
        if chores:
            await asyncio.wait(chores)

    async def worker_gone(self, worker: str) -> None:
        """A worker on this machine has died: its turns are taken care of now rather than when their leases run out."""
        try:
            await self._running_turns.expire(worker)
        except Unavailable as exc:
            logger.info("the turns of worker %s are met when their leases run out: %s", worker, exc)
        self._due_s.clear()

    def _hear(self, hint: bytes) -> None:
        """A hint names a turn that is to stop. One that was lost is made good by the next renewal."""
        self._tasks.stop(hint.decode())

    async def _renew(self) -> None:
        """Each server of the store by itself: one that is away keeps only its own turns waiting."""
        lanes: defaultdict[str, list[Job]] = defaultdict(list)
        now = asyncio.get_running_loop().time()
        self._commit.awake.look()
        for job in self._tasks.jobs:
            if self._commit.out_of_patience(job.renewed_at_s):
                job.stop("gone")  # its lease may be another worker's by now
            elif now - job.renewed_at_s >= self._times.renew_s / 2:  # else its latest append has renewed it
                lanes[self._journal.lane(job.turn.ref)].append(job)
        for lane, jobs in lanes.items():
            if lane not in self._renewing:
                task = asyncio.create_task(self._renew_lane(jobs), name=f"renew leases {lane}")
                self._renewing[lane] = task
                task.add_done_callback(lambda task, lane=lane: self._renewed(lane, task))  # type: ignore[misc]

    def _renewed(self, lane: str, task: "asyncio.Task[None]") -> None:
        del self._renewing[lane]
        if not task.cancelled() and (error := task.exception()):
            logger.error("leases could not be renewed", exc_info=error)

    async def _renew_lane(self, jobs: list[Job]) -> None:
        for some in (jobs[start : start + COMMIT_EVENTS] for start in range(0, len(jobs), COMMIT_EVENTS)):
            began = asyncio.get_running_loop().time()
            had = [job.acknowledged for job in some]
            answers = await self._journal.renew([(job.turn.ref, job.turn.epoch) for job in some])
            for job, acknowledged, answer in zip(some, had, answers, strict=True):
                if isinstance(answer, Renewed):
                    expected = acknowledged.event.cursor.seq if acknowledged else 0
                    self._act(job, answer, expected, began)

    def _act(self, job: Job, renewed: Renewed, expected_seq: int, began_s: float) -> None:
        if renewed.fate in ("ended", "fenced"):
            job.stop("gone")
            return
        if renewed.fate == "behind" or (renewed.seq is not None and renewed.seq < expected_seq):
            self._put_back(job)
            return
        job.renewed_at_s = max(job.renewed_at_s, began_s)
        if renewed.fate == "stop":
            job.stop("stopped")

    def _put_back(self, job: Job) -> None:
        """In a task of its own: the leases of the others do not wait for it."""
        name = f"put back turn {job.turn.ref.turn_id}"
        if name not in self._renewing:
            task = asyncio.create_task(self._writer.put_back(job), name=name)
            self._renewing[name] = task
            task.add_done_callback(lambda task: self._has_put_back(job, task))

    def _has_put_back(self, job: Job, task: "asyncio.Task[Fate]") -> None:
        del self._renewing[task.get_name()]
        if not task.cancelled() and (error := task.exception()):
            logger.warning("turn %s: cannot be put back: %s", job.turn.ref.turn_id, error)
            job.stop("gone")

    async def _sweep(self) -> None:
        listed = set(await self._running_turns.all())
        self._due_s = {ref: due for ref, due in self._due_s.items() if ref in listed}
        self._missing &= listed
        now = asyncio.get_running_loop().time()
        lanes: defaultdict[str, list[TurnRef]] = defaultdict(list)
        for ref in listed:
            if self._due_s.get(ref, 0) <= now and not self._tasks.runs(ref):
                lanes[self._journal.lane(ref)].append(ref)
        await asyncio.gather(*(self._look_at(refs) for refs in lanes.values()))

    async def _look_at(self, refs: list[TurnRef]) -> None:
        """Looks at the turns of one server. While it is away the others' are looked at all the same."""
        clock = asyncio.get_running_loop().time
        for ref in refs:
            try:
                found = await self._recovery.look(ref)
            except Unavailable as exc:
                logger.info("the store is away: %s", exc)
                return
            except Exception:
                logger.exception("turn %s cannot be recovered", ref.turn_id)  # the ones after it can
                self._due_s[ref] = clock() + LEASE_S
                continue
            if found == "ended" and ref in self._missing:
                await self._forget(ref)
            elif found == "ended":
                self._missing.add(ref)
                self._due_s[ref] = clock() + self._times.forget_s
            else:
                self._missing.discard(ref)
                self._due_s[ref] = clock() + (found.seconds if isinstance(found, Held) else LEASE_S)

    async def _forget(self, ref: TurnRef) -> None:
        try:
            await self._finalizer.found_ended(ref)
            await self._running_turns.remove(ref)
        except Unavailable as exc:
            logger.info("a turn that has ended stays listed for now: %s", exc)


async def _every(seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await chore()
        except Unavailable as exc:
            logger.info("the store is away: %s", exc)
        except Exception:
            logger.exception("a chore failed and is tried again in %.0f s", seconds)
