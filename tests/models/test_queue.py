"""The line in front of a model that answers one at a time, without any model."""

import asyncio

import pytest

from lianhua.errors import ModelRateLimited
from lianhua.models.queue import LINE_TURNS, Line


def test_places_count_who_comes_first() -> None:
    line = Line()
    first, second, third = line.join(), line.join(), line.join()
    assert (first.ahead, second.ahead, third.ahead) == (0, 1, 2)

    second.leave()
    assert (first.ahead, third.ahead) == (0, 1)

    first.leave()
    assert third.ahead == 0


async def test_only_those_behind_hear_that_somebody_left() -> None:
    line = Line()
    first, second, third = line.join(), line.join(), line.join()
    waiting = {asyncio.create_task(place.moved()): place for place in (first, second, third)}
    await asyncio.sleep(0)  # all of them wait now

    second.leave()
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)

    assert [waiting[task] for task in done] == [third]
    for task in waiting:
        task.cancel()


def test_a_line_has_an_end() -> None:
    line = Line()
    places = [line.join() for _ in range(LINE_TURNS)]

    with pytest.raises(ModelRateLimited):
        line.join()

    places[0].leave()
    assert line.join().ahead == LINE_TURNS - 1
