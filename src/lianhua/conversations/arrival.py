"""What an import has written so far: listed at its end, or taken back."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import IO, TypeVar

import msgspec
from msgspec.structs import replace

from lianhua.chat.personas import OwnPersona, new_own_id
from lianhua.errors import (
    Unavailable,
)
from lianhua.formats.report import Tally
from lianhua.formats.values import (
    PortableConversation,
)
from lianhua.store.client.retry import after, patiently
from lianhua.store.personas import OwnPersonas
from lianhua.store.transfer.incoming import AT_ONCE, IncomingStore
from lianhua.store.transfer.staged import Staged

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Arrival:
    """What an import has written so far."""

    def __init__(
        self,
        user: str,
        incoming: IncomingStore,
        own: OwnPersonas,
        tally: Tally,
        later: IO[bytes],
        write: Callable[[IO[bytes], list[bytes]], None],
        patience_s: float,
        retry_s: float,
    ) -> None:
        """`later` is an empty file for the conversations that are known: they wait until all others are there."""
        self._later = later
        self._write = write
        self._patience_s = patience_s
        self._retry_s = retry_s
        self._user = user
        self._incoming = incoming
        self._own = own
        self._tally = tally
        self._mark = secrets.token_hex(8)
        self._wanted: set[str] = set()  # the ids of the file
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

    async def conversations(self, batch: list[tuple[PortableConversation, Staged]]) -> None:
        """Stages those that are new, and sets those aside that are known."""
        known: list[PortableConversation] = []
        new: list[tuple[PortableConversation, Staged]] = []
        for whole, one in batch:
            if self._is_again(one.wanted_id):
                known.append(whole)
            else:
                new.append((whole, one))
        for start in range(0, len(new), AT_ONCE):
            some = new[start : start + AT_ONCE]
            calls = (self._incoming.stage(self._user, self._mark, one, self._tried) for _, one in some)
            # All of them to their end: one that were still on its way would write after it was all taken back.
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            for (whole, one), outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome.is_known:
                    known.append(whole)
                else:
                    self._staged(outcome.id, whole.title, one)
        await asyncio.to_thread(self._set_aside, known)

    def _set_aside(self, known: list[PortableConversation]) -> None:
        """In a thread: one conversation can take a long time to write down."""
        self._write(self._later, [msgspec.json.encode(whole) + b"\n" for whole in known])

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(call, after(self._patience_s), self._retry_s)

    def _is_again(self, wanted: str) -> bool:
        """Whether the file has had one of that id before."""
        if wanted in self._wanted:
            return True
        self._wanted.add(wanted)
        return False

    def _staged(self, name: str, title: str, one: Staged) -> None:
        self._listed.append((name, one.updated_at, one.pinned))
        self._tally.conversations += 1
        self._tally.messages += len(one.messages)
        self._tally.skip("message", "retention", title, one.dropped)

    async def extend(self) -> None:
        """Adds what is new in the conversations that were known, one after another: what the store fails to take then
        comes when the file is brought again.
        """
        await asyncio.to_thread(self._later.seek, 0)
        while line := await asyncio.to_thread(self._later.readline):
            whole = await asyncio.to_thread(msgspec.json.decode, line, type=PortableConversation)
            await self._extend(whole)

    async def _extend(self, whole: PortableConversation) -> None:
        skip = self._tally.skip
        found = await self._patiently(lambda: self._incoming.extend(self._user, whole))
        if found is None:
            skip("conversation", "gone", whole.title)
            return
        self._tally.messages += found.new
        self._tally.extended += found.new > 0
        if not found.new:
            skip("conversation", "known_already", whole.title)
        skip("message", "known_already", count=found.known - found.changed)
        skip("message", "changed", whole.title, found.changed)
        skip("message", "retention", whole.title, found.dropped)
        skip("message", "parent_missing", whole.title, found.orphans)

    async def finish(self) -> None:
        """All of it appears, and stays."""
        if self._listed:
            names = [name for name, _, _ in self._listed]
            await self._patiently(lambda: self._incoming.enlist(self._user, self._mark, self._listed))
            gone = await self._patiently(lambda: self._incoming.settle(self._user, self._mark, names))
            self._tally.skip("conversation", "gone", count=len(gone))
            with suppress(Unavailable):  # `Transfer.start_up` comes by
                await self._incoming.settled(self._user, self._mark)

    async def take_back(self) -> None:
        """Removes what was written. What the store does not let go now ends by itself within a day."""
        try:
            await self._patiently(lambda: self._incoming.remove(self._user, self._mark, sorted(self._tried)))
            for name in self._personas:
                await self._own.remove(self._user, name)
        except Exception:
            logger.exception("an import that failed could not be taken back")


def _same(one: OwnPersona, other: OwnPersona) -> bool:
    return replace(one, created_at=0, updated_at=0) == replace(other, created_at=0, updated_at=0)
