"""Asking a store again that is away, for as long as somebody has patience."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from lianhua.errors import Unavailable

# A store comes back within a second or two where another server takes over. What is written has a lease to keep.
WRITE_AGAIN_S: Final = 0.2
READ_AGAIN_S: Final = 0.5

T = TypeVar("T")
OutOfPatience = Callable[[], bool]


async def patiently(
    call: Callable[[], Awaitable[T]],
    out_of_patience: OutOfPatience,
    pause_s: float,
    outage: type[Unavailable] = Unavailable,
) -> T:
    """What `call` comes to; again every `pause_s` seconds while it raises an `outage`, which passes when patience is
    over. So `call` has to be one that may be repeated.
    """
    while True:
        try:
            return await call()
        except outage:
            if out_of_patience():
                raise
            await asyncio.sleep(pause_s)


def after(seconds: float) -> OutOfPatience:
    """Patience for so many seconds from now, by the loop's clock."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    return lambda: clock() > deadline
