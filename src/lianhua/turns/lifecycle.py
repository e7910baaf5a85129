"""The life of the turns of one process: what goes on beside them is started, and all of it ends in order."""

import asyncio
from typing import Final

from lianhua.store.client.pubsub import PubSub
from lianhua.streams.commit import GroupCommit
from lianhua.streams.tail import Tails
from lianhua.turns.finalize import Finalizer
from lianhua.turns.leases import LeaseRenewal
from lianhua.turns.recovery import Recovery
from lianhua.turns.registry import TurnRegistry
from lianhua.turns.reservations import Reservations
from lianhua.turns.service import TurnService
from lianhua.turns.stops import PendingStops
from lianhua.turns.sweeper import Sweeper

RECOVERY_WAIT_S: Final = 2.0  # while the server shuts down


class Lifecycle:
    """`start` it once, `close` it once. `worker` is this process as the journal knows it."""

    def __init__(
        self,
        worker: str,
        turns: TurnService,
        commit: GroupCommit,
        tasks: TurnRegistry,
        stops: PendingStops,
        recovery: Recovery,
        tails: Tails,
        renewal: LeaseRenewal,
        sweeper: Sweeper,
        finalizer: Finalizer,
        pubsub: PubSub,
        reservations: Reservations | None = None,
    ) -> None:
        self.worker = worker
        self._turns = turns
        self._commit = commit
        self._tasks = tasks
        self._stops = stops
        self._recovery = recovery
        self._tails = tails
        self._renewal = renewal
        self._sweeper = sweeper
        self._finalizer = finalizer
        self._pubsub = pubsub
        self._reservations = reservations

    def start(self) -> None:
        self._pubsub.start()
        self._renewal.start()
        self._sweeper.start()
        if self._reservations:
            self._reservations.start(lambda: self._tasks.jobs)

    async def worker_gone(self, worker: str) -> None:
        """Another process is known to have died, the one of that name."""
        await self._sweeper.worker_gone(worker)

    @property
    def draining(self) -> bool:
        return self._turns.draining

    def drain(self) -> None:
        """From now on new turns are refused with `Draining`; running ones go on."""
        self._turns.drain()
        self._recovery.drain()

    async def close(self, grace_s: float, hurry: asyncio.Event) -> None:
        """Gives turns `grace_s`, less when `hurry` is set, then ends them as `interrupted` with their text kept."""
        self.drain()
        await asyncio.gather(self._recovery.close(RECOVERY_WAIT_S), self._tasks.close(grace_s, hurry))
        await self._stops.close()
        await self._finalizer.stop()
        await self._renewal.stop()
        await self._sweeper.stop()
        if self._reservations:
            await self._reservations.stop()
        await self._tails.stop()
        await self._pubsub.stop()
        await self._commit.stop()
