"""The leases of the turns that run here are renewed, and what comes back with them is acted on."""

import asyncio
import logging
from collections import defaultdict
from contextlib import ExitStack
from typing import Any

from lianhua.store.client.keys import worker_channel
from lianhua.store.client.pubsub import PubSub
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import Fate, Renewed
from lianhua.streams.commit import COMMIT_EVENTS, GroupCommit
from lianhua.turns.periodic import Intervals, every
from lianhua.turns.registry import TurnRegistry
from lianhua.turns.running import RunningTurn
from lianhua.turns.writer import TurnWriter

logger = logging.getLogger(__name__)


class LeaseRenewal:
    """Tasks from `start` to `stop`. Hears as well which turns other workers were asked to stop."""

    def __init__(
        self,
        journal: TurnJournal,
        commit: GroupCommit,
        writer: TurnWriter,
        tasks: TurnRegistry,
        pubsub: PubSub,
        intervals: Intervals,
    ) -> None:
        self._journal = journal
        self._commit = commit
        self._writer = writer
        self._tasks = tasks
        self._pubsub = pubsub
        self._interval_s = intervals.renew_s / 2
        self._listening = ExitStack()
        self._chore: asyncio.Task[None] | None = None
        self._renewing: dict[str, asyncio.Task[Any]] = {}

    def start(self) -> None:
        channel = worker_channel(self._journal.worker)
        self._listening.enter_context(self._pubsub.listen(channel, self._hear))
        self._chore = asyncio.create_task(every(self._interval_s, self._renew), name="renew leases")

    async def stop(self) -> None:
        self._listening.close()
        tasks = [*([self._chore] if self._chore else []), *self._renewing.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _hear(self, hint: bytes) -> None:
        """A hint names a turn that is to stop. One that was lost is made good by the next renewal."""
        self._tasks.stop(hint.decode())

    async def _renew(self) -> None:
        """Each server of the store by itself: one that is away keeps only its own turns waiting."""
        lanes: defaultdict[str, list[RunningTurn]] = defaultdict(list)
        now = asyncio.get_running_loop().time()
        self._commit.awake.look()
        for job in self._tasks.jobs:
            if self._commit.out_of_patience(job.renewed_at_s):
                job.stop("gone")  # its lease may be another worker's by now
            elif now - job.renewed_at_s >= self._interval_s:  # else its latest append has renewed it
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

    async def _renew_lane(self, jobs: list[RunningTurn]) -> None:
        for some in (jobs[start : start + COMMIT_EVENTS] for start in range(0, len(jobs), COMMIT_EVENTS)):
            began = asyncio.get_running_loop().time()
            had = [job.acknowledged for job in some]
            answers = await self._journal.renew([(job.turn.ref, job.turn.epoch) for job in some])
            for job, acknowledged, answer in zip(some, had, answers, strict=True):
                if isinstance(answer, Renewed):
                    expected = acknowledged.event.cursor.seq if acknowledged else 0
                    self._act(job, answer, expected, began)

    def _act(self, job: RunningTurn, renewed: Renewed, expected_seq: int, began_s: float) -> None:
        if renewed.fate in ("ended", "fenced"):
            job.stop("gone")
            return
        if renewed.fate == "behind" or (renewed.seq is not None and renewed.seq < expected_seq):
            self._put_back(job)
            return
        job.renewed_at_s = max(job.renewed_at_s, began_s)
        if renewed.fate == "stop":
            job.stop("stopped")

    def _put_back(self, job: RunningTurn) -> None:
        """In a task of its own: the leases of the others do not wait for it."""
        name = f"put back turn {job.turn.ref.turn_id}"
        if name not in self._renewing:
            task = asyncio.create_task(self._writer.put_back(job), name=name)
            self._renewing[name] = task
            task.add_done_callback(lambda task: self._has_put_back(job, task))

    def _has_put_back(self, job: RunningTurn, task: "asyncio.Task[Fate]") -> None:
        del self._renewing[task.get_name()]
        if not task.cancelled() and (error := task.exception()):
            logger.warning("turn %s: cannot be put back: %s", job.turn.ref.turn_id, error)
            job.stop("gone")
