"""People who talk with the workers: they send, watch, drop, come back elsewhere, and write down all that they meet."""

import asyncio
import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp

from tests.chaos.event_reader import EventReader
from tests.chaos.history import (
    Accepted,
    Asked,
    Closed,
    Cursor,
    History,
    Nothing,
    Opened,
    Refused,
    Seen,
    StopAnswered,
    StopAsked,
    Stored,
    StoredMessage,
    TurnRead,
    now,
)
from tests.chaos.script import Talk
from tests.support.client import turns

# A frozen worker takes a connection and never answers. Under an outage of the store a turn may take 8 s to be refused.
ANSWER_TIMEOUT_S = 10.0
# A comment comes every 15 s; a stream without one is dead, and the viewer goes elsewhere.
SILENCE_S = 18.0
PAUSE_S = 0.2
LAST_BYTES_S = 2.0  # after the end a viewer stays so long, to meet what must not come
MAX_PAUSE_S = 1.0
CONVERSATIONS_AT_ONCE = 6  # of one person
TURNS_IN_A_CONVERSATION = 12  # with their replies far below the 50 messages that are kept
UNREACHABLE = (aiohttp.ClientError, OSError)  # a time-out is the latter


@dataclass(frozen=True)
class Door:
    """A worker and an address that leads to it."""

    worker: str
    url: str


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    door: Door


@dataclass(frozen=True)
class Habits:
    """How users behave: how many viewers a turn has, when they come, how readily they drop."""

    viewers: int = 3
    latest_join_s: float = 2.5
    patience_s: float = 5.0  # then another conversation is begun beside the one that waits
    drop_chance: float = 0.3  # a connection
    drop_after_events: int = 20


