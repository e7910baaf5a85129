"""Brings a file's conversations in, whatever its size, in little memory: all that is new in it, or nothing."""

import asyncio
import errno
import logging
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lianhua.chat.personas import OwnPersona
from lianhua.conversations.arrival import Arrival
from lianhua.errors import (
    DiskFull,
    InvalidRequest,
    NothingImported,
    Overloaded,
    PayloadTooLarge,
    Unavailable,
)
from lianhua.formats import seal
from lianhua.formats.archive import Document, documents_of
from lianhua.formats.convert import shortened
from lianhua.formats.json.source import Allowance
from lianhua.formats.reader import Item, Kind, Settings, items_of, kind_of
from lianhua.formats.report import ImportReport, Tally
from lianhua.formats.values import (
    FORMAT,
    PortableConversation,
)
from lianhua.store.client.retry import READ_AGAIN_S
from lianhua.store.personas import OwnPersonas
from lianhua.store.preferences import PreferenceStore
from lianhua.store.transfer.incoming import IncomingStore
from lianhua.store.transfer.staged import Staged, staged

logger = logging.getLogger(__name__)
T = TypeVar("T")

SPOOL_BYTES: Final = 1024 * 1024  # written at once, in a thread
BATCH_S: Final = 0.02  # that the thread reads before it hands over what it has
BATCH_BYTES: Final = 256 * 1024  # of texts that wait to be stored: packing them for the store takes a millisecond
EMPTY_BYTES: Final = 64  # an empty list with space around it is not longer
PERSONAS: Final = 1_000  # in a file; a user can have a tenth of them
UPLOADS_AT_ONCE: Final = 4  # in this process, those included that wait for their work to begin: each may fill the disk
IMPORTS_AT_ONCE: Final = 2  # that are worked on: each may fill a core
IMPORT_S: Final = 1_800.0  # of work: half a gigabyte takes three minutes
# Of the disk, left to the embedded store, which has its files there: to rewrite them it needs as much as they have.
KEPT_FREE_BYTES: Final = 128 * 1024 * 1024
PATIENCE_S: Final = 30.0  # with a store that is away when an import is to be made final, or taken back
LEFT_S: Final = 300.0  # how often somebody looks for imports whose process died when they were listed


class ImportLimits(Struct, frozen=True):
    """How large a file may be, how long a message in it (in characters), how long the work on it may take and a store
    that is away is waited for (in seconds), and what of the disk is left free (in bytes).
    """

    file_bytes: int
    message_chars: int
    import_s: float = IMPORT_S
    patience_s: float = PATIENCE_S
    retry_s: float = READ_AGAIN_S
    kept_free_bytes: int = KEPT_FREE_BYTES


