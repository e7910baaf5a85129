"""Takes a user's conversations out as files, one or all, in little memory."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

import msgspec

from lianhua.chat.messages import Language
from lianhua.errors import (
    ConversationNotFound,
)
from lianhua.formats import markdown
from lianhua.formats.seal import Seal
from lianhua.formats.values import (
    END_OF_CONVERSATION,
    END_OF_CONVERSATIONS,
    head_of,
    messages_of,
    opening,
)
from lianhua.store.personas import OwnPersonas
from lianhua.store.preferences import PreferenceStore
from lianhua.store.transfer.outgoing import Leaving, OutgoingStore

PIECE_BYTES: Final = 64 * 1024  # of a file on its way out


class Exporter:
    """Raises `ConversationNotFound`, and what the store raises."""

    def __init__(
        self,
        outgoing: OutgoingStore,
        personas: OwnPersonas,
        preferences: PreferenceStore,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self._outgoing = outgoing
        self._personas = personas
        self._preferences = preferences
        self._piece_bytes = piece_bytes

    async def open(self, user: str, conversation_id: str) -> Leaving:
        """A conversation that is to leave. Raises `ConversationNotFound`."""
        return await self._outgoing.leaving(conversation_id, user)

    async def as_json(self, leaving: Leaving) -> AsyncGenerator[bytes, None]:
        """The conversation as a file of its own."""
        seal = Seal()
        yield seal.over(opening({}, []))
        async for piece in self._conversation(leaving):
            yield seal.over(piece)
        yield seal.over(END_OF_CONVERSATIONS) + seal.of_json(1)

    async def as_markdown(self, leaving: Leaving, language: Language) -> AsyncGenerator[bytes, None]:
        """The branch that is shown, for people to read."""
        seal = Seal()
        yield seal.over(markdown.opening(leaving.head, language).encode())
        last = -1
        way = await self._outgoing.way(leaving)
        async for messages in self._outgoing.messages(leaving, way):
            for message in messages:
                yield seal.over(markdown.message(message, last, language).encode())
                last = message.depth
        yield seal.over(markdown.end(last, leaving.depth, language).encode()) + seal.of_markdown()

    async def everything(self, user: str) -> AsyncGenerator[bytes, None]:
        """All that the user has: conversations, personas, settings. The same content gives the same bytes."""
        chosen = msgspec.structs.asdict(await self._preferences.get(user))
        personas = [msgspec.Raw(msgspec.json.encode(persona)) for persona in await self._personas.all(user)]
        gathered = [opening({name: value for name, value in chosen.items() if value is not None}, personas)]
        seal = Seal()
        size = count = 0
        for conversation_id in await self._outgoing.ids(user):
            with suppress(ConversationNotFound):  # it has expired, or was deleted meanwhile
                leaving = await self._outgoing.leaving(conversation_id, user)
                gathered.append(b"," if count else b"")
                count += 1
                async for piece in self._conversation(leaving):
                    gathered.append(piece)
                    size += len(piece)
                    if size >= self._piece_bytes:
                        yield seal.over(b"".join(gathered))
                        gathered, size = [], 0
        yield seal.over(b"".join(gathered) + END_OF_CONVERSATIONS) + seal.of_json(count)

    async def _conversation(self, leaving: Leaving) -> AsyncGenerator[bytes, None]:
        yield head_of(leaving.head)
        first = True
        async for messages in self._outgoing.messages(leaving):
            yield messages_of(messages, first=first)
            first = first and not messages
        yield END_OF_CONVERSATION
