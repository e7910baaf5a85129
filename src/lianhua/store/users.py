"""Accounts: one hash a person, with the hashes of what they log in with, so that all of it changes in one step.

`lianhua:{user:NAME}:account` has `role`, `group`, `state`, `password` (an argon2 hash), `created_at`, and a field for
each credential: `s:DIGEST` a login session, `t:DIGEST` an API token, `l:DIGEST` a one-time link. A digest is the
SHA-256 of what its holder has; nothing here lets anybody in.
"""

from collections.abc import Sequence
from typing import Final, Literal, cast

from msgspec import Struct

from lianhua.errors import Overloaded, UserNotFound
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX, account_key
from lianhua.store.client.scripts import Argument, Script

ACCOUNTS: Final = 10_000  # of a server: an administrator reads all of them
AT_ONCE: Final = 500  # accounts that are read in one round trip

Role = Literal["admin", "user"]
State = Literal["active", "disabled", "deleting"]
_NAMES: Final = f"{PREFIX}:{{accounts}}:names"
_FIELDS: Final = ("role", "group", "state", "created_at", "password")


class Account(Struct, frozen=True):
    """A person who may log in. `created_at` is in Unix seconds; without a password they need a one-time link."""

    name: str
    role: Role
    group: str
    state: State
    created_at: float
    has_password: bool


class UserStore:
    """Raises `UserNotFound`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._add, self._set, self._use_link = Script("account_new"), Script("account_set"), Script("link_use")

    async def add(self, name: str, role: Role, group: str, attempt: str, password_hash: str = "") -> bool:
        """Makes an account; False where there is one of that name. The same `attempt`, repeated, is the same account.

        The name is listed first: one that is cut off in between is listed and does not exist.
        """
        (count,) = await self._database.ask(("ZCARD", _NAMES))
        if count >= ACCOUNTS:
            raise Overloaded(f"at most {ACCOUNTS} accounts")
        await self._database.ask(("ZADD", _NAMES, "NX", 0, name))
        args: list[Argument] = [attempt, role, group, password_hash]
        answer = await self._database.run(self._add, [account_key(name)], args, durable=True)
        return bool(answer[0] == b"ok")

    async def get(self, name: str) -> Account:
        (values,) = await self._database.ask(("HMGET", account_key(name), *_FIELDS))
        if found := _account(name, values):
            return found
        raise UserNotFound(name)

    async def made_by(self, name: str) -> str | None:
        """The attempt that has made the account; None where there is no such account."""
        (value,) = await self._database.ask(("HGET", account_key(name), "attempt"))
        return value.decode() if value is not None else None

    async def all(self) -> list[Account]:
        """Every account, by name."""
        (names,) = await self._database.ask(("ZRANGE", _NAMES, 0, -1))
        found: list[Account] = []
        for start in range(0, len(names), AT_ONCE):
            some = [name.decode() for name in names[start : start + AT_ONCE]]
            rows = await self._database.ask(*(("HMGET", account_key(name), *_FIELDS) for name in some))
            found += [account for name, row in zip(some, rows, strict=True) if (account := _account(name, row))]
        return found

    async def password_of(self, name: str) -> str:
        """The hash of an active account's password; empty where there is none to log in with."""
        (values,) = await self._database.ask(("HMGET", account_key(name), "state", "password"))
        return values[1].decode() if values[0] == b"active" and values[1] else ""

    async def change(self, name: str, fields: dict[str, str], *, ends_sessions: bool, kept: str = "") -> None:
        """Sets fields of `Account` or `password`. With `ends_sessions` all login sessions end but the digest `kept`."""
        pairs = [part for pair in fields.items() for part in pair]
        args: list[Argument] = [int(ends_sessions), f"s:{kept}", *pairs]
        answer = await self._database.run(self._set, [account_key(name)], args, durable=True)
        if answer[0] == b"missing":
            raise UserNotFound(name)

    async def add_link(self, name: str, digest: str, seconds: int) -> None:
        """A one-time link, in the place of those before it."""
        await self.get(name)
        await self._database.run(Script("link_new"), [account_key(name)], [digest, seconds], durable=True)

    async def use_link(self, name: str, digest: str, password_hash: str) -> bool:
        """Sets the password by a one-time link, which is used up, and ends all sessions; False where it is no good."""
        answer = await self._database.run(self._use_link, [account_key(name)], [digest, password_hash], durable=True)
        return bool(answer[0] == b"ok")

    async def link_is_good(self, name: str, digest: str) -> bool:
        answer = await self._database.run(self._use_link, [account_key(name)], [digest, ""])
        return bool(answer[0] == b"ok")

    async def remove(self, name: str) -> None:
        """The account itself, last of all that is the person's."""
        await self._database.ask(("UNLINK", account_key(name)))
        await self._database.ask(("ZREM", _NAMES, name))


def _account(name: str, values: Sequence[bytes | None]) -> Account | None:
    role, group, state, created_at, password = (value.decode() if value else "" for value in values)
    if not role:
        return None
    return Account(name, cast(Role, role), group, cast(State, state), float(created_at), bool(password))
