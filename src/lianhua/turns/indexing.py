"""What turns have said becomes quick to find a moment later, many conversations at once, when the process has time.

Until then the search reads those conversations, see `store/search/index`: so what is dropped here is found all the
same.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from typing import Final

from lianhua.errors import ConversationNotFound, Unavailable
from lianhua.store.search.index import NewTexts

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 1_000  # conversations; the oldest gives way
AT_ONCE: Final = 16  # conversations in one round trip: 1 ms of the store
GATHER_S: Final = 0.2
BUSY_S: Final = 0.02  # a timer that comes so late says that others are to go first
LONGEST_S: Final = 5.0  # however busy the process is

IndexEach = Callable[[Sequence[NewTexts]], Awaitable[None]]


class IndexQueue:
    """Owns one task while anything waits. `stop` drops what does."""

    def __init__(self, index: IndexEach, gather_s: float = GATHER_S) -> None:
        self._index = index
        self._gather_s = gather_s
        self._waiting: dict[str, NewTexts] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, conversation_id: str, owner: str, texts: Mapping[str, str]) -> None:
        """`texts` by what `unsigned` calls them in the store."""
        before = self._waiting.pop(conversation_id, None)
        known = {**before.texts, **texts} if before else texts
        if len(self._waiting) >= MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[conversation_id] = NewTexts(conversation_id, owner, known)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="index new texts", context=Context())

    def forget(self, conversation_id: str) -> None:
        """The conversation is being erased."""
        self._waiting.pop(conversation_id, None)

    async def stop(self) -> None:
        self._waiting.clear()
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._waiting:
            await self._gather()
            while self._waiting:
                some = [self._waiting.pop(name) for name in list(self._waiting)[:AT_ONCE]]
                try:
                    await self._index(some)
                except (ConversationNotFound, Unavailable):
                    logger.info("%d conversations: the search has to read them", len(some))
                except Exception:
                    logger.exception("%d conversations are not indexed: a bug in Lianhua", len(some))

    async def _gather(self) -> None:
        """Returns when others have come, and the loop is not late."""
        clock = asyncio.get_running_loop().time
        began = clock()
        late = BUSY_S
        while late >= BUSY_S and clock() - began < LONGEST_S:
            due = clock() + self._gather_s
            await asyncio.sleep(self._gather_s)
            late = clock() - due
