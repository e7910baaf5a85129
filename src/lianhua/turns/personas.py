"""Whom a user can talk with: the server's personas, and the user's own."""

from collections.abc import Callable

from lianhua.chat.personas import DEFAULT_ROLE, OwnPersona, Persona, Personas, is_own_id
from lianhua.errors import PersonaNotFound, UnknownRole
from lianhua.store.personas import OwnPersonas


class AvailablePersonas:
    """Both kinds by id. One of the server's never costs a call to the store."""

    def __init__(self, personas: Personas, own: OwnPersonas) -> None:
        self._personas = personas
        self._own = own

    async def all(self, user: str | None) -> tuple[Persona, ...]:
        """The server's in their order, then the user's own, the oldest first. None: a new user, who has none yet."""
        own = await self._own.all(user) if user is not None else ()
        return (*self._personas, *(persona.as_persona() for persona in own))

    async def get(self, user: str, role: str) -> Persona:
        """Raises `UnknownRole`, for another user's own persona too."""
        if not is_own_id(role):
            return self._personas.get(role)
        try:
            return (await self._own.get(user, role)).as_persona()
        except PersonaNotFound:
            raise UnknownRole(role) from None

    async def get_or_default(self, user: str, role: str) -> Persona:
        """The persona of that id; the default where it has been taken away, by the operator or by the user."""
        try:
            return await self.get(user, role)
        except UnknownRole:
            return self._personas.get(DEFAULT_ROLE)

    # The user's own

    async def own(self, user: str) -> tuple[OwnPersona, ...]:
        """The oldest first."""
        return await self._own.all(user)

    async def get_own(self, user: str, persona_id: str) -> OwnPersona:
        """Raises `PersonaNotFound`, as the two below."""
        return await self._own.get(user, _known_form(persona_id))

    async def create(self, user: str, persona: OwnPersona) -> OwnPersona:
        """Raises `InvalidRequest` where the user has too many already."""
        return await self._own.create(user, persona)

    async def change(self, user: str, persona_id: str, edit: Callable[[OwnPersona], OwnPersona]) -> OwnPersona:
        """The persona after `edit`, which may be called more than once."""
        return await self._own.change(user, _known_form(persona_id), edit)

    async def remove(self, user: str, persona_id: str) -> None:
        """Conversations with it go on with the default persona."""
        await self._own.remove(user, _known_form(persona_id))


def _known_form(persona_id: str) -> str:
    if not is_own_id(persona_id):
        raise PersonaNotFound(f"{len(persona_id)} characters")
    return persona_id
