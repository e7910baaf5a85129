"""Turns that have lost their worker are taken care of, although nobody looks at them."""

import asyncio
import logging
from collections import defaultdict

from lianhua.chat.turn import TurnRef
from lianhua.errors import Unavailable
from lianhua.store.journal.leases import LEASE_S
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.running import RunningTurns
from lianhua.store.journal.values import Held
from lianhua.turns.finalize import Finalizer
from lianhua.turns.periodic import Intervals, every
from lianhua.turns.recovery import Recovery
from lianhua.turns.registry import TurnRegistry

logger = logging.getLogger(__name__)


class Sweeper:
    """A task from `start` to `stop` that looks at every turn which is listed as running."""

    def __init__(
        self,
        journal: TurnJournal,
        tasks: TurnRegistry,
        running_turns: RunningTurns,
        recovery: Recovery,
        finalizer: Finalizer,
        intervals: Intervals,
    ) -> None:
        self._journal = journal
        self._tasks = tasks
        self._running_turns = running_turns
        self._recovery = recovery
        self._finalizer = finalizer
        self._intervals = intervals
        self._chore: asyncio.Task[None] | None = None
        self._due_s: dict[TurnRef, float] = {}  # when to look at a listed turn again, by the loop's clock
        self._missing: set[TurnRef] = set()  # listed, but not there when last looked at

    def start(self) -> None:
        self._chore = asyncio.create_task(every(self._intervals.sweep_s, self._sweep), name="look for lost turns")

    async def stop(self) -> None:
        if self._chore:
            self._chore.cancel()
            await asyncio.wait([self._chore])

    async def worker_gone(self, worker: str) -> None:
        """A worker on this machine has died: its turns are taken care of now rather than when their leases run out."""
        try:
            await self._running_turns.expire(worker)
        except Unavailable as exc:
            logger.info("the turns of worker %s are met when their leases run out: %s", worker, exc)
        self._due_s.clear()

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
                self._due_s[ref] = clock() + self._intervals.forget_s
            else:
                self._missing.discard(ref)
                self._due_s[ref] = clock() + (found.seconds if isinstance(found, Held) else LEASE_S)

    async def _forget(self, ref: TurnRef) -> None:
        try:
            await self._finalizer.found_ended(ref)
            await self._running_turns.remove(ref)
        except Unavailable as exc:
            logger.info("a turn that has ended stays listed for now: %s", exc)
