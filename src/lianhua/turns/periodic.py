"""How often what has to be done again and again is done, and the loop that does it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from lianhua.errors import Unavailable
from lianhua.store.journal.leases import LEASE_S

logger = logging.getLogger(__name__)

# How late a stop from another worker is heard of when its hint is lost; far below the lease of 15 s.
RENEW_S: Final = 1.0  # at most, from one append or renewal to the next
SWEEP_S: Final = 1.0  # a lost turn is met at the latest so long after its lease
# A turn is listed a moment before it is accepted. One that is still not there after so long never was, or has ended.
FORGET_S: Final = LEASE_S


class Intervals(Struct, frozen=True):
    """How often, in seconds: leases are renewed, lost turns looked for, and a listed turn that has ended looked at
    again before it is taken off the list.
    """

    renew_s: float = RENEW_S
    sweep_s: float = SWEEP_S
    forget_s: float = FORGET_S


async def every(seconds: float, chore: Callable[[], Awaitable[None]]) -> None:
    """Does `chore` after each pause of `seconds`, for ever, whatever it raises."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await chore()
        except Unavailable as exc:
            logger.info("the store is away: %s", exc)
        except Exception:
            logger.exception("a chore failed and is tried again in %.0f s", seconds)