class Town:
    """What all users share: the doors, the history, one pool of connections. `watching` are the doors of streams."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        doors: Sequence[Door],
        history: History,
        rng: Random,
        habits: Habits | None = None,
        watching: Sequence[Door] | None = None,
    ) -> None:
        self.session = session
        self.doors = list(doors)
        self.watching = list(watching or doors)
        self.history = history
        self.rng = rng
        self.habits = habits or Habits()
        self.numbers = itertools.count(1)
        self.conversations: dict[str, str] = {}  # each with its owner
        self.pinned: list[str] = []

    async def ask(
        self,
        what: str,
        method: str,
        path: str,
        user: str,
        body: Any = None,
        door: Door | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """One try at one door. A refusal is written down; None where there was no answer."""
        door = door or self.rng.choice(self.doors)
        asked_at = now()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                request = self.session.request(
                    method, door.url + path, params={"user_id": user}, json=body, headers=headers
                )
                async with request as response:
                    answer = Answer(response.status, await _body(response), door)
        except UNREACHABLE:
            return None
        if answer.status >= 300:
            self._refused(what, path, answer, asked_at)
        return answer

    async def insist(self, what: str, method: str, path: str, user: str, body: Any = None) -> Any:
        """Asks at one door after the other until it is granted; the body of the answer."""
        while True:
            answer = await self.ask(what, method, path, user, body)
            if answer and answer.status < 300:
                return answer.body
            await asyncio.sleep(self.rng.uniform(PAUSE_S, MAX_PAUSE_S))

    def _refused(self, what: str, path: str, answer: Answer, asked_at: float) -> None:
        problem = answer.body if isinstance(answer.body, dict) else {}
        conversation = path.removeprefix("/api/conversations/").partition("/")[0]
        running = problem.get("running_turn_id")
        code = str(problem.get("code", ""))
        self.history.add(Refused(now(), what, conversation, answer.door.worker, answer.status, code, asked_at, running))

    def refused_stream(self, conversation: str, door: Door, status: int, body: Any, asked_at: float) -> None:
        self._refused("follow", conversation, Answer(status, body, door), asked_at)


@dataclass(frozen=True)
class Question:
    """A message of its own, and the key under which it is sent however often."""

    conversation: str
    key: str
    message: str


@dataclass(frozen=True)
class OpenTurn:
    """A turn that was accepted."""

    conversation: str
    turn: str


class Person:
    """One person. `closing` ends `talk` after the question that is under way."""

    def __init__(self, name: str, town: Town, talks: Sequence[Talk], closing: asyncio.Event) -> None:
        self.name = name
        self._town = town
        self._talks = talks
        self._closing = closing

    async def talk(self) -> None:
        """Opens conversations and asks in them, one question after the other, each with its viewers.

        Where a reply does not come, the next question is asked in a conversation of its own meanwhile.
        """
        at_once = asyncio.Semaphore(CONVERSATIONS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while not self._closing.is_set():
                await at_once.acquire()
                moved_on = asyncio.Event()
                group.create_task(self._converse(at_once, moved_on))
                await moved_on.wait()

    async def _converse(self, at_once: asyncio.Semaphore, moved_on: asyncio.Event) -> None:
        """One conversation. After a reply that was waited for too long it takes one more question and is left."""
        town = self._town
        questions = TURNS_IN_A_CONVERSATION
        try:
            conversation = await self.open_conversation()
            while questions and not self._closing.is_set():
                impatience = asyncio.get_running_loop().call_later(town.habits.patience_s, moved_on.set)
                turn = await self.send(self.question(conversation, town.rng.choice(self._talks)))
                await self.watch_with_others(turn)
                impatience.cancel()
                questions = min(questions - 1, 1) if moved_on.is_set() else questions - 1
        finally:
            moved_on.set()
            at_once.release()

    async def open_conversation(self) -> str:
        """The id of a new one; every fifth is pinned."""
        created = await self._town.insist("create", "POST", "/api/conversations", self.name, {})
        conversation = str(created["id"])
        self._town.conversations[conversation] = self.name
        if len(self._town.conversations) % 5 == 0:
            self._town.pinned.append(conversation)
            await self._town.insist("pin", "PATCH", f"/api/conversations/{conversation}", self.name, {"pinned": True})
        return conversation

    def question(self, conversation: str, talk: Talk) -> Question:
        key = f"q{next(self._town.numbers)}-{secrets.token_hex(4)}"
        return Question(conversation, key, talk.question(key))

    async def send(self, question: Question) -> OpenTurn:
        """Sends it to one worker after the other until it is accepted."""
        town, key, conversation = self._town, question.key, question.conversation
        body, headers = {"message": question.message}, {"Idempotency-Key": key}
        while True:
            town.history.add(Asked(now(), key, conversation, question.message))
            answer = await town.ask("send", "POST", turns(conversation), self.name, body, headers=headers)
            if answer and answer.status in (200, 202):
                turn = str(answer.body["turn_id"])
                town.history.add(Accepted(now(), key, conversation, turn, answer.status, answer.door.worker))
                return OpenTurn(conversation, turn)
            await asyncio.sleep(town.rng.uniform(PAUSE_S, MAX_PAUSE_S))

    async def watch_with_others(self, turn: OpenTurn) -> None:
        """Returns when every viewer has seen the end."""
        rng, habits = self._town.rng, self._town.habits
        late = [rng.uniform(0, habits.latest_join_s) for _ in range(habits.viewers - 1)]
        async with asyncio.TaskGroup() as group:
            for join_after_s in (0.0, *late):
                group.create_task(self.viewer(turn).watch(join_after_s))

    def viewer(self, turn: OpenTurn) -> "Viewer":
        return Viewer(f"{self.name}/{next(self._town.numbers)}", self.name, self._town, turn)

    async def stop(self, turn: OpenTurn, door: Door) -> str | None:
        """Asks `door` to stop the turn; the status that it tells."""
        town = self._town
        town.history.add(StopAsked(now(), turn.turn, door.worker))
        path = f"{turns(turn.conversation)}/{turn.turn}/stop"
        answer = await town.ask("stop", "POST", path, self.name, door=door)
        if answer is None or answer.status != 200:
            return None
        town.history.add(StopAnswered(now(), turn.turn, answer.body["status"]))
        return str(answer.body["status"])

    async def read(self, conversation: str, opened: Sequence[str]) -> None:
        """Writes down what is kept of a conversation and of the turns that were opened in it."""
        town = self._town
        path = f"/api/conversations/{conversation}/messages?limit=200"
        page = await town.insist("read", "GET", path, self.name)
        messages = tuple(
            StoredMessage(kept["id"], kept["role"], kept["content"], kept["status"], kept.get("turn_id"))
            for kept in page["messages"]
        )
        town.history.add(Stored(now(), conversation, messages))
        for turn in opened:
            read = await town.insist("read", "GET", f"{turns(conversation)}/{turn}", self.name)
            town.history.add(TurnRead(now(), turn, read["status"], read["attempts"]))


class Viewer:
    """A pair of eyes on one turn. `watch` returns when the end has been seen; what it meets is in the history."""

    def __init__(self, name: str, user: str, town: Town, turn: OpenTurn) -> None:
        self.name = name
        self._user = user
        self._town = town
        self._turn = turn
        self._last_id: str | None = None
        self._cursor: Cursor | None = None
        self._over = False
        self.saw_text = asyncio.Event()

    async def watch(self, join_after_s: float = 0.0) -> None:
        rng = self._town.rng
        await asyncio.sleep(join_after_s)
        while not self._over:
            door = rng.choice(self._town.watching)
            try:
                how = await self._connect(door)
            except UNREACHABLE:
                how = "ended" if self._over else "broken"
            if how:
                self._town.history.add(Closed(now(), self.name, self._turn.turn, how))
            if not self._over:
                await asyncio.sleep(rng.uniform(0, PAUSE_S if how == "broken" else MAX_PAUSE_S))

    def dropped(self) -> None:
        """Its `watch` was cancelled; another one goes on from what it has seen."""
        self._town.history.add(Closed(now(), self.name, self._turn.turn, "dropped"))

    async def _connect(self, door: Door) -> str:
        """How the stream ended; empty where there was none."""
        asked_at = now()
        url = f"{door.url}{turns(self._turn.conversation)}/{self._turn.turn}/events"
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            response = await self._town.session.get(url, params={"user_id": self._user}, headers=headers)
        async with response:
            if response.status == 204:
                self._town.history.add(Nothing(now(), self.name, self._turn.turn))
                self._over = True
                return ""
            if response.status != 200:
                body = await _body(response)
                self._town.refused_stream(self._turn.conversation, door, response.status, body, asked_at)
                self._over = response.status == 404
                return ""
            self._town.history.add(Opened(now(), self.name, self._turn.turn, door.worker, self._cursor))
            return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> str:
        rng, habits = self._town.rng, self._town.habits
        left = rng.randint(1, habits.drop_after_events) if rng.random() < habits.drop_chance else -1
        reader = EventReader()
        while True:
            async with asyncio.timeout(LAST_BYTES_S if self._over else SILENCE_S):
                chunk = await response.content.readany()
            if not chunk:
                return "ended" if self._over else "broken"
            for frame in reader.feed(chunk):
                self._last_id, self._cursor = frame.id, frame.cursor
                self._town.history.add(
                    Seen(now(), self.name, self._turn.turn, frame.turn_id, frame.cursor, frame.name, frame.data)
                )
                self._over = self._over or frame.name == "end"
                if frame.name in ("", "snapshot"):
                    self.saw_text.set()
                left -= 1
                if left == 0 and not self._over:
                    return "dropped"


async def _body(response: aiohttp.ClientResponse) -> Any:
    """The answer's JSON, None where it has none."""
    try:
        return json.loads(await response.read())
    except ValueError:
        return None
