"""Takes a user's conversations out as a file and brings a file's in, whatever its size, in little memory."""

import asyncio
import logging
import secrets
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lianhua.errors import ConversationNotFound, InvalidRequest, Overloaded, PayloadTooLarge, Unavailable
from lianhua.exchange import markdown
from lianhua.exchange.archive import Document, documents_of
from lianhua.exchange.conversation import shortened
from lianhua.exchange.portable import (
    END,
    END_OF_CONVERSATION,
    PortableConversation,
    head_of,
    messages_of,
    opening,
)
from lianhua.exchange.reading import Item, Kind, Settings, items_of, kind_of
from lianhua.exchange.report import ImportReport, Tally
from lianhua.exchange.source import Allowance
from lianhua.messages import Language
from lianhua.personas import OwnPersona, new_own_id
from lianhua.store.carry import AT_ONCE, Carrier, Leaving, Staged, staged
from lianhua.store.own_personas import OwnPersonas
from lianhua.store.preferences import PreferenceStore

logger = logging.getLogger(__name__)
T = TypeVar("T")

PIECE_BYTES: Final = 64 * 1024  # of a file on its way out
SPOOL_BYTES: Final = 1024 * 1024  # written at once, in a thread
BATCH_S: Final = 0.02  # that the thread reads before it hands over what it has
BATCH_BYTES: Final = 256 * 1024  # of texts that wait to be stored: packing them for the store takes a millisecond
PERSONAS: Final = 1_000  # in a file; a user can have a tenth of them
UPLOADS_AT_ONCE: Final = 4  # in this process, those included that wait for their work to begin: each may fill the disk
IMPORTS_AT_ONCE: Final = 2  # that are worked on: each may fill a core
IMPORT_S: Final = 1_800.0  # of work: half a gigabyte takes three minutes
PATIENCE_S: Final = 30.0  # with a store that is away when an import is to be made final, or taken back
RETRY_S: Final = 0.5


