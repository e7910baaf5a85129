"""Which turns run, over all conversations: so that one whose worker was lost is found although nobody looks at it.

A hint in a slot of its own, beside the journal: a turn that is missing here is still sealed by its next reader, and
one that has ended is taken out by the next sweep.
"""

from typing import Any, Final

from redis.asyncio import Redis

from lianhua.store.keys import PREFIX
from lianhua.store.scripts import driver_errors
from lianhua.turn import TurnRef

_KEY: Final = f"{PREFIX}:{{running}}"


class RunningTurns:
    """Raises `StoreUnavailable` or `Overloaded`."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def add(self, ref: TurnRef) -> None:
        with driver_errors():
            await self._client.sadd(_KEY, _member(ref))

    async def remove(self, ref: TurnRef) -> None:
        with driver_errors():
            await self._client.srem(_KEY, _member(ref))

    async def all(self) -> list[TurnRef]:
        """Every turn that runs or ran until lately."""
        with driver_errors():
            members: Any = await self._client.smembers(_KEY)
        return [TurnRef(*member.decode().split(" ")) for member in members]


def _member(ref: TurnRef) -> str:
    return f"{ref.conversation_id} {ref.turn_id}"
