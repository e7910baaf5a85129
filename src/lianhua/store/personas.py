"""The personas that users have made: one hash a user, without an expiry, for somebody has made them by hand."""

from collections.abc import Callable
from typing import Final

import msgspec

from lianhua.chat.personas import OwnPersona
from lianhua.errors import InvalidRequest, Overloaded, PersonaNotFound
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX
from lianhua.store.client.scripts import Argument, Script

OWN_PERSONAS: Final = 100  # of one user; all of them are read at once
CHANGE_TRIES: Final = 8  # against others who change the same persona at the same moment; nobody loses eight times
_persona = msgspec.json.Decoder(OwnPersona)


class OwnPersonas:
    """Raises `PersonaNotFound`, `StoreUnavailable`, `Overloaded`. Another user's id is one that does not exist."""

    def __init__(self, database: StoreClient, erased: Callable[[], None] = lambda: None) -> None:
        """`erased` is called after each removal, so that the store can clean its files up as well."""
        self._database = database
        self._erased = erased
        self._keep = Script("persona")

    async def all(self, owner: str) -> tuple[OwnPersona, ...]:
        """The owner's, the oldest first."""
        (values,) = await self._database.ask(("HVALS", _key(owner)))
        personas = [_persona.decode(value) for value in values]
        return tuple(sorted(personas, key=lambda persona: (persona.created_at, persona.id)))

    async def get(self, owner: str, persona_id: str) -> OwnPersona:
        return _persona.decode(await self._read(owner, persona_id))

    async def create(self, owner: str, persona: OwnPersona) -> OwnPersona:
        """Keeps a new persona; what comes back has its times. Raises `InvalidRequest` where the owner has too many."""
        answer = await self._put(owner, persona, b"")
        if answer[0] == b"full":
            raise InvalidRequest("personas", f"at most {OWN_PERSONAS}; delete one first")
        return _persona.decode(answer[1])

    async def change(self, owner: str, persona_id: str, edit: Callable[[OwnPersona], OwnPersona]) -> OwnPersona:
        """The persona after `edit`, which may be called again where somebody else changes it at the same moment."""
        for _ in range(CHANGE_TRIES):
            before = await self._read(owner, persona_id)
            answer = await self._put(owner, edit(_persona.decode(before)), before)
            if answer[0] == b"ok":
                return _persona.decode(answer[1])
            if answer[0] == b"missing":
                raise PersonaNotFound(persona_id)
        raise Overloaded("the persona changes faster than it can be changed")

    async def remove(self, owner: str, persona_id: str) -> None:
        await self._read(owner, persona_id)  # a script that is sent twice could not say that it was there
        args: list[Argument] = [persona_id, "", "", 0, 0]
        await self._database.run(self._keep, [_key(owner)], args, durable=True)
        self._erased()

    async def bring(self, owner: str, persona: OwnPersona) -> bool:
        """Keeps one that comes from a file, with its times. False where the owner has too many."""
        args: list[Argument] = [persona.id, msgspec.json.encode(persona), b"", OWN_PERSONAS, 1]
        answer = await self._database.run(self._keep, [_key(owner)], args, durable=True)
        return bool(answer[0] == b"ok")

    async def _read(self, owner: str, persona_id: str) -> bytes:
        (value,) = await self._database.ask(("HGET", _key(owner), persona_id))
        if value is None:
            raise PersonaNotFound(persona_id)
        found: bytes = value
        return found

    async def _put(self, owner: str, persona: OwnPersona, before: bytes) -> list[bytes]:
        # The script adds the times.
        timeless = msgspec.structs.replace(persona, updated_at=0.0)
        args: list[Argument] = [persona.id, msgspec.json.encode(timeless), before, OWN_PERSONAS, 0]
        return await self._database.run(self._keep, [_key(owner)], args, durable=True)


def _key(owner: str) -> str:
    return f"{PREFIX}:{{user:{owner}}}:personas"
