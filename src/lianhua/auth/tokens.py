"""API tokens: made and shown once, kept as a digest."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from lianhua.auth.secrets import TOKEN_PREFIX, Secret, new_secret, read_secret
from lianhua.store.tokens import Token, TokenStore

SCOPES: Final = ("chat", "read", "admin")


class NewToken(Struct, frozen=True):
    """`text` is what the caller sends; nobody can read it again."""

    text: str
    token: Token


class Tokens:
    """Raises `UserNotFound`, `InvalidRequest`, `StoreUnavailable`, `Overloaded`."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store

    async def make(self, user: str, name: str, scopes: Sequence[str], seconds: int) -> NewToken:
        """`seconds` until it expires, 0 for never. `scopes` are of `SCOPES`."""
        text, secret = new_secret(user)
        token = await self._store.add(user, secret.digest, name, scopes, seconds)
        return NewToken(TOKEN_PREFIX + text, token)

    async def of(self, user: str) -> list[Token]:
        return await self._store.of(user)

    async def revoke(self, user: str, token_id: str) -> bool:
        return await self._store.revoke(user, token_id)


def read_token(authorization: str) -> Secret | None:
    """The token of an `Authorization` header (RFC 6750, 2.1); None where it holds none of ours."""
    scheme, _, text = authorization.partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text.startswith(TOKEN_PREFIX):
        return None
    return read_secret(text.removeprefix(TOKEN_PREFIX))