class Importer:
    """Raises `InvalidRequest` where a file is not understood, and what the store raises. Nothing is left of an import
    that fails.
    """

    def __init__(
        self,
        incoming: IncomingStore,
        personas: OwnPersonas,
        preferences: PreferenceStore,
        folder: Path,
        limits: ImportLimits,
    ) -> None:
        """Files on their way in are in `folder`, nameless, so that they are gone when the process is."""
        self._incoming = incoming
        self._personas = personas
        self._preferences = preferences
        self._folder = folder
        self._limits = limits
        self._bringing: set[str] = set()  # users
        self._uploading: set[str] = set()  # those of them whose work has not begun
        self._slots = asyncio.Semaphore(IMPORTS_AT_ONCE)
        self._settling: asyncio.Task[None] | None = None

    def start(self) -> None:
        """From now on imports that died when they were listed are made final, at once and then every so often."""
        self._settling = asyncio.create_task(self._settle_left(), name="settle imports")

    async def stop(self) -> None:
        """Ends what goes on in the background."""
        if self._settling:
            self._settling.cancel()
            await asyncio.wait([self._settling])

    async def _settle_left(self) -> None:
        while True:
            try:
                if count := await self._incoming.settle_left():
                    logger.info("%d conversations of an import that was cut off are kept", count)
            except Unavailable as exc:
                logger.info("the store is away: %s", exc)
            except Exception:
                logger.exception("imports that were cut off cannot be made final; tried again in %.0f s", LEFT_S)
            await asyncio.sleep(LEFT_S)

    async def bring(self, user: str, chunks: AsyncIterable[bytes], *, keep: bool = False) -> ImportReport:
        """Brings in the file that comes in `chunks`: all that is new in it, or nothing.

        `keep`: what is not understood is kept as it stands in the file, beside what is.
        """
        if user in self._bringing or len(self._uploading) >= UPLOADS_AT_ONCE:
            raise Overloaded("an import is running")
        self._bringing.add(user)
        self._uploading.add(user)
        try:
            with _disk_room():
                await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
                with await asyncio.to_thread(lambda: tempfile.TemporaryFile(dir=self._folder)) as file:
                    await self._spool(file, chunks)
                    async with self._slots:
                        self._uploading.discard(user)
                        return await self._import_in_time(user, file, keep)
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
            if total > self._limits.file_bytes:
                raise PayloadTooLarge(str(total))
            if size >= SPOOL_BYTES:
                await asyncio.to_thread(self._write, file, waiting)
                waiting, size = [], 0
        await asyncio.to_thread(self._write, file, waiting)
        await asyncio.to_thread(file.flush)

    def _write(self, file: IO[bytes], lines: list[bytes]) -> None:
        """Writes as long as the disk has room for others too. Raises `DiskFull`, and `OSError` as the disk does."""
        if shutil.disk_usage(self._folder).free < self._limits.kept_free_bytes + sum(map(len, lines)):
            raise DiskFull("no room for a file")
        file.writelines(lines)

    async def _import_in_time(self, user: str, file: IO[bytes], keep: bool) -> ImportReport:
        try:
            async with asyncio.timeout(self._limits.import_s):
                # A thread is not cancelled, so it looks at the time itself.
                return await self._import(user, file, keep, time.monotonic() + self._limits.import_s)
        except TimeoutError as exc:
            raise InvalidRequest(
                "file", f"takes longer than {self._limits.import_s / 60:.0f} minutes; bring it in parts"
            ) from exc

    async def _import(self, user: str, file: IO[bytes], keep: bool, until: float) -> ImportReport:
        now = time.time()
        checked = await self._check(file, keep, now, until)
        tally = Tally(keeps=keep)
        allowance = Allowance(self._limits.file_bytes, until)
        documents = await asyncio.to_thread(documents_of, file, tally)
        with await asyncio.to_thread(lambda: tempfile.TemporaryFile(dir=self._folder)) as later:
            times = self._limits.patience_s, self._limits.retry_s
            arrival = Arrival(user, self._incoming, self._personas, tally, later, self._write, *times)
            try:
                roles = await arrival.personas(checked.personas)
                for document, kind in zip(documents, checked.kinds, strict=True):
                    if kind is None:
                        tally.skip("file", "no_conversations", document.name)
                        continue
                    items = _read(document, kind, allowance, now, tally)
                    async for batch in _in_thread(self._prepared(items, roles, tally)):
                        await arrival.conversations(batch)
                await arrival.finish()
            except BaseException:  # cancelled as well: nothing is to stay
                await asyncio.shield(asyncio.create_task(arrival.take_back(), name="take an import back"))
                raise
            await arrival.extend()
        try:
            await self._set(user, checked.settings, roles, tally)
        except Unavailable:  # nobody takes the conversations back for that
            tally.skip("setting", "store_unavailable", count=len(checked.settings))
        return tally.report(next(kind.format for kind in checked.kinds if kind))

    def _prepared(
        self, items: Iterator[tuple[Item, int]], roles: Mapping[str, str], tally: Tally
    ) -> Iterator[tuple[tuple[PortableConversation, Staged], int]]:
        """The conversations beside what the store keeps of each, with the bytes that it takes meanwhile."""
        for item, _ in items:
            if isinstance(item, PortableConversation):
                named = _with_roles(item, roles) if roles else item
                whole = shortened(named, self._limits.message_chars, tally)
                one = staged(whole, self._incoming.retention)
                yield (whole, one), 2 * sum(len(value) for _, value, _ in one.messages)

    async def _check(self, file: IO[bytes], keep: bool, now: float, until: float) -> "_Checked":
        """Reads all of it and keeps next to nothing."""
        tally = Tally(keeps=keep)
        look, sealed, allowance = (Allowance(self._limits.file_bytes, until) for _ in range(3))
        documents = await asyncio.to_thread(documents_of, file, tally)
        kinds = [await asyncio.to_thread(_kind, document, look, sealed) for document in documents]
        checked = _Checked(_known(kinds), [], {}, 0)
        for document, kind in zip(documents, checked.kinds, strict=True):
            if kind is None:
                continue
            async for batch in _in_thread(_read(document, kind, allowance, now, tally)):
                for item in batch:
                    match item:
                        case OwnPersona():
                            if len(checked.personas) == PERSONAS:
                                raise InvalidRequest("personas", f"more than {PERSONAS:,}")
                            checked.personas.append(item)
                        case Settings(values=values):
                            checked.settings.update(values)
                        case _:
                            checked.conversations += 1
        if not (checked.conversations or checked.personas or checked.settings):
            raise _nothing(next(kind.format for kind in checked.kinds if kind), tally)
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
    """What a file is, document by document (None: nothing that is known), and of what it holds that which is small."""

    kinds: list[Kind | None]
    personas: list[OwnPersona]
    settings: dict[str, str]
    conversations: int


@contextmanager
def _disk_room() -> Iterator[None]:
    """A disk that is full, or a file at its quota or limit, as our error."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DiskFull("no room for a file") from exc


def _kind(document: Document, look: Allowance, sealed: Allowance) -> Kind | InvalidRequest:
    """What a document is; why not, where that may be because it is something else. Raises `InvalidRequest`."""
    try:
        with document.open() as file:
            kind = kind_of(file, look)
    except InvalidRequest as error:
        if document.is_named and not _is_empty(document):
            raise
        return error
    if kind.format == FORMAT:
        with document.open() as file:
            seal.check(file, sealed)
    return kind


def _is_empty(document: Document) -> bool:
    """Whether a document has nothing in it: the last of several pieces may, which is no reason to refuse the others."""
    with document.open() as file:
        return file.read(EMPTY_BYTES).removeprefix(b"\xef\xbb\xbf").strip() in (b"[]", b"{}")


def _known(kinds: list[Kind | InvalidRequest]) -> list[Kind | None]:
    """Raises `InvalidRequest` where none is."""
    known = [kind if isinstance(kind, Kind) else None for kind in kinds]
    if not any(known):
        raise next(kind for kind in kinds if isinstance(kind, InvalidRequest))
    return known


def _nothing(file_format: str, tally: Tally) -> NothingImported:
    found: list[dict[str, str | int]] = [
        {"what": one.what, "reason": one.reason, "count": one.count} for one in tally.skipped
    ]
    counts = ", ".join(f"{one['count']} {one['what']} ({one['reason']})" for one in found[:10])
    reason = f"all that was found is left out: {counts}" if counts else "no conversation is in it"
    return NothingImported("file", f"is of the format {file_format}, but {reason}", found)


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
