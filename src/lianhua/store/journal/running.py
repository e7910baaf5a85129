"""Which turns run, over all conversations: so that one whose worker was lost is found although nobody looks at it.

A hint in a slot of its own, beside the journal: a turn that is missing here is still found by its next reader, and one
that has ended is taken out by a later sweep.
"""

from typing import Final

from lianhua.chat.turn import TurnRef
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX, ConversationKeys
from lianhua.store.client.scripts import Script

_KEY: Final = f"{PREFIX}:{{running}}"


class RunningTurns:
    """Raises `StoreUnavailable` or `Overloaded`. `ttl_s`: after so many seconds without a turn the whole set
    expires.
    """

    def __init__(self, database: StoreClient, ttl_s: int) -> None:
        self._database = database
        self._ttl_s = ttl_s
        self._release, self._list_running = Script("release"), Script("list_running")

    async def add(self, ref: TurnRef) -> None:
        await self._database.ask(("SADD", _KEY, _member(ref)), ("EXPIRE", _KEY, self._ttl_s))

    async def add_within(self, ref: TurnRef, most: int) -> bool:
        """Whether fewer than `most` others are listed, and the turn is by now."""
        answer = await self._database.run(self._list_running, [_KEY], [_member(ref), self._ttl_s, most])
        return bool(answer[0] == b"ok")

    async def remove(self, ref: TurnRef) -> None:
        await self._database.ask(("SREM", _KEY, _member(ref)))

    async def expire(self, worker: str = "") -> None:
        """Ends the leases of a worker that is known to be gone; with no name, of every worker."""
        for ref in await self.all():
            meta = ConversationKeys(ref.conversation_id).meta
            await self._database.run(self._release, [meta], [ref.turn_id, "", worker, 1])

    async def all(self) -> list[TurnRef]:
        """Every turn that runs, is about to, or ran until lately."""
        (members,) = await self._database.ask(("SMEMBERS", _KEY))
        return [TurnRef(*member.decode().split(" ")) for member in members]


def _member(ref: TurnRef) -> str:
    return f"{ref.conversation_id} {ref.turn_id}"