class Transfer:
    """Raises `InvalidRequest` where a file is not understood, and what the store raises. Nothing is left of an import
    that fails.
    """

    def __init__(
        self,
        carrier: Carrier,
        personas: OwnPersonas,
        preferences: PreferenceStore,
        folder: Path,
        limit_bytes: int,
        message_chars: int,
    ) -> None:
        """Files on their way in are in `folder`, nameless, so that they are gone when the process is.

        `limit_bytes` is of a file, `message_chars` of a message that comes in.
        """
        self._carrier = carrier
        self._personas = personas
        self._preferences = preferences
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._message_chars = message_chars
        self._bringing: set[str] = set()  # users
        self._uploading: set[str] = set()  # those of them whose work has not begun
        self._slots = asyncio.Semaphore(IMPORTS_AT_ONCE)

    # Out

    async def open(self, user: str, conversation_id: str) -> Leaving:
        """A conversation that is to leave. Raises `ConversationNotFound`."""
        return await self._carrier.leaving(conversation_id, user)

    async def as_json(self, leaving: Leaving) -> AsyncGenerator[bytes, None]:
        """The conversation as a file of its own."""
        yield opening({}, [])
        async for piece in self._conversation(leaving):
            yield piece
        yield b"\n" + END

    async def as_markdown(self, leaving: Leaving, language: Language) -> AsyncGenerator[bytes, None]:
        """The branch that is shown, for people to read."""
        yield markdown.opening(leaving.head, language).encode()
        last = -1
        way = await self._carrier.way(leaving)
        async for messages in self._carrier.messages(leaving, way):
            for message in messages:
                yield markdown.message(message, last, language).encode()
                last = message.depth
        yield markdown.end(last, leaving.depth, language).encode()

    async def everything(self, user: str) -> AsyncGenerator[bytes, None]:
        """All that the user has: conversations, personas, settings. The same content gives the same bytes."""
        chosen = msgspec.structs.asdict(await self._preferences.get(user))
        personas = [msgspec.Raw(msgspec.json.encode(persona)) for persona in await self._personas.all(user)]
        gathered = [opening({name: value for name, value in chosen.items() if value is not None}, personas)]
        size = first = 0
        for conversation_id in await self._carrier.ids(user):
            with suppress(ConversationNotFound):  # it has expired, or was deleted meanwhile
                leaving = await self._carrier.leaving(conversation_id, user)
                gathered.append(b"," if first else b"")
                first = 1
                async for piece in self._conversation(leaving):
                    gathered.append(piece)
                    size += len(piece)
                    if size >= PIECE_BYTES:
                        yield b"".join(gathered)
                        gathered, size = [], 0
        yield b"".join(gathered) + b"\n" + END

    async def _conversation(self, leaving: Leaving) -> AsyncGenerator[bytes, None]:
        yield head_of(leaving.head)
        first = True
        async for messages in self._carrier.messages(leaving):
            yield messages_of(messages, first=first)
            first = first and not messages
        yield END_OF_CONVERSATION

    # In

    async def bring(self, user: str, chunks: AsyncIterable[bytes]) -> ImportReport:
        """Brings in the file that comes in `chunks`: all of it or nothing."""
        if user in self._bringing or len(self._uploading) >= UPLOADS_AT_ONCE:
            raise Overloaded("an import is running")
        self._bringing.add(user)
        self._uploading.add(user)
        try:
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
            with await asyncio.to_thread(lambda: tempfile.TemporaryFile(dir=self._folder)) as file:
                await self._spool(file, chunks)
                async with self._slots:
                    self._uploading.discard(user)
                    return await self._import_in_time(user, file)
        finally:
            self._bringing.discard(user)
            self._uploading.discard(user)

    async def _spool(self, file: IO[bytes], chunks: AsyncIterable[bytes]) -> None:
        waiting: list[bytes] = []
        total = size = 0
        async for chunk in chunks:
            waiting.append(chunk)
            size += len(chunk)
            total += len(chunk)
            if total > self._limit_bytes:
                raise PayloadTooLarge(str(total))
            if size >= SPOOL_BYTES:
                await asyncio.to_thread(file.writelines, waiting)
                waiting, size = [], 0
        await asyncio.to_thread(file.writelines, waiting)

    async def _import_in_time(self, user: str, file: IO[bytes]) -> ImportReport:
        try:
            async with asyncio.timeout(IMPORT_S):
                # A thread is not cancelled, so it looks at the time itself.
                return await self._import(user, file, time.monotonic() + IMPORT_S)
        except TimeoutError as exc:
            raise InvalidRequest("file", f"takes longer than {IMPORT_S / 60:.0f} minutes; bring it in parts") from exc

    async def _import(self, user: str, file: IO[bytes], until: float) -> ImportReport:
        now = time.time()
        checked = await self._check(file, now, until)
        tally = Tally()
        allowance = Allowance(self._limit_bytes, until)
        documents = await asyncio.to_thread(documents_of, file, tally)
        arrival = _Arrival(user, self._carrier, self._personas, tally)
        try:
            roles = await arrival.personas(checked.personas)
            for document, kind in zip(documents, checked.kinds, strict=True):
                items = _read(document, kind, allowance, now, tally)
                async for batch in _in_thread(self._prepared(items, roles, tally)):
                    await arrival.conversations(batch)
            await arrival.finish()
        except BaseException:  # cancelled as well: nothing is to stay
            await asyncio.shield(asyncio.create_task(arrival.take_back(), name="take an import back"))
            raise
        try:
            await self._set(user, checked.settings, roles, tally)
        except Unavailable:  # nobody takes the conversations back for that
            tally.skip("setting", "store_unavailable", count=len(checked.settings))
        return tally.report(checked.kinds[0].format)

    def _prepared(
        self, items: Iterator[tuple[Item, int]], roles: Mapping[str, str], tally: Tally
    ) -> Iterator[tuple[tuple[str, Staged], int]]:
        """The conversations as the store keeps them, titles beside them, with the bytes that each takes meanwhile."""
        for item, _ in items:
            if isinstance(item, PortableConversation):
                named = _with_roles(item, roles) if roles else item
                one = staged(shortened(named, self._message_chars, tally), self._carrier.retention)
                yield (named.title, one), sum(len(value) for _, value, _ in one.messages)

    async def _check(self, file: IO[bytes], now: float, until: float) -> "_Checked":
        """Reads all of it and keeps next to nothing."""
        tally, look, allowance = Tally(), Allowance(self._limit_bytes, until), Allowance(self._limit_bytes, until)
        documents = await asyncio.to_thread(documents_of, file, tally)
        kinds = [await asyncio.to_thread(_kind, document, look) for document in documents]
        checked = _Checked(kinds, [], {})
        for document, kind in zip(documents, kinds, strict=True):
            async for batch in _in_thread(_read(document, kind, allowance, now, tally)):
                for item in batch:
                    match item:
                        case OwnPersona():
                            if len(checked.personas) == PERSONAS:
                                raise InvalidRequest("personas", f"more than {PERSONAS:,}")
                            checked.personas.append(item)
                        case Settings(values=values):
                            checked.settings.update(values)
        return checked

    async def _set(self, user: str, settings: Mapping[str, str], roles: Mapping[str, str], tally: Tally) -> None:
        """Only what the user has not set already."""
        has = msgspec.structs.asdict(await self._preferences.get(user))
        for name in settings.keys() - has.keys():
            tally.skip("setting", "unknown", name)
        wanted = {name: roles.get(value, value) for name, value in settings.items() if name in has}
        for name, value in wanted.items():
            if has[name] is not None and has[name] != value:
                tally.skip("setting", "set_already", name)
        if new := {name: value for name, value in wanted.items() if has[name] is None}:
            await self._preferences.change(user, new)


