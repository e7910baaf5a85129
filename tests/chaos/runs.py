"""One run: a deployment, users in it, faults of one kind, quiet, and what the checker says."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from tests.chaos import faults, stores
from tests.chaos.checker import InTime, Terms, by_the_clock, check, stop_waits, waits
from tests.chaos.deployment import FINISH_TIMEOUT_S, Deployment, open_deployment
from tests.chaos.faults import strike_until
from tests.chaos.history import History, now
from tests.chaos.script import BURST, LATE, STEADY, Talk, reply_to
from tests.chaos.timeline import tell
from tests.chaos.users import Habits

Make = Callable[[Deployment, int], Awaitable[int]]


@dataclass(frozen=True)
class Kind:
    """One kind of fault, how often a whole run makes it, and the deployment that it is made in."""

    make: Make
    count: int
    users: int
    talks: tuple[Talk, ...] = (STEADY, STEADY, STEADY, STEADY, BURST)
    workers: int = 3
    store: stores.OpenStore = stores.one_valkey
    habits: Habits | None = None


def _striking(strike: faults.Strike) -> Make:
    return partial(_strike, strike)


async def _strike(strike: faults.Strike, deployment: Deployment, count: int) -> int:
    return await strike_until(deployment, strike, count)


KINDS: Final[Mapping[str, Kind]] = {
    "kill": Kind(_striking(faults.kill_worker), 200, users=24),
    "early": Kind(_striking(faults.kill_before_text), 50, users=16, talks=(LATE,)),
    "freeze": Kind(_striking(faults.freeze_workers), 30, users=24, talks=(STEADY, STEADY, BURST, LATE), workers=6),
    "embedded": Kind(_striking(faults.kill_with_store), 100, users=24, workers=1, store=stores.embedded),
    "pause": Kind(
        _striking(faults.pause_server),
        20,
        users=24,
        talks=(STEADY, STEADY, BURST, LATE),
        workers=1,
        store=stores.embedded,
    ),
    "redis": Kind(_striking(faults.kill_redis), 20, users=24, store=stores.one_redis_on_disk),
    "sentinel": Kind(_striking(faults.fail_over), 10, users=24, store=stores.behind_sentinels),
    "cluster": Kind(_striking(faults.kill_cluster_primary), 10, users=24, store=stores.one_cluster),
    "stop": Kind(faults.stop_elsewhere, 200, users=4, habits=Habits(drop_chance=0.0)),
    "cut": Kind(faults.cut_streams, 1000, users=16, talks=(BURST, BURST, STEADY), habits=Habits(drop_chance=0.1)),
}


@dataclass(frozen=True)
class Result:
    """What a run showed. `hit` are turns that ran where a fault struck, `longest_s` what a viewer waited at most."""

    kind: str
    asked: int
    confirmed: int
    seconds: float
    turns: int
    hit: int
    ends: Mapping[str, int]
    restarts: int
    views: int
    events: int
    longest_s: float
    slowest_stop_s: float | None
    violations: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.violations and self.confirmed >= self.asked


async def run(
    name: str, count: int, seed: int, folder: Path, users: int | None = None, in_time: InTime = by_the_clock
) -> Result:
    """The faults of a kind `count` times, its files in `folder`; with fewer `users` it is quicker."""
    folder.mkdir(parents=True, exist_ok=True)
    kind = KINDS[name] if users is None else replace(KINDS[name], users=users)
    began = now()
    rng = Random(f"{seed}-{name}")
    async with open_deployment(
        folder, rng, workers=kind.workers, open_store=kind.store, habits=kind.habits
    ) as deployment:
        confirmed = await _talk_while(kind, deployment, count)
        await deployment.read_back()
        await deployment.town.session.close()  # what viewers hold open is no leak of the workers
        leftovers = await deployment.leftovers()
        for worker in deployment.workers:
            if (code := await worker.stop()) != 0:
                leftovers.append(f"{worker.name} ended with {code}")
        deployment.read_logs()
    violations = (*check(deployment.history, Terms(reply_to, in_time)), *leftovers)
    return _result(name, count, confirmed, now() - began, deployment.history, violations)


async def _talk_while(kind: Kind, deployment: Deployment, count: int) -> int:
    """Lets users talk while the faults are made, and finish afterwards; how many faults really happened."""
    users = [deployment.person(f"person-{number}", kind.talks) for number in range(kind.users)]
    talking = [asyncio.create_task(person.talk(), name=person.name) for person in users]
    try:
        await deployment.turns_ended(kind.users)
        await deployment.take_base()
        confirmed = await kind.make(deployment, count)
        deployment.closing.set()
        done, _ = await asyncio.wait(talking, timeout=FINISH_TIMEOUT_S)
        for task in done:
            task.result()  # a bug of a person's own ends the run
        return confirmed
    finally:
        for task in talking:
            task.cancel()
        await asyncio.wait(talking)


def _result(
    name: str, asked: int, confirmed: int, seconds: float, history: History, violations: tuple[str, ...]
) -> Result:
    timeline = tell(history)
    turns = list(timeline.turns.values())
    views = [(turn, view) for turn in turns for view in turn.views.values()]
    stops = [waited_s for turn in turns for _, waited_s in stop_waits(turn)]
    return Result(
        kind=name,
        asked=asked,
        confirmed=confirmed,
        seconds=seconds,
        turns=len(turns),
        hit=sum(bool(turn.hits) for turn in turns),
        ends=Counter(turn.end.data["status"] for turn in turns if turn.end),
        restarts=sum(turn.read.attempts - 1 for turn in turns if turn.read),
        views=len(views),
        events=sum(len(view.seen) for _, view in views),
        longest_s=max((waited_s for turn, view in views for waited_s, _ in waits(turn, view)), default=0.0),
        slowest_stop_s=max(stops, default=None),
        violations=violations,
    )


def broken_off(name: str, asked: int, error: Exception) -> Result:
    """Of a run that came to no end."""
    violations = (f"the run broke off: {error!r}",)
    return Result(name, asked, 0, 0.0, 0, 0, {}, 0, 0, 0, 0.0, None, violations)
