"""Somebody who talks: a message, the reply to its end, the next message, each at whichever server takes it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import aiohttp

from tests.chaos.script import Talk
from tests.support.client import Client
from tests.support.follower import Follower
from tests.support.stillness import Stopwatch, Took

AGAIN_S: Final = 0.05


@dataclass(frozen=True)
class Said:
    """A message, how long it took from its first sending until it was accepted, and who watches the reply."""

    message: str
    after: Took
    follower: Follower


class Talker:
    """`doors` are the same person at each server."""

    def __init__(self, session: aiohttp.ClientSession, doors: Sequence[Client], talk: Talk, seed: int) -> None:
        self.said: list[Said] = []
        self.refusals = 0
        self._session = session
        self._doors = doors
        self._talk = talk
        self._rng = Random(seed)
        self._name = f"talker {seed}"
        self._conversation = ""

    async def talk(self, enough: asyncio.Event) -> None:
        """One message after the other; the last one is begun before it is enough."""
        self._conversation = await self._rng.choice(self._doors).create()
        while not enough.is_set():
            said = await self._say()
            self.said.append(said)
            await said.follower.task

    async def _say(self) -> Said:
        """Sends a message under one key until it is taken, as the page does."""
        key = f"{self._name} {len(self.said)}"
        message = self._talk.question(key)
        watch = Stopwatch()
        while True:
            try:
                answer = await self._rng.choice(self._doors).send(self._conversation, message, key.replace(" ", "-"))
            except aiohttp.ClientError:
                self.refusals += 1  # nobody there
            else:
                if answer.status in (200, 202):
                    doors = self._rng.sample(self._doors, len(self._doors))
                    follower = Follower(self._session, doors, self._conversation, answer.json["turn_id"])
                    return Said(message, watch.took(), follower)
                assert answer.problem == (503, "draining"), answer.body
                self.refusals += 1
            await asyncio.sleep(AGAIN_S)

    async def was_kept_whole(self) -> None:
        """Every message that was accepted is stored once and in order, with the whole reply that was watched."""
        assert self.said, f"{self._name} was never heard"
        path = f"/api/conversations/{self._conversation}"
        assert (await self._doors[0].get(path))["message_count"] == 2 * len(self.said)
        kept = await self._doors[0].messages(self._conversation)
        newest = self.said[-len(kept) // 2 :]  # all of them, where a page holds them
        assert [message["role"] for message in kept] == ["user", "assistant"] * len(newest)
        assert [message["content"] for message in kept[::2]] == [said.message for said in newest]
        for said, reply in zip(newest, kept[1::2], strict=True):
            whole = said.follower.whole
            assert whole.end["status"] == reply["status"] == "done", whole.end
            assert whole.text == reply["content"] == self._talk.reply(said.message)
