"""The line in which the turns of a busy server wait before they read on."""

import asyncio
from collections import Counter

from lianhua.streams.pacer import EVENTS_PER_S, LONGEST_S, STEP_S, Pacer
from tests.support.stillness import Stopwatch
from tests.support.waiting import until

LATE_S = 0.1  # what else than resting takes time


async def rests(pacer: Pacer, turns: int) -> list[float]:
    """How long each of so many turns rests that have all just shown something."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    woken: list[float] = []
    for _ in range(turns):
        pacer.go_on(lambda: woken.append(loop.time() - began), began)
    await until(lambda: len(woken) == turns, every_s=0.001)
    return woken


async def test_a_few_turns_go_on_at_once() -> None:
    woken: list[int] = []
    pacer, began = Pacer(), asyncio.get_running_loop().time()
    for number in range(int(EVENTS_PER_S * STEP_S / 2)):
        pacer.go_on(lambda number=number: woken.append(number), began)  # type: ignore[misc]
    assert woken == list(range(len(woken)))
    assert woken


async def test_many_turns_rest_longer_the_more_they_are() -> None:
    assert max(await rests(Pacer(), 150)) >= 150 / EVENTS_PER_S - STEP_S
    assert max(await rests(Pacer(), 300)) >= 300 / EVENTS_PER_S - STEP_S
    pacer, began, woken = Pacer(), asyncio.get_running_loop().time(), list[int]()
    for turn in range(300):
        pacer.go_on(lambda turn=turn: woken.append(turn), began)  # type: ignore[misc]
    await until(lambda: len(woken) == 300, every_s=0.001)
    assert woken == list(range(300)), "who comes later goes on later"


async def test_nobody_rests_longer_than_the_longest_rest() -> None:
    turns = int(EVENTS_PER_S * LONGEST_S * 3)
    watch = Stopwatch()
    woken = await rests(Pacer(), turns)
    assert len(woken) == turns
    assert watch.took(watch.began + max(woken)).within(LONGEST_S + LATE_S)


async def test_rests_end_together() -> None:
    loop, pacer, together = asyncio.get_running_loop(), Pacer(), Counter[asyncio.Future[None]]()
    moment = loop.create_future()

    def passes() -> None:
        nonlocal moment
        moment = loop.create_future()

    def wake() -> None:
        together[moment] += 1
        loop.call_soon(passes)

    for _ in range(300):
        pacer.go_on(wake, loop.time())
    await until(lambda: together.total() == 300, every_s=0.001)
    assert len(together) <= 300 / EVENTS_PER_S / STEP_S + 3, "they share steps, so that they share commits"


async def test_after_a_pause_the_line_is_empty() -> None:
    pacer = Pacer()
    await rests(pacer, 300)
    await asyncio.sleep(300 / EVENTS_PER_S)
    woken: list[bool] = []
    pacer.go_on(lambda: woken.append(True), asyncio.get_running_loop().time())
    assert woken
