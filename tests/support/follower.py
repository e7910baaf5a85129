"""Somebody in front of a page: follows a turn to its end, and when the stream closes goes on at the next address."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterable
from typing import Final

import aiohttp

from tests.support.client import Client, Frame, Shown, Stream, events, shown, text_of
from tests.support.stillness import Stopwatch, Took
from tests.support.waiting import until

PATIENCE_S: Final = 120.0
RETURN_S: Final = 0.05  # between a stream's end and the next try; the page waits longer


class Follower:
    """Begins at once. `doors` are tried one after the other, each time from the cursor of the last event.

    `seen_at` are the times of `frames`. Of each return, `joined_after` has how long it took until a stream stood again,
    `resumed_after` until it brought an event.
    """

    def __init__(self, session: aiohttp.ClientSession, doors: Iterable[Client], conversation: str, turn: str) -> None:
        self.frames: list[Frame] = []
        self.seen_at: list[float] = []
        self.joined_after: list[Took] = []
        self.resumed_after: list[Took] = []
        self.joined = asyncio.Event()
        self.streams = 0
        self.turn = turn
        self._session = session
        self._doors = itertools.cycle(doors)
        self._path = events(conversation, turn)
        self._lost: Stopwatch | None = None
        self.task = asyncio.create_task(self._follow(), name=f"follow {turn}")

    @property
    def text(self) -> str:
        """What is on the screen now."""
        return text_of(self.frames)

    @property
    def over(self) -> bool:
        return bool(self.frames) and self.frames[-1].name == "end"

    @property
    def whole(self) -> Shown:
        """What is on the screen after the end, held against the promises of a stream."""
        return shown(self.frames)

    async def ends(self, within_s: float = PATIENCE_S) -> Shown:
        async with asyncio.timeout(within_s):
            await self.task
        return self.whole

    async def sees(self, enough: Callable[[list[Frame]], bool], within_s: float = PATIENCE_S) -> None:
        def is_enough() -> bool:
            if enough(self.frames):
                return True
            assert not self.task.done(), (self.task, self.frames[-3:])
            return False

        await until(is_enough, within_s=within_s)

    async def sees_text(self) -> None:
        await self.sees(lambda frames: text_of(frames) != "")

    async def _follow(self) -> None:
        while not self.over:
            with contextlib.suppress(aiohttp.ClientError):  # nobody is there, or was killed with the stream open
                await self._connect(next(self._doors))
            if not self.over:
                self._lost = self._lost or Stopwatch()
                await asyncio.sleep(RETURN_S)

    async def _connect(self, door: Client) -> None:
        headers = {"Last-Event-ID": self.frames[-1].id} if self.frames else {}
        async with self._session.get(door.address(self._path), headers=headers) as response:
            if response.status != 200:
                assert response.status == 503, (response.status, await response.read())
                return
            self.streams += 1
            self.joined.set()
            lost, self._lost = self._lost, None
            if lost:
                self.joined_after.append(lost.took())
            async for frame in Stream(response):
                self.frames.append(frame)
                self.seen_at.append(time.monotonic())
                if lost:
                    self.resumed_after.append(lost.took())
                    lost = None
            if lost:
                self._lost = lost  # it brought nothing: the wait goes on
