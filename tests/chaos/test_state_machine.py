"""Any order of what users and bad luck can do to a conversation, on two server processes with one store.

A killed worker keeps its turns for a lease, so what an example left to be sealed is waited for at the very end,
together with that of all others.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.chaos.checker import Terms, check
from tests.chaos.deployment import Deployment, open_deployment
from tests.chaos.faults import kill_now
from tests.chaos.history import Accepted, Expired, now
from tests.chaos.script import LATE, LONG, STEADY, Talk, reply_to
from tests.chaos.users import Habits, OpenTurn, Question, Viewer
from tests.support.stillness import in_time
from tests.support.waiting import until

T = TypeVar("T")

EXAMPLES = 12
STEPS = 10
KILLS = 3  # in all: each takes the time of a start
STEP_S = 0.1
FINISH_TIMEOUT_S = 120.0
NUMBERS = st.integers(0, 7)
TALKS = st.sampled_from([STEADY, LONG, LATE])


class System:
    """The deployment and the loop in which it lives, for all examples."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.folder = folder
        self.stack = AsyncExitStack()
        self.kills = 0
        self.examples = 0
        self.unfinished: list[Example] = []
        self.deployment: Deployment

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def open(self) -> None:
        opened = open_deployment(self.folder, Random(1), workers=2, habits=Habits(drop_chance=0.0))
        self.deployment = await self.stack.enter_async_context(opened)


class Example:
    """One person, one conversation after the other, and everybody who watches."""

    def __init__(self, deployment: Deployment, number: int) -> None:
        self.deployment = deployment
        self.person = deployment.person(f"person-{number}")
        self.conversations: list[str] = []
        self.conversation: str | None = None
        self.question: Question | None = None
        self.turn: OpenTurn | None = None
        self.long = False
        self.watching: dict[Viewer, asyncio.Task[None]] = {}
        self.away: list[Viewer] = []
        self.was_hit = False

    @property
    def runs(self) -> bool:
        return self.turn is not None and not self.deployment.history.is_over(self.turn.turn)

    async def send(self, talk: Talk) -> None:
        """Asks the next question or, while one is being answered, the same once more."""
        if self.conversation is None:
            self.conversation = await self.person.open_conversation()
            self.conversations.append(self.conversation)
        if not self.runs or self.question is None:
            self.question = self.person.question(self.conversation, talk)
            self.long = talk is LONG
            self.turn = await self.person.send(self.question)
            self.watch(self.person.viewer(self.turn))  # one always stays
        else:
            assert await self.person.send(self.question) == self.turn

    def watch(self, viewer: Viewer) -> None:
        self.watching[viewer] = asyncio.create_task(viewer.watch())

    async def drop(self, viewer: Viewer) -> None:
        task = self.watching.pop(viewer)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
            viewer.dropped()
            self.away.append(viewer)

    async def stop(self) -> None:
        if self.turn:
            while await self.person.stop(self.turn, self.deployment.rng.choice(self.deployment.town.doors)) is None:
                await asyncio.sleep(STEP_S)

    async def expire(self) -> None:
        if self.conversation is None:
            return
        self.deployment.history.add(Expired(now(), self.conversation))
        await self.deployment.view.expire(self.conversation)
        expired = self.conversation

        async def is_erased() -> bool:
            return not await self.deployment.view.keys_of(expired)

        await until(is_erased, every_s=STEP_S)  # whoever still writes must find out, and bring nothing back
        self.conversation = self.question = self.turn = None

    async def wind_up(self) -> None:
        """Everybody comes back, and what would go on for ever is stopped."""
        for viewer in self.away:
            self.watch(viewer)
        if self.runs and self.long:
            await self.stop()

    async def finish(self) -> list[str]:
        """Waits for every end; the promises that were broken."""
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            await asyncio.gather(*self.watching.values())
        history = self.deployment.history
        accepted = [record for record in history if isinstance(record, Accepted)]
        for name in self.conversations:
            if not any(isinstance(record, Expired) for record in history.about([name])):
                turns = dict.fromkeys(record.turn for record in accepted if record.conversation == name)
                await self.person.read(name, list(turns))
        assert all([not await self.deployment.view.keys_of(name) for name in self.expired])
        return check(history.about(self.conversations), Terms(reply_to, in_time))

    @property
    def expired(self) -> list[str]:
        records = self.deployment.history.about(self.conversations)
        return [record.conversation for record in records if isinstance(record, Expired)]


class Machine(RuleBasedStateMachine):
    """Its rules act on `system`."""

    system: ClassVar[System]

    def __init__(self) -> None:
        super().__init__()
        self.system.examples += 1
        self.example = Example(self.system.deployment, self.system.examples)

    @initialize(talk=TALKS)
    def begin(self, talk: Talk) -> None:
        self.system.do(self.example.send(talk))

    @rule(talk=TALKS)
    def send(self, talk: Talk) -> None:
        self.system.do(self.example.send(talk))

    @rule()
    def another_viewer_comes(self) -> None:
        async def come() -> None:
            if self.example.turn:
                self.example.watch(self.example.person.viewer(self.example.turn))
            await asyncio.sleep(STEP_S)

        self.system.do(come())

    @rule(number=NUMBERS)
    def drop_a_viewer(self, number: int) -> None:
        viewers = list(self.example.watching)[1:]
        if viewers:
            self.system.do(self.example.drop(viewers[number % len(viewers)]))

    @rule(number=NUMBERS)
    def come_back(self, number: int) -> None:
        async def come() -> None:
            self.example.watch(self.example.away.pop(number % len(self.example.away)))
            await asyncio.sleep(STEP_S)

        if self.example.away:
            self.system.do(come())

    @rule()
    def stop(self) -> None:
        self.system.do(self.example.stop())

    @rule(number=NUMBERS)
    def kill_a_worker(self, number: int) -> None:
        if self.system.kills < KILLS and self.example.runs:
            self.system.kills += 1
            self.example.was_hit = True
            worker = self.system.deployment.workers[number % len(self.system.deployment.workers)]
            assert self.system.do(kill_now(self.system.deployment, worker))

    @rule()
    def expire(self) -> None:
        self.system.do(self.example.expire())

    @rule()
    def wait(self) -> None:
        self.system.do(asyncio.sleep(5 * STEP_S))

    def teardown(self) -> None:
        self.system.do(self.example.wind_up())
        if self.example.was_hit:
            self.system.unfinished.append(self.example)
        else:
            assert self.system.do(self.example.finish()) == []


def test_no_order_of_events_breaks_a_promise(tmp_path: Path) -> None:
    system = System(tmp_path)
    with system.runner:
        try:
            system.do(system.open())
            run_state_machine_as_test(
                type("MachineOnSystem", (Machine,), {"system": system}),
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                ),
            )
            for example in system.unfinished:
                assert system.do(example.finish()) == []
        finally:
            system.do(system.stack.aclose())
