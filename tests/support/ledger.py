"""What people were told while the store was ill, held against what is there afterwards."""

import asyncio
from dataclasses import dataclass, field
from typing import Self

import aiohttp

from tests.support.client import Answer, Client, Frame, Shown, Stream, shown
from tests.support.client import events as events_path
from tests.support.stillness import Stopwatch
from tests.support.waiting import HANGS_S, until

# A server that cannot take a turn says so at the latest after this: the page shows nothing meanwhile.
REFUSED_WITHIN_S = 12.0
RECOVERY_S = 40.0
# A turn whose worker could not reach the store is sealed within 20 s of its return.
ENDED_WITHIN_S = 30.0
POLL_S = 0.1


def is_for_now(answer: Answer) -> bool:
    """A refusal that says that it will pass, and when to come back."""
    assert answer.problem in ((503, "store_unavailable"), (503, "overloaded")), answer.body
    assert int(answer.headers["Retry-After"]) > 0
    return True


async def is_away(client: Client) -> None:
    """Waits until the server says that it cannot take work; it lives all the same."""

    async def is_said() -> bool:
        ready = await client.ask("GET", "/readyz")
        return ready.status != 200 and is_for_now(ready)

    await until(is_said, within_s=RECOVERY_S)
    assert (await client.ask("GET", "/healthz")).status == 200


async def is_back(client: Client, within_s: float = RECOVERY_S) -> None:
    """Waits until the server takes work again, by itself."""

    async def is_ready() -> bool:
        ready = await client.ask("GET", "/readyz")
        return ready.status == 200 or not is_for_now(ready)

    await until(is_ready, within_s=within_s)


@dataclass
class Sent:
    """One message under one key. `turn` once the server has taken it."""

    conversation: str
    message: str
    key: str
    turn: str | None = None
    refusals: int = 0


@dataclass
class Ledger:
    """Messages of one person, each in a conversation of its own, so that none waits for another's reply."""

    client: Client
    conversations: list[str]
    sent: list[Sent] = field(default_factory=list)

    @classmethod
    async def open(cls, client: Client, messages: int) -> Self:
        """Room for so many messages; made while the store is well."""
        return cls(client, [await client.create() for _ in range(messages)])

    async def send(self, message: str = "remember") -> Sent:
        """A new message, taken or refused in time."""
        number = len(self.sent)
        sent = Sent(self.conversations[number], f"{message} {number}", f"key-{number}")
        self.sent.append(sent)
        await self._ask(sent)
        return sent

    async def settle(self) -> None:
        """Sends again what was refused, under its key, until all is taken; then everything that was ever
        acknowledged is there exactly once, and each turn has come to one typed end.
        """

        async def all_taken() -> bool:
            waiting = [sent for sent in self.sent if sent.turn is None]
            await asyncio.gather(*(self._ask(sent) for sent in waiting))
            return not waiting

        await until(all_taken, within_s=RECOVERY_S, every_s=POLL_S)
        await asyncio.gather(*(self._is_there_once(sent) for sent in self.sent))

    async def _ask(self, sent: Sent) -> None:
        watch = Stopwatch()
        answer = await self.client.send(sent.conversation, sent.message, sent.key)
        assert watch.within(REFUSED_WITHIN_S), watch.took()
        if answer.status in (200, 202):
            sent.turn = answer.json["turn_id"]
        else:
            assert is_for_now(answer)
            sent.refusals += 1

    async def _is_there_once(self, sent: Sent) -> None:
        assert sent.turn is not None
        whole = await ended(self.client, sent.conversation, sent.turn)
        messages = await self.client.messages(sent.conversation)
        assert [message["role"] for message in messages] == ["user", "assistant"]
        assert messages[0]["content"] == sent.message
        assert (messages[1]["content"], messages[1]["status"]) == (whole.text, whole.end["status"])


async def ended(client: Client, conversation: str, turn: str) -> Shown:
    """Waits for a turn's end without looking at its events, then looks at them."""
    await until(lambda: client.is_over(conversation, turn), within_s=ENDED_WITHIN_S, every_s=POLL_S)
    return shown(await client.read(events_path(conversation, turn)))


class Watcher:
    """Somebody in front of a page: follows a turn to its end, and comes back with a cursor each time the line ends."""

    def __init__(self, session: aiohttp.ClientSession, client: Client, conversation: str, turn: str) -> None:
        self.frames: list[Frame] = []
        self._session = session
        self._address = client.address(events_path(conversation, turn))
        self.task = asyncio.create_task(self._follow(), name="watcher")

    async def whole(self, within_s: float) -> Shown:
        """What is on the screen when it is over."""
        watch = Stopwatch()
        async with asyncio.timeout(within_s + HANGS_S):
            await self.task
        assert watch.within(within_s), watch.took()
        return shown(self.frames)

    async def sees(self, events: int) -> None:
        def are_there() -> bool:
            assert len(self.frames) >= events or not self.task.done(), self.task
            return len(self.frames) >= events

        await until(are_there, within_s=RECOVERY_S)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _follow(self) -> None:
        while not (self.frames and self.frames[-1].name == "end"):
            headers = {"Last-Event-ID": self.frames[-1].id} if self.frames else {}
            async with self._session.get(self._address, headers=headers) as response:
                if response.status == 200:
                    async for frame in Stream(response):
                        self.frames.append(frame)
                else:
                    assert is_for_now(Answer(response.status, response.headers, await response.read()))
            await asyncio.sleep(POLL_S)
