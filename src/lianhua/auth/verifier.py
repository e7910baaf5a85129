"""Who a cookie or a token is, remembered for a few seconds: a request then asks the store nothing."""

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from lianhua.auth.identity import UNLIMITED, Identity
from lianhua.auth.secrets import Secret, read_secret
from lianhua.auth.tokens import read_token
from lianhua.errors import NotAuthenticated
from lianhua.store.credentials import CredentialStore, Kind

REMEMBERED_S: Final = 4.0  # with the way to the store below 5 s: how late a revocation is where its hint was lost
MOST_REMEMBERED: Final = 20_000  # then all are forgotten: each is asked for once more


class Proof(Struct, frozen=True):
    """What a request proves itself with."""

    kind: Kind
    secret: Secret


class Verifier:
    """Raises `NotAuthenticated`, and what the store raises."""

    def __init__(self, store: CredentialStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[Proof, tuple[Identity, float]] = {}

    async def identify(self, proof: Proof | None) -> Identity:
        """Who it is. Raises `NotAuthenticated` for None, and for what is no good any more."""
        if proof is None:
            raise NotAuthenticated("nothing that proves anything")
        known = self._known.get(proof)
        if known and known[1] > self._clock():
            return known[0]
        return await self.look(proof)

    async def look(self, proof: Proof) -> Identity:
        """`identify`, by asking the store."""
        asked_s = self._clock()
        holder = await self._store.holder(proof.kind, proof.secret.holder, proof.secret.digest)
        if holder is None:
            self._known.pop(proof, None)
            raise NotAuthenticated("unknown, run out or revoked")
        is_token = proof.kind == "t"
        identity = Identity(
            holder.name,
            holder.role,
            holder.group,
            frozenset(holder.scopes) if is_token else UNLIMITED,
            holder.id if proof.kind == "s" else None,
            holder.id if is_token else None,
        )
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[proof] = identity, asked_s + REMEMBERED_S
        return identity

    def forget(self, name: str = "") -> None:
        """What is known of a person, of everybody without a name, is asked for again."""
        for proof in [proof for proof in self._known if not name or proof.secret.holder == name]:
            del self._known[proof]


def proof_of(cookie: str, authorization: str | None) -> Proof | None:
    """What a request brings. Where it has an `Authorization`, the cookie does not count, whatever that holds."""
    if authorization is not None:
        token = read_token(authorization)
        return Proof("t", token) if token else None
    session = read_secret(cookie)
    return Proof("s", session) if session else None
