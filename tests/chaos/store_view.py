"""What the store holds, read past the servers: which process runs which turn, and what is left when all is quiet."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis, RedisCluster

from lianhua.store.client.keys import PREFIX, ConversationKeys

# Long enough for what a process had sent before it was stopped to reach the store.
ON_ITS_WAY_S = 0.03


@dataclass(frozen=True)
class Running:
    """A turn under way, the process that holds its lease, and how much text it has."""

    turn: str
    conversation: str
    pid: int
    text_bytes: int


class StoreView:
    """Made with what gives a fresh client."""

    def __init__(self, connect: Callable[[], "Redis | RedisCluster"]) -> None:
        self._connect = connect

    async def running(self, conversations: Collection[str]) -> list[Running]:
        """The turns that run in these conversations, also those whose acceptance nobody has heard of yet."""
        async with self._connect() as client:
            found = [await _running(client, conversation) for conversation in tuple(conversations)]
        return [running for running in found if running]

    async def running_of(self, pid: int, conversations: Collection[str]) -> list[Running]:
        """Those that a process runs which stands still."""
        await asyncio.sleep(ON_ITS_WAY_S)
        async with self._connect() as client:  # what was on its way to the server before this is done before this
            for _ in range(2):
                await client.ping()
        return [running for running in await self.running(conversations) if running.pid == pid]

    async def lasting_keys(self, but: Collection[str]) -> list[str]:
        """Keys that never expire and hold none of the names `but`."""
        async with self._connect() as client:
            keys = [key async for key in client.scan_iter(count=1000)]
            lasting = [key.decode() for key in keys if await client.ttl(key) == -1]
        return [key for key in lasting if not any(name in key for name in but)]

    async def keys_of(self, conversation: str) -> list[str]:
        """Every key with the conversation's id in its name."""
        async with self._connect() as client:
            return [key.decode() async for key in client.scan_iter(match=f"*{conversation}*", count=1000)]

    async def thinks_of_running_turns(self) -> bool:
        """Whether the list of running turns has any."""
        async with self._connect() as client:
            return bool(await client.exists(f"{PREFIX}:{{running}}"))

    async def clients(self) -> int:
        """Connections of others to the store; to the first node of a Cluster."""
        async with self._connect() as client:
            info: Any = await client.info("clients")
        return int(info["connected_clients"]) - 1 if "connected_clients" in info else 0

    async def expire(self, conversation: str) -> None:
        """Lets all keys of a conversation run out now."""
        async with self._connect() as client:
            keys = [key async for key in client.scan_iter(match=f"{PREFIX}:{{{conversation}}}*", count=1000)]
            for key in keys:
                await client.pexpire(key, 1)


async def _running(client: "Redis | RedisCluster", conversation: str) -> Running | None:
    keys = ConversationKeys(conversation)
    values: Any = await client.hmget(keys.meta, ["t.id", "t.worker"])
    if values[0] is None:
        return None
    turn = values[0].decode()
    text_bytes: Any = await client.strlen(keys.text(turn))
    return Running(turn, conversation, int(values[1].partition(b"-")[0]), text_bytes)
