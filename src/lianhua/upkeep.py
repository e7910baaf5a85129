"""What is done every so often: leases are renewed, and lost turns are sealed although nobody looks at them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from lianhua.errors import Unavailable
from lianhua.relay import COMMIT_EVENTS
from lianhua.runner import TurnRunner
from lianhua.store.journal import TurnJournal
from lianhua.store.running import RunningTurns
from lianhua.tasks import TurnTasks

logger = logging.getLogger(__name__)

RENEW_S: Final = 1.0  # how late a stop from another worker is heard of; far below the lease of 15 s
SWEEP_S: Final = 5.0  # a lost turn is sealed at the latest so long after its lease


class Upkeep:
    """Two tasks from `start` to `stop`."""

    def __init__(self, journal: TurnJournal, runner: TurnRunner, tasks: TurnTasks, running_turns: RunningTurns) -> None:
        self._journal = journal
        self._runner = runner
        self._tasks = tasks
        self._running_turns = running_turns
        self._chores: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._chores = [
            asyncio.create_task(_every(RENEW_S, self._renew), name="renew leases"),
            asyncio.create_task(_every(SWEEP_S, self._sweep), name="seal lost turns"),
        ]

    async def stop(self) -> None:
        for chore in self._chores:
            chore.cancel()
        if self._chores:
            await asyncio.wait(self._chores)

    async def _renew(self) -> None:
        jobs = self._tasks.jobs
        for some in (jobs[start : start + COMMIT_EVENTS] for start in range(0, len(jobs), COMMIT_EVENTS)):
            fates = await self._journal.renew([(job.turn.ref, job.turn.epoch) for job in some])
            for job, fate in zip(some, fates, strict=True):
                if fate == "stop":
                    job.stop("stopped")
                elif fate in ("ended", "fenced"):
                    job.stop("gone")

    async def _sweep(self) -> None:
        here = {job.turn.ref for job in self._tasks.jobs}
        for ref in await self._running_turns.all():
            if ref in here:
                continue
            try:
                if await self._runner.seal(ref):
                    await self._running_turns.remove(ref)
            except Unavailable:
                raise
            except Exception:
                logger.exception("turn %s cannot be sealed", ref.turn_id)  # the ones after it can


async def _every(seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await chore()
        except Unavailable as exc:
            logger.info("the store is away: %s", exc)
        except Exception:
            logger.exception("a chore failed and is tried again in %.0f s", seconds)
