"""Whether a session or a token is good, and whose: one step, with the store's clock."""

from typing import Final, Literal, cast

import msgspec
from msgspec import Struct

from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import account_key
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.sessions import ID_CHARS, IDLE_S
from lianhua.store.users import Role

SEEN_EVERY_S: Final = 120  # "last used" is exact to this, so that a request does not become a write
Kind = Literal["s", "t", "p"]  # a session, a token, a name that a trusted proxy has sent
_scopes = msgspec.json.Decoder(list[str])


class Holder(Struct, frozen=True):
    """Who has proved to be whom. `scopes` are a token's; empty for a session. `id` names the credential."""

    name: str
    role: Role
    group: str
    scopes: tuple[str, ...]
    id: str


class CredentialStore:
    """Raises `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient, idle_s: int = IDLE_S) -> None:
        self._database = database
        self._idle_s = idle_s
        self._check = Script("credential")

    async def holder(self, kind: Kind, name: str, digest: str) -> Holder | None:
        """None: it is unknown, has run out, was revoked, or its account is not active."""
        if kind == "p":
            return await self._named(name)
        idle_s = self._idle_s if kind == "s" else 0
        args: list[Argument] = [f"{kind}:{digest}", idle_s, SEEN_EVERY_S]
        answer = await self._database.run(self._check, [account_key(name)], args)
        if answer[0] != b"ok":
            return None
        scopes = tuple(_scopes.decode(answer[3])) if kind == "t" else ()
        return Holder(name, cast(Role, answer[1].decode()), answer[2].decode(), scopes, digest[:ID_CHARS])

    async def _named(self, name: str) -> Holder | None:
        (values,) = await self._database.ask(("HMGET", account_key(name), "state", "role", "group"))
        state, role, group = (value.decode() if value else "" for value in values)
        return Holder(name, cast(Role, role), group, (), "") if state == "active" else None
