"""People's accounts: who may log in, how they come to it, and what ends it. No HTTP."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from lianhua.auth.passwords import Passwords
from lianhua.auth.revocation import OpenRequests, Revocation
from lianhua.auth.secrets import Secret, new_secret, read_secret
from lianhua.auth.sessions import Sessions
from lianhua.auth.tokens import Tokens
from lianhua.auth.verifier import REMEMBERED_S, Proof, Verifier
from lianhua.errors import InvalidRequest, LinkUsed, LoginFailed, NameTaken, Overloaded
from lianhua.store.client.keys import ACCOUNTS_CHANNEL
from lianhua.store.client.pubsub import PubSub
from lianhua.store.erasure import PersonErasure
from lianhua.store.groups import GroupStore, InviteStore
from lianhua.store.users import Account, Role, State, UserStore

LINK_S: Final = 86_400
INVITE_S: Final = 7 * 86_400
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")  # lower case, so that no two look alike
GONE_S: Final = REMEMBERED_S + 2.0  # by then no process works for somebody whose account is being deleted
ERASE_TRIES: Final = 20
ERASE_AGAIN_S: Final = 1.0
FROM_PROXY: Final = "proxy"  # what an account was made by
_INVITED: Final = "~invited"  # in the place of a name, which cannot begin so

LoginLimit = Callable[[str, str], Awaitable[None]]


class OpenLink(Struct, frozen=True):
    """What a link is for: a new password of `name`, or, without one, an account whose name may be chosen."""

    name: str | None


async def no_limit(name: str, address: str) -> None:
    """Lets everybody try to log in."""


class Accounts:
    """Raises `LoginFailed`, `LinkUsed`, `NameTaken`, `UserNotFound`, `InvalidRequest`, and what the store raises.

    Before each login `limit` is called with the name and the address that asks; it raises where that is too often.
    """

    def __init__(
        self,
        users: UserStore,
        sessions: Sessions,
        tokens: Tokens,
        groups: GroupStore,
        invites: InviteStore,
        passwords: Passwords,
        verifier: Verifier,
        erasure: PersonErasure,
        pubsub: PubSub,
        limit: LoginLimit = no_limit,
    ) -> None:
        self.users = users
        self.sessions = sessions
        self.tokens = tokens
        self.groups = groups
        self.invites = invites
        self.verifier = verifier
        self.requests = OpenRequests()
        self.revocation = Revocation(verifier, pubsub, self.requests)
        self._passwords = passwords
        self._erasure = erasure
        self._pubsub = pubsub
        self._limit = limit

    def close(self) -> None:
        self._passwords.close()

    # Logging in and out

    async def login(self, name: str, password: str, agent: str, address: str) -> str:
        """The value of a new session's cookie. Raises `LoginFailed`, the same and as late for all that is wrong."""
        name = name.lower()
        await self._limit(name, address)
        known = await self.users.password_of(name) if NAME.fullmatch(name) else ""
        if not await self._passwords.verify(known, password):
            raise LoginFailed("wrong")
        return await self.sessions.begin(name, agent, address)

    async def admit(self, name: str, identity: str | None, groups: Sequence[str] | None, is_admin: bool | None) -> str:
        """A person whom a provider or a proxy has logged in; the account's name. They get one at first sight.

        With an `identity` the account is that one's alone, whoever comes by its name later: `NameTaken`. What is None
        stays as it is; of the `groups`, the first that exists here counts.
        """
        name = checked_name(name)
        owner = await self.users.made_by(name)
        if owner is None:
            if not await self.users.add(name, "user", "", identity or FROM_PROXY):
                raise NameTaken(name)
        elif identity is not None and owner != identity:
            raise NameTaken(name)
        account = await self.users.get(name)
        if account.state != "active":
            raise LoginFailed("not active")
        role: Role = account.role if is_admin is None else "admin" if is_admin else "user"
        group = account.group if groups is None else await self._first_of(groups)
        if (role, group) != (account.role, account.group):
            await self.change_user(name, role=role, group=group)
        return name

    async def _first_of(self, groups: Sequence[str]) -> str:
        known = {group.name for group in await self.groups.all()}
        return next((group for group in groups if group in known), "")

    async def end_session(self, name: str, session_id: str) -> bool:
        found = await self.sessions.end(name, session_id)
        await self._changed(name)
        return found

    async def revoke_token(self, name: str, token_id: str) -> bool:
        found = await self.tokens.revoke(name, token_id)
        await self._changed(name)
        return found

    async def logout(self, proof: Proof | None) -> None:
        """Ends the session of a cookie, if it is one."""
        if proof and proof.kind == "s":
            await self.end_session(proof.secret.holder, proof.secret.digest[:16])

    async def change_password(self, name: str, old: str, new: str, agent: str, address: str) -> str:
        """Ends all sessions; the value of a new one's cookie."""
        await self._limit(name, address)
        if not await self._passwords.verify(await self.users.password_of(name), old):
            raise LoginFailed("wrong")
        password_hash = await self._passwords.hash(new, name)
        await self.users.change(name, {"password": password_hash}, ends_sessions=True)
        await self._changed(name)
        return await self.sessions.begin(name, agent, address)

    # Links

    async def link(self, name: str) -> str:
        """A one-time link for a new password, good for a day; those before it are not any more."""
        text, secret = new_secret(name)
        await self.users.add_link(name, secret.digest, LINK_S)
        return text

    async def invite(self, role: Role, group: str, made_by: str, seconds: int = INVITE_S) -> str:
        """A link with which one person makes an account."""
        await self._check_group(group)
        text, secret = new_secret(_INVITED)
        await self.invites.add(secret.digest, role, group, made_by, seconds)
        return text

    async def read_link(self, text: str) -> OpenLink:
        """What a link is for. Raises `LinkUsed` where it is no good."""
        secret = _read_link(text)
        if secret.holder == _INVITED:
            if await self.invites.take(secret.digest, ""):
                return OpenLink(None)
        elif await self.users.link_is_good(secret.holder, secret.digest):
            return OpenLink(secret.holder)
        raise LinkUsed("no good")

    async def accept(self, text: str, name: str, password: str, agent: str, address: str) -> str:
        """Uses a link up; the value of a session's cookie. `name` is for an invite only."""
        secret = _read_link(text)
        await self._limit(secret.holder, address)
        if secret.holder == _INVITED:
            name = await self._accept_invite(secret, name, password)
        else:
            name = secret.holder
            await self.read_link(text)  # before a password is hashed for anybody
            if not await self.users.use_link(name, secret.digest, await self._passwords.hash(password, name)):
                raise LinkUsed("no good")
            await self._changed(name)
        return await self.sessions.begin(name, agent, address)

    async def _accept_invite(self, secret: Secret, name: str, password: str) -> str:
        name = checked_name(name)
        if not await self.invites.take(secret.digest, ""):
            raise LinkUsed("no good")
        password_hash = await self._passwords.hash(password, name)
        invite = await self.invites.take(secret.digest, name)
        if not invite:
            raise LinkUsed("no good")
        if not await self.users.add(name, invite.role, invite.group, secret.digest, password_hash):
            await self.invites.give_back(secret.digest)
            raise NameTaken(name)
        await self.invites.remove(secret.digest)
        return name

    # What administrators do

    async def add_user(self, name: str, role: Role, group: str = "") -> str:
        """A new account; its one-time link. Raises `NameTaken`."""
        name = checked_name(name)
        await self._check_group(group)
        if not await self.users.add(name, role, group, secrets.token_hex(16)):
            raise NameTaken(name)
        return await self.link(name)

    async def change_user(
        self, name: str, *, role: Role | None = None, group: str | None = None, state: State | None = None
    ) -> Account:
        """Changes what is not None, and ends all of the person's sessions."""
        if group is not None:
            await self._check_group(group)
        chosen = {"role": role, "group": group, "state": state}
        fields = {field: value for field, value in chosen.items() if value is not None}
        await self.users.change(name, fields, ends_sessions=True)
        await self._changed(name)
        return await self.users.get(name)

    async def delete_user(self, name: str) -> None:
        """Erases all that is a person's, the account last. Cut off, it can be called again.

        First nobody works for them any more, in any process; what was written until then goes in a later round.
        """
        clock = asyncio.get_running_loop().time
        await self.users.change(name, {"state": "deleting", "password": ""}, ends_sessions=True)
        began_s = clock()
        await self._changed(name)
        await self._erasure.erase(name)
        await asyncio.sleep(max(0.0, began_s + GONE_S - clock()))
        for _ in range(ERASE_TRIES):
            if not await self._erasure.erase(name):
                await self.users.remove(name)
                return
            await asyncio.sleep(ERASE_AGAIN_S)
        raise Overloaded("something is still written for that person")

    async def _check_group(self, group: str) -> None:
        if group and not await self.groups.get(group):
            raise InvalidRequest("group", "there is no such group")

    async def _changed(self, name: str) -> None:
        self.verifier.forget(name)
        await self._pubsub.tell(ACCOUNTS_CHANNEL, name)


def checked_name(name: str) -> str:
    """A person's name as it is kept. Raises `InvalidRequest`."""
    lower = name.lower()
    if not NAME.fullmatch(lower):
        raise InvalidRequest("name", "1 to 64 of a-z, 0-9, dot, dash, underscore and @, a letter or digit first")
    return lower


def _read_link(text: str) -> Secret:
    secret = read_secret(text)
    if not secret or not (secret.holder == _INVITED or NAME.fullmatch(secret.holder)):
        raise LinkUsed("none of ours")
    return secret