class _Checked(Struct):
    """What a file is, document by document, and of what it holds that which is small."""

    kinds: list[Kind]
    personas: list[OwnPersona]
    settings: dict[str, str]


class _Arrival:
    """What an import has written so far."""

    def __init__(self, user: str, carrier: Carrier, own: OwnPersonas, tally: Tally) -> None:
        self._user = user
        self._carrier = carrier
        self._own = own
        self._tally = tally
        self._mark = secrets.token_hex(8)
        self._tried: set[str] = set()  # every id that may have been written to
        self._listed: list[tuple[str, float, bool]] = []
        self._personas: list[str] = []

    async def personas(self, personas: list[OwnPersona]) -> dict[str, str]:
        """Keeps those that the user does not have; the new ids of those that had to get one."""
        has = {persona.id: persona for persona in await self._own.all(self._user)}
        roles: dict[str, str] = {}
        for persona in personas:
            if (known := has.get(persona.id)) and _same(known, persona):
                self._tally.skip("persona", "known_already", persona.name)
                continue
            kept = replace(persona, id=new_own_id()) if known else persona
            if not await self._own.bring(self._user, kept):
                self._tally.skip("persona", "too_many", persona.name)
                continue
            has[kept.id] = kept
            self._personas.append(kept.id)
            self._tally.personas += 1
            if known:
                roles[persona.id] = kept.id
                self._tally.skip("persona", "new_id", persona.name)
        return roles

    async def conversations(self, batch: list[tuple[str, Staged]]) -> None:
        """Stages them, titles beside them."""
        for start in range(0, len(batch), AT_ONCE):
            calls = (self._stage(title, one) for title, one in batch[start : start + AT_ONCE])
            # All of them to their end: one that were still on its way would write after it was all taken back.
            for outcome in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _stage(self, title: str, one: Staged) -> None:
        landed = await self._carrier.stage(self._user, self._mark, one, self._tried)
        self._listed.append((landed.id, one.updated_at, one.pinned))
        self._tally.conversations += 1
        self._tally.messages += len(one.messages)
        self._tally.skip("message", "retention", title, one.dropped)
        if landed.is_copy:  # of somebody else's nobody learns that it exists
            self._tally.skip("conversation", "new_id", title)

    async def finish(self) -> None:
        """All of it appears, and stays."""
        if self._listed:
            names = [name for name, _, _ in self._listed]
            await _patiently(lambda: self._carrier.enlist(self._user, self._mark, self._listed))
            gone = await _patiently(lambda: self._carrier.settle(self._user, self._mark, names))
            self._tally.skip("conversation", "gone", count=len(gone))

    async def take_back(self) -> None:
        """Removes what was written. What the store does not let go now ends by itself within a day."""
        try:
            await _patiently(lambda: self._carrier.remove(self._user, self._mark, sorted(self._tried)))
            for name in self._personas:
                await self._own.remove(self._user, name)
        except Exception:
            logger.exception("an import that failed could not be taken back")


def _same(one: OwnPersona, other: OwnPersona) -> bool:
    return replace(one, created_at=0, updated_at=0) == replace(other, created_at=0, updated_at=0)


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Again and again while the store is away."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_S
    while True:
        try:
            return await call()
        except Unavailable:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(RETRY_S)


def _kind(document: Document, allowance: Allowance) -> Kind:
    with document.open() as file:
        return kind_of(file, allowance)


def _read(document: Document, kind: Kind, allowance: Allowance, now: float, tally: Tally) -> Iterator[tuple[Item, int]]:
    """What is in a document, with the bytes that it takes while it waits."""
    with document.open() as file:
        for item in items_of(file, kind, allowance, now, tally):
            yield item, 0


def _with_roles(conversation: PortableConversation, roles: Mapping[str, str]) -> PortableConversation:
    """Where a persona got a new id, what was said with it follows."""
    messages = tuple(
        replace(message, persona=roles[message.persona]) if message.persona and message.persona in roles else message
        for message in conversation.messages
    )
    return replace(conversation, role=roles.get(conversation.role, conversation.role), messages=messages)


async def _in_thread(things: Iterator[tuple[Any, int]]) -> AsyncGenerator[list[Any], None]:
    """What an iterator gives, some at a time: it runs in a thread, and not on while nobody takes what it gave."""

    def some() -> tuple[list[Any], bool]:
        taken: list[Any] = []
        size = 0
        until = time.perf_counter() + BATCH_S
        for thing, weight in things:
            taken.append(thing)
            time.sleep(0)  # whoever waits for the interpreter gets it now, not after its 5 ms
            size += weight
            if size > BATCH_BYTES or time.perf_counter() > until:
                return taken, True
        return taken, False

    more = True
    while more:
        taken, more = await asyncio.to_thread(some)
        yield taken
