"""What a user has chosen for good: one hash a user, without an expiry."""

from collections.abc import Mapping
from typing import Final, cast, get_args

from msgspec import Struct

from lianhua.chat.messages import Language
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX
from lianhua.store.client.scripts import Argument, Script

_FIELDS: Final = ("default_role", "default_model", "language")


class Preferences(Struct, frozen=True):
    """None: nothing is chosen. A persona or model of that id may be gone by now, which counts as nothing chosen."""

    default_role: str | None = None
    default_model: str | None = None
    language: Language | None = None


NOTHING_PREFERRED: Final = Preferences()


class PreferenceStore:
    """Raises `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._set = Script("preference")

    async def get(self, user: str) -> Preferences:
        (values,) = await self._database.ask(("HMGET", _key(user), *_FIELDS))
        role, model, language = (value.decode() if value is not None else None for value in values)
        known = cast(Language, language) if language in get_args(Language) else None
        return Preferences(role, model, known)

    async def change(self, user: str, chosen: Mapping[str, str | None]) -> Preferences:
        """Sets what `chosen` names, fields of `Preferences`; None takes a choice back."""
        args: list[Argument] = [part for name, value in chosen.items() for part in (name, value or "")]
        await self._database.run(self._set, [_key(user)], args, durable=True)
        return await self.get(user)


def _key(user: str) -> str:
    return f"{PREFIX}:{{user:{user}}}:settings"
