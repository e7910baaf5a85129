"""A small real system: worker processes on one store, users who talk with them, and the history of it all."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import aiohttp

from tests.chaos.history import Accepted, History, Logged, Struck, now
from tests.chaos.resources import Footprint, footprint_of, grown
from tests.chaos.script import STEADY, Talk, write_script
from tests.chaos.store_view import Running, StoreView
from tests.chaos.stores import OpenStore, Store, one_valkey
from tests.chaos.users import Habits, Person, Town
from tests.chaos.worker import Worker

# Three losses in a row, each of a lease and a sweep, and time for what comes after.
FINISH_TIMEOUT_S = 120.0
QUIET_TIMEOUT_S = 40.0
READ_TIMEOUT_S = 60.0
POLL_S = 0.2
CLIENTS_MORE = 64  # the pool of a worker, see `resources`


@dataclass
class Deployment:
    workers: list[Worker]
    store: Store
    town: Town
    history: History
    rng: Random
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    base: list[Footprint] = field(default_factory=list)
    base_clients: int = 0

    @property
    def view(self) -> StoreView:
        return self.store.view

    def person(self, name: str, talks: Sequence[Talk] = (STEADY,)) -> Person:
        return Person(name, self.town, talks, self.closing)

    async def running_on(self, worker: Worker) -> list[Running]:
        """The turns of a worker that stands still."""
        return await self.view.running_of(worker.pid, self.town.conversations)

    async def running(self) -> list[Running]:
        """Every turn under way."""
        return await self.view.running(self.town.conversations)

    def struck(self, fault: str, target: str, turns: Sequence[Running] | None) -> None:
        ids = None if turns is None else frozenset(running.turn for running in turns)
        self.history.add(Struck(now(), fault, target, ids))

    async def turns_ended(self, count: int) -> None:
        """Waits until so many turns have come to their end."""
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            while self.history.ended < count:
                await asyncio.sleep(POLL_S)

    async def take_base(self) -> None:
        """Remembers what the system holds at work, to compare with later."""
        self.base = [footprint_of(worker.pid) for worker in self.workers]
        self.base_clients = await self.view.clients()

    async def read_back(self) -> None:
        """Writes down what is kept of every conversation."""
        opened: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for record in self.history:
            if isinstance(record, Accepted):
                opened[record.conversation][record.turn] = None
        few = asyncio.Semaphore(8)

        async def read(conversation: str, owner: str) -> None:
            async with few:
                await self.person(owner).read(conversation, list(opened[conversation]))

        with contextlib.suppress(TimeoutError):  # the checker finds out what is missing
            async with asyncio.timeout(READ_TIMEOUT_S), asyncio.TaskGroup() as group:
                for conversation, owner in self.town.conversations.items():
                    group.create_task(read(conversation, owner))

    async def leftovers(self) -> list[str]:
        """What is still held when it should not be: a line each, none as soon as all is as before."""
        deadline = now() + QUIET_TIMEOUT_S
        while lines := await self._leftovers():
            if now() > deadline:
                return lines
            await asyncio.sleep(POLL_S)
        return []

    async def _leftovers(self) -> list[str]:
        held = {worker.name: footprint_of(worker.pid) for worker in self.workers}
        lines = grown(self.base, held) if self.base else []
        pinned = self.town.pinned
        owners = [f"user:{self.town.conversations[conversation]}" for conversation in pinned]
        whole = ["{audit}", "{format}"]  # of the whole store
        lines += [f"{key} never expires" for key in await self.view.lasting_keys([*pinned, *owners, *whole])]
        if await self.view.thinks_of_running_turns():
            lines.append("the store thinks that a turn runs")
        clients = await self.view.clients()
        if self.base and clients > self.base_clients + CLIENTS_MORE * len(self.workers):
            lines.append(f"the store has {clients} clients, before it had {self.base_clients}")
        return lines

    def read_logs(self) -> None:
        """Writes down the bugs that the workers' logs tell of."""
        for worker in self.workers:
            for line in bugs_in(worker.log):
                self.history.add(Logged(now(), worker.name, line))


def bugs_in(log: str) -> list[str]:
    """The last line of each traceback: what a worker met and had not planned for."""
    lines = log.splitlines()
    found: list[str] = []
    for at, line in enumerate(lines):
        if line.startswith("Traceback"):
            error = next((later for later in lines[at + 1 :] if later and not later.startswith((" ", "\t"))), "")
            found.append(f"{lines[at - 1] if at else ''} / {error}")
    return found


@asynccontextmanager
async def open_deployment(
    folder: Path,
    rng: Random,
    *,
    workers: int = 3,
    open_store: OpenStore = one_valkey,
    habits: Habits | None = None,
    **environment: str,
) -> AsyncIterator[Deployment]:
    """The system for as long as the block runs; every process is gone afterwards."""
    script = write_script(folder)
    async with open_store(folder) as store:
        names = [f"worker {number}" for number in range(1, workers + 1)]
        settings = {"LIANHUA_SCRIPT": str(script), **store.environment, **environment}
        staff = [Worker(name, folder, **settings) for name in names]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in staff:
                    group.create_task(worker.start())
            history = History()
            async with _session() as session:
                town = Town(session, [worker.door for worker in staff], history, rng, habits)
                yield Deployment(staff, store, town, history, rng)
        finally:
            for worker in staff:
                worker.clear()


def _session() -> aiohttp.ClientSession:
    """Connections without a limit and without a memory for cookies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
    )
