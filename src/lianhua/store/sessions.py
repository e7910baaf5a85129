"""Login sessions, each a field of its account's hash, named by the digest of the cookie."""

from typing import Final

import msgspec
from msgspec import Struct

from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import account_key
from lianhua.store.client.scripts import Argument, Script

SESSIONS: Final = 50  # of a person; the one unseen for longest gives way to a new one
ABSOLUTE_S: Final = 30 * 86_400
IDLE_S: Final = 7 * 86_400
ID_CHARS: Final = 16  # of the digest: enough to name one of a person's fifty, and no help to log in
_PREFIX: Final = "s:"


class Session(Struct, frozen=True):
    """Times are Unix seconds. `agent` and `address` are what the browser and its connection said at login."""

    id: str
    created_at: float
    seen_at: float
    expires_at: float
    agent: str
    address: str


class _Kept(Struct):
    created_at: float
    seen_at: float
    expires_at: float
    agent: str = ""
    address: str = ""


_kept = msgspec.json.Decoder(_Kept)


class SessionStore:
    """Raises `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient, absolute_s: int = ABSOLUTE_S, idle_s: int = IDLE_S) -> None:
        self._database = database
        self._absolute_s, self._idle_s = absolute_s, idle_s
        self._add = Script("credential_new")

    async def add(self, name: str, digest: str, agent: str, address: str) -> bool:
        """False where the account is not there or not active."""
        value = msgspec.json.encode({"agent": agent, "address": address})
        args: list[Argument] = [_PREFIX, digest, value, self._absolute_s, self._idle_s, SESSIONS, "1"]
        answer = await self._database.run(self._add, [account_key(name)], args, durable=True)
        return bool(answer[0] == b"ok")

    async def of(self, name: str) -> list[Session]:
        """A person's, the newest first; also those that have run out and were not yet removed."""
        found = []
        for digest, value in await read_fields(self._database, name, _PREFIX):
            kept = _kept.decode(value)
            expires_at = min(kept.expires_at, kept.seen_at + self._idle_s)
            found.append(
                Session(digest[:ID_CHARS], kept.created_at, kept.seen_at, expires_at, kept.agent, kept.address)
            )
        return sorted(found, key=lambda session: -session.created_at)

    async def end(self, name: str, session_id: str) -> bool:
        return await remove_field(self._database, name, _PREFIX, session_id)


async def read_fields(database: StoreClient, name: str, prefix: str) -> list[tuple[str, bytes]]:
    """Digest and value of each credential of a kind."""
    (flat,) = await database.ask(("HGETALL", account_key(name)))
    pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
    return [(field.decode().removeprefix(prefix), value) for field, value in pairs if field.startswith(prefix.encode())]


async def remove_field(database: StoreClient, name: str, prefix: str, short_id: str) -> bool:
    """Removes the credential whose digest begins with `short_id`; False where there is none."""
    digests = [digest for digest, _ in await read_fields(database, name, prefix)]
    found = [digest for digest in digests if digest[:ID_CHARS] == short_id]
    if found:
        await database.ask(("HDEL", account_key(name), *(prefix + digest for digest in found)))
    return bool(found)
