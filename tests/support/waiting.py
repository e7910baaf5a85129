"""Waiting for what is meant, and for nothing else: a time-out only says that something hangs."""

import asyncio
import contextlib
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tests.support.stillness import Stopwatch

HANGS_S: Final = 60.0
POLL_S: Final = 0.01

Seen = TypeVar("Seen")


async def until(
    holds: Callable[[], Awaitable[Seen] | Seen], *, within_s: float = HANGS_S, every_s: float = POLL_S
) -> Seen:
    """Asks again and again until the answer is true, and gives it. `within_s` is for a machine of its own."""
    watch = Stopwatch()
    while True:
        answer = holds()
        seen: Seen = await answer if inspect.isawaitable(answer) else answer
        if seen:
            return seen
        assert watch.within(within_s), _what_is_missing(holds, watch)
        await asyncio.sleep(every_s)


async def stays(holds: Callable[[], Awaitable[object] | object], for_s: float) -> None:
    """What is not to come has so long to come."""
    watch = Stopwatch()
    while watch.s < for_s:
        answer = holds()
        assert await answer if inspect.isawaitable(answer) else answer, _what_is_missing(holds, watch)
        await asyncio.sleep(POLL_S)


def wait_until(holds: Callable[[], Seen], *, within_s: float = HANGS_S, every_s: float = POLL_S) -> Seen:
    """The same where no loop runs."""
    watch = Stopwatch()
    while not (seen := holds()):
        assert watch.within(within_s), _what_is_missing(holds, watch)
        time.sleep(every_s)
    return seen


def _what_is_missing(holds: Callable[[], object], watch: Stopwatch) -> str:
    with contextlib.suppress(TypeError, OSError):
        return f"after {watch.took()}: {inspect.getsource(holds).strip()}"
    return f"after {watch.took()}: {holds}"
