"""Groups of people and the invites into them: one hash each, read and changed as JSON."""

from typing import Final

import msgspec
from msgspec import Struct

from lianhua.errors import InvalidRequest
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.users import Role

GROUPS: Final = 200  # of a server
INVITES: Final = 500  # that are open at once
_GROUPS: Final = f"{PREFIX}:{{accounts}}:groups"
_INVITES: Final = f"{PREFIX}:{{accounts}}:invites"


class Group(Struct, frozen=True, omit_defaults=True):
    """What the people of a group may do. `models` None: all; the retention bounds (days, messages) None: the server's.
    `temporary_only`: nothing of theirs is to be kept. `budgets` is for whoever counts what they use.
    """

    name: str
    models: tuple[str, ...] | None = None
    retention_days: float | None = None
    retention_messages: int | None = None
    temporary_only: bool = False
    budgets: dict[str, float] = {}


class Invite(Struct, frozen=True):
    """Who accepts it gets the role and the group. Times are Unix seconds."""

    role: Role
    group: str
    made_by: str
    expires_at: float
    taken_by: str = ""


class OpenInvite(Struct, frozen=True):
    """An invite as administrators see it; `id` is the beginning of its digest."""

    id: str
    invite: Invite


_group = msgspec.json.Decoder(Group)
_invite = msgspec.json.Decoder(Invite)


class GroupStore:
    """Raises `InvalidRequest`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database

    async def all(self) -> list[Group]:
        (values,) = await self._database.ask(("HVALS", _GROUPS))
        return sorted((_group.decode(value) for value in values), key=lambda group: group.name)

    async def get(self, name: str) -> Group | None:
        (value,) = await self._database.ask(("HGET", _GROUPS, name))
        return _group.decode(value) if value else None

    async def put(self, group: Group) -> None:
        """Keeps a group, new or changed. Raises `InvalidRequest` where there are too many."""
        (count,) = await self._database.ask(("HLEN", _GROUPS))
        if count >= GROUPS and not await self.get(group.name):
            raise InvalidRequest("groups", f"at most {GROUPS}")
        await self._database.ask(("HSET", _GROUPS, group.name, msgspec.json.encode(group)))

    async def remove(self, name: str) -> None:
        await self._database.ask(("HDEL", _GROUPS, name))


class InviteStore:
    """Raises `InvalidRequest`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._new, self._take = Script("invite_new"), Script("invite_take")

    async def add(self, digest: str, role: Role, group: str, made_by: str, seconds: int) -> Invite:
        value = msgspec.json.encode({"role": role, "group": group, "made_by": made_by})
        args: list[Argument] = [digest, value, seconds, INVITES]
        answer = await self._database.run(self._new, [_INVITES], args, durable=True)
        if answer[0] == b"full":
            raise InvalidRequest("invites", f"at most {INVITES} are open at once")
        return _invite.decode(answer[1])

    async def take(self, digest: str, name: str) -> Invite | None:
        """Gives the invite to `name`, if nobody else has it; None where it is no good. An empty name only looks."""
        answer = await self._database.run(self._take, [_INVITES], [digest, name], durable=bool(name))
        return _invite.decode(answer[1]) if answer[0] == b"ok" else None

    async def give_back(self, digest: str) -> None:
        """Nobody has it any more: the name was taken."""
        await self._database.run(self._take, [_INVITES], [digest, "", "1"], durable=True)

    async def remove(self, digest: str) -> None:
        await self._database.ask(("HDEL", _INVITES, digest))

    async def all(self) -> list[OpenInvite]:
        """Those not yet accepted, the first to run out first."""
        return sorted(
            (OpenInvite(digest[:16], invite) for digest, invite in await self._each()),
            key=lambda one: one.invite.expires_at,
        )

    async def revoke(self, invite_id: str) -> bool:
        found = [digest for digest, _ in await self._each() if digest[:16] == invite_id]
        for digest in found:
            await self.remove(digest)
        return bool(found)

    async def _each(self) -> list[tuple[str, Invite]]:
        (flat,) = await self._database.ask(("HGETALL", _INVITES))
        pairs = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        return [(digest.decode(), _invite.decode(value)) for digest, value in pairs]
