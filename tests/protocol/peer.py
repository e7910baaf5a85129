"""The server under check, in the words of the protocol. Knows nothing of how a server is made."""

import hashlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urljoin

import aiohttp

EVENT_ID: Final = re.compile(r"([A-Za-z0-9_-]{1,64}):([0-9]{1,9})-([0-9]{1,15})")


class Broken(AssertionError):
    """The server does not keep a rule; the text says which, and what it did."""


def hold(kept: object, rule: str) -> None:
    """Raises `Broken` with `rule` unless `kept` is true."""
    if not kept:
        raise Broken(rule)


class Event(NamedTuple):
    """One event of a stream. `name` is empty for the unnamed ones, `block` the lines as they came."""

    id: str
    name: str
    data: Any
    block: tuple[str, ...]

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and sequence number."""
        found = EVENT_ID.fullmatch(self.id)
        hold(found, f"an id is `turn_id:epoch-seq`, not {self.id!r}")
        assert found
        return int(found[2]), int(found[3])


class Answer(NamedTuple):
    status: int
    body: Any


class Turn(NamedTuple):
    """An accepted turn, as its answer names it."""

    conversation_id: str
    id: str
    reply_id: str
    events_path: str


@dataclass
class Events:
    """The events of an open stream, in order."""

    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    _lines: list[str] = field(default_factory=list)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while line := (await self.content.readline()).decode():
            line = line.rstrip("\r\n")
            if line:
                self._lines.append(line)
                continue
            block, self._lines = tuple(self._lines), []
            if event := _event(block):
                return event
        raise StopAsyncIteration


@dataclass(frozen=True)
class Peer:
    """`url` is where the server's paths begin; `user` is sent as `user_id`, `token` as `Authorization: Bearer`."""

    http: aiohttp.ClientSession
    url: str
    user: str | None = None
    token: str | None = None

    async def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        asking = self.http.request(method, self._address(path), json=body, headers=self._headers(headers))
        async with asking as response:
            text = await response.text()
            return Answer(response.status, json.loads(text) if text else None)

    async def new_conversation(self) -> str:
        answer = await self.ask("POST", "/api/conversations", {})
        hold(answer.status == 201, f"a conversation is made with 201, not {answer.status}")
        name: str = answer.body["id"]
        return name

    async def send(self, conversation_id: str, message: str, key: str | None = None) -> Answer:
        path = f"/api/conversations/{conversation_id}/turns"
        return await self.ask("POST", path, {"message": message}, {"Idempotency-Key": key or uuid.uuid4().hex})

    async def begin(self, message: str, conversation_id: str | None = None, key: str | None = None) -> Turn:
        """A running turn; in a conversation of its own where none is named."""
        name = conversation_id or await self.new_conversation()
        answer = await self.send(name, message, key)
        hold(answer.status == 202, f"a new turn is accepted with 202, not {answer.status}")
        return turn_of(name, answer)

    @asynccontextmanager
    async def stream(self, turn: Turn, last_id: str | None = None, *, in_query: bool = False) -> AsyncIterator[Events]:
        """The open stream of a turn. Raises `Over` where the answer is 204."""
        headers = {"Last-Event-ID": last_id} if last_id and not in_query else {}
        address = self._address(turn.events_path)
        if last_id and in_query:
            address += f"{'&' if '?' in address else '?'}after={last_id}"
        async with self.http.get(address, headers=self._headers(headers)) as response:
            if response.status == 204:
                raise Over
            hold(response.status == 200, f"a stream is answered with 200 or 204, not {response.status}")
            yield Events(response.headers, response.content)

    async def follow(self, turn: Turn, last_id: str | None = None, *, in_query: bool = False) -> list[Event]:
        """Every event to the end of the stream; none where the answer is 204."""
        try:
            async with self.stream(turn, last_id, in_query=in_query) as events:
                return [event async for event in events]
        except Over:
            return []

    async def stop(self, turn: Turn) -> Answer:
        return await self.ask("POST", f"/api/conversations/{turn.conversation_id}/turns/{turn.id}/stop")

    async def stored_reply(self, turn: Turn) -> Any:
        """The reply as the history has it, with its `content` and `status`."""
        answer = await self.ask("GET", f"/api/conversations/{turn.conversation_id}/messages")
        found = [message for message in answer.body["messages"] if message["id"] == turn.reply_id]
        hold(len(found) == 1, "the reply is in the history once")
        return found[0]

    def _address(self, path: str) -> str:
        """Paths in answers are relative to where the server's paths begin, or whole."""
        address = urljoin(f"{self.url.rstrip('/')}/", path.lstrip("/"))
        return f"{address}{'&' if '?' in address else '?'}user_id={self.user}" if self.user else address

    def _headers(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        return {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **(headers or {})}


class Over(Exception):
    """204: the turn is over and the viewer has everything."""


def turn_of(conversation_id: str, answer: Answer) -> Turn:
    body = answer.body
    return Turn(conversation_id, body["turn_id"], body["reply_message_id"], body["events_url"])


def joined(events: list[Event], before: str = "") -> str:
    """The text that a viewer shows after these events, if it showed `before`."""
    text = before
    for event in events:
        if event.name == "snapshot":
            text = event.data["content"]
        elif event.name == "":
            text += event.data["content"]
    return text


def end_of(events: list[Event]) -> Any:
    """The data of the one `end`, which comes last."""
    names = [event.name for event in events]
    hold(names.count("end") == 1, f"a stream has one `end`, not {names.count('end')}")
    hold(names[-1] == "end", f"nothing follows `end`, but {names[-1]!r} did")
    return events[-1].data


def matches(end: Any, text: str) -> bool:
    """Whether `length` and `sha256` of an end are those of the text."""
    return bool(end["length"] == len(text) and end["sha256"] == hashlib.sha256(text.encode()).hexdigest())


def _event(block: tuple[str, ...]) -> Event | None:
    """A block of lines as an event; None for comments and `retry` alone."""
    fields = dict(line.split(": ", 1) for line in block if not line.startswith(":"))
    if "data" not in fields:
        return None
    return Event(fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"]), block)
