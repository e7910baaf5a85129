"""Slow scenarios side by side: waiting costs nothing, so those of all modules are played together, each in a thread of
its own with its own folder, processes and connections. A module lists them in `SCENARIOS`; each of its tests takes the
result of one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.chaos.script import Talk
from tests.support.client import Client
from tests.support.follower import Follower
from tests.support.servers.redis_server import RedisServer
from tests.support.serving_process import ServingProcess
from tests.support.talker import Talker

SCENARIO_S: Final = 280.0  # something hangs
AT_ONCE: Final = 8  # what two processors put up with, for nearly all of it is waiting


class Stage:
    """One scenario's own. Whatever was begun on it is over when it is cleared."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        self.folder = folder
        self.session = session
        self._stack = ExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._servings: list[ServingProcess] = []

    def script(self, name: str, *talks: Talk) -> str:
        """A file that says what the model says."""
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(talk.toml() for talk in talks), "utf-8")
        return str(path)

    def serving(self, name: str, *arguments: str, **environment: str) -> ServingProcess:
        """Not started yet."""
        # Whoever talks for as long as a slow machine takes says more than is kept by default.
        serving = ServingProcess(self.folder / name, *arguments, **{"LIANHUA_RETENTION_MESSAGES": "0", **environment})
        self._servings.append(serving)
        return serving

    def redis(self, **config: str) -> RedisServer:
        """A Redis of its own, running."""
        return self._stack.enter_context(RedisServer(self.folder / "redis", flavour="redis", config=config))

    def at(self, serving: ServingProcess, user: str = "alice") -> Client:
        return Client(self.session, serving.url, user)

    def follow(self, doors: Iterable[Client], conversation: str, turn: str) -> Follower:
        follower = Follower(self.session, doors, conversation, turn)
        self._tasks.append(follower.task)
        return follower

    def talkers(
        self, count: int, servings: Iterable[ServingProcess], talk: Talk, enough: asyncio.Event
    ) -> list[Talker]:
        """So many people who talk until it is enough; `all_is_over` waits for them."""
        servings = list(servings)
        talkers = []
        for seed in range(count):
            doors = [self.at(serving, f"talker-{seed}") for serving in servings]
            talker = Talker(self.session, doors, talk, seed)
            self._tasks.append(asyncio.create_task(talker.talk(enough), name=f"talker {seed}"))
            talkers.append(talker)
        return talkers

    async def all_is_over(self) -> None:
        """Waits until every follower has seen the end and every talker is silent; raises what they met."""
        await asyncio.gather(*self._tasks)

    async def clear(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with self._stack:
            for serving in self._servings:
                self._stack.callback(serving.clear)


Scenario = Callable[[Stage], Awaitable[None]]
Begun = dict[Scenario, "Future[None]"]


def variants(scenario: Callable[..., Awaitable[None]], *arguments: Any) -> dict[Any, Scenario]:
    """The scenario with each of these as its second argument."""

    def variant(argument: Any) -> Scenario:
        return lambda stage: scenario(stage, argument)

    return {argument: variant(argument) for argument in arguments}


def side_by_side(scenarios: Iterable[Scenario], new_folder: Callable[[str], Path]) -> Iterator[Begun]:
    """Begins them in this order, `AT_ONCE` at a time. Waits for all in the end."""
    folders = {scenario: new_folder("scenario") for scenario in scenarios}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {
            scenario: threads.submit(lambda s, f: asyncio.run(_play(s, f)), scenario, folder)
            for scenario, folder in folders.items()
        }


async def _play(scenario: Scenario, folder: Path) -> None:
    # Each request over a connection of its own: none is bound to the worker that took the one before.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(total=SCENARIO_S)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout
    ) as session:
        stage = Stage(folder, session)
        try:
            async with asyncio.timeout(SCENARIO_S):
                await scenario(stage)
        finally:
            await stage.clear()
