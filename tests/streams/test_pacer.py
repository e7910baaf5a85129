"""The line in which the turns of a busy server wait before they read on."""

import asyncio

from lianhua.streams.pacer import EVENTS_PER_S, LONGEST_S, STEP_S, Pacer


async def rests(pacer: Pacer, turns: int) -> list[float]:
    """How long each of so many turns rests that have all just shown something."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    woken: list[float] = []
    for _ in range(turns):
        pacer.go_on(lambda: woken.append(loop.time() - began), began)
    async with asyncio.timeout(5):
        while len(woken) < turns:
            await asyncio.sleep(0.001)
    return woken


async def test_a_few_turns_go_on_at_once() -> None:
    woken: list[int] = []
    pacer, began = Pacer(), asyncio.get_running_loop().time()
    for number in range(int(EVENTS_PER_S * STEP_S / 2)):
        pacer.go_on(lambda number=number: woken.append(number), began)  # type: ignore[misc]
    assert woken == list(range(len(woken)))
    assert woken


async def test_many_turns_rest_longer_the_more_they_are() -> None:
    some, more = await rests(Pacer(), 150), await rests(Pacer(), 300)
    assert 150 / EVENTS_PER_S - STEP_S <= max(some) < max(more)
    assert max(more) >= 300 / EVENTS_PER_S - STEP_S


async def test_nobody_rests_longer_than_the_longest_rest() -> None:
    turns = int(EVENTS_PER_S * LONGEST_S * 3)
    woken = await rests(Pacer(), turns)
    assert len(woken) == turns
    late_s = 0.5  # for a machine that is busy with something else
    assert max(woken) < LONGEST_S + late_s


async def test_rests_end_together() -> None:
    woken = await rests(Pacer(), 300)
    moments = {round(at, 3) for at in woken}
    assert len(moments) <= 300 / EVENTS_PER_S / STEP_S + 3, "they share steps, so that they share commits"


async def test_after_a_pause_the_line_is_empty() -> None:
    pacer = Pacer()
    await rests(pacer, 300)
    await asyncio.sleep(300 / EVENTS_PER_S)
    woken: list[bool] = []
    pacer.go_on(lambda: woken.append(True), asyncio.get_running_loop().time())
    assert woken
