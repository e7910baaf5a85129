"""Logins that have begun at an OpenID provider and have not come back: kept for a few minutes, taken once."""

import time
from typing import Final

from lianhua.errors import Overloaded
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX

PENDING_S: Final = 600  # as long as a person may take at the provider
PENDING: Final = 10_000  # of a server: anybody may begin one
_BASE: Final = f"{PREFIX}:{{logins}}"
_TIMES: Final = f"{_BASE}:times"


class PendingLogins:
    """Raises `StoreUnavailable`, `Overloaded`. `digest` is the SHA-256 of what comes back with the login."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database

    async def add(self, digest: str, value: bytes) -> None:
        now_s = time.time()
        _, count = await self._database.ask(("ZREMRANGEBYSCORE", _TIMES, "-inf", now_s - PENDING_S), ("ZCARD", _TIMES))
        if count >= PENDING:
            raise Overloaded("too many logins have begun")
        await self._database.ask(
            ("ZADD", _TIMES, now_s, digest),
            ("EXPIRE", _TIMES, 2 * PENDING_S),
            ("SET", f"{_BASE}:{digest}", value, "EX", PENDING_S),
        )

    async def take(self, digest: str) -> bytes | None:
        """What was kept, for the first who asks; None for everybody after."""
        value, _ = await self._database.ask(("GETDEL", f"{_BASE}:{digest}"), ("ZREM", _TIMES, digest))
        found: bytes | None = value
        return found
