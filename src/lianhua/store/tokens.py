"""API tokens, each a field of its account's hash, named by the digest of the token."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from lianhua.errors import InvalidRequest, UserNotFound
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import account_key
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.sessions import ID_CHARS, read_fields, remove_field

TOKENS: Final = 50  # of a person
NEVER_S: Final = 0
_PREFIX: Final = "t:"


class Token(Struct, frozen=True):
    """Times are Unix seconds; `expires_at` None: never. `last_used_at` is exact to a few minutes, None: never used."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float | None
    last_used_at: float | None


class _Kept(Struct):
    name: str
    scopes: tuple[str, ...]
    created_at: float
    seen_at: float
    expires_at: float = 0
    used: int = 0


_kept = msgspec.json.Decoder(_Kept)


class TokenStore:
    """Raises `UserNotFound`, `InvalidRequest`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._add = Script("credential_new")

    async def add(self, user: str, digest: str, name: str, scopes: Sequence[str], seconds: int) -> Token:
        """`seconds` until it expires, `NEVER_S` for never. Raises `InvalidRequest` where the person has too many."""
        value = msgspec.json.encode({"name": name, "scopes": scopes})
        args: list[Argument] = [_PREFIX, digest, value, seconds, NEVER_S, TOKENS, "0"]
        answer = await self._database.run(self._add, [account_key(user)], args, durable=True)
        if answer[0] == b"full":
            raise InvalidRequest("tokens", f"at most {TOKENS}; revoke one first")
        if answer[0] != b"ok":
            raise UserNotFound(user)
        return _token(digest, answer[1])

    async def of(self, user: str) -> list[Token]:
        """A person's, the newest first."""
        found = [_token(digest, value) for digest, value in await read_fields(self._database, user, _PREFIX)]
        return sorted(found, key=lambda token: -token.created_at)

    async def revoke(self, user: str, token_id: str) -> bool:
        return await remove_field(self._database, user, _PREFIX, token_id)


def _token(digest: str, value: bytes) -> Token:
    kept = _kept.decode(value)
    expires_at, used_at = kept.expires_at or None, kept.seen_at if kept.used else None
    return Token(digest[:ID_CHARS], kept.name, kept.scopes, kept.created_at, expires_at, used_at)
