"""A person's client: JSON calls and event streams over a real socket, in the words of the contract."""

import asyncio
import hashlib
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import IO, Any, NamedTuple, Self

import aiohttp
from yarl import URL

from tests.support.waiting import HANGS_S

PATIENCE_S = HANGS_S
JSON = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def nameless(self) -> bytes:
        """The body to the byte, but for what the request is called."""
        return self.body.replace(self.headers["X-Request-ID"].encode(), b"")

    @property
    def problem(self) -> tuple[int, str]:
        """Status and code of a refusal that has the shape of one (RFC 9457)."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        body = self.json
        assert {"type", "title", "status", "detail", "code"} <= body.keys()
        assert body["status"] == self.status
        return self.status, body["code"]


class Frame(NamedTuple):
    """One event of a stream. `name` is empty for the unnamed ones."""

    id: str
    name: str
    data: Any

    @property
    def turn_id(self) -> str:
        return self.id.partition(":")[0]

    @property
    def cursor(self) -> tuple[int, int]:
        found = re.fullmatch(r"[0-9a-f]+:(\d+)-(\d+)", self.id)
        assert found, self.id
        return int(found[1]), int(found[2])


class Stream:
    """An open stream. What was read is kept: `raw` as bytes, `comments` counts the lines that hold a line alive."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.headers = response.headers
        self.raw = b""
        self.comments = 0
        self.retry_ms: int | None = None
        self.content = response.content  # for who wants bytes
        self._response = response
        self._rest = b""
        self._block: list[str] = []
        self._waiting: deque[Frame] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        while not self._waiting:
            chunk = await self._response.content.readany()
            if not chunk:
                assert not (self._rest or self._block), "a stream ends with a whole event"
                raise StopAsyncIteration
            self.raw += chunk
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._take(line.decode())
        return self._waiting.popleft()

    async def until(self, enough: Callable[[list[Frame]], bool]) -> list[Frame]:
        """The events up to the one that makes them enough; what comes after it can still be read."""
        frames: list[Frame] = []
        async with asyncio.timeout(PATIENCE_S):
            async for frame in self:
                frames.append(frame)
                if enough(frames):
                    return frames
        raise AssertionError(f"the stream ended after {len(frames)} events")

    def _take(self, line: str) -> None:
        if line.startswith(":"):
            self.comments += 1
        elif line.startswith("retry: "):
            assert not self._block, "it stands at the head of a block"
            self.retry_ms = int(line[7:])
        elif line:
            self._block.append(line)
        else:
            self._waiting.append(_frame(self._block))
            self._block = []


def _frame(block: list[str]) -> Frame:
    """The lines of one block stand in the promised order."""
    fields = dict(line.split(": ", 1) for line in block)
    assert list(fields) in (["data", "id"], ["event", "data", "id"]), block
    assert len(fields) == len(block), block
    return Frame(fields["id"], fields.get("event", ""), json.loads(fields["data"]))


class Client:
    """One person at one server; without a `user`, only the cookie tells who. `turn` ids come from the answers."""

    def __init__(self, session: aiohttp.ClientSession, url: str, user: str | None) -> None:
        self.url = url
        self.user = user
        self._session = session

    def address(self, path: str, query: Mapping[str, object] | None = None) -> URL:
        """`path` is taken as it stands, with any escapes; a path that has its own query gets no `user_id`."""
        if "?" in path:
            return URL(self.url + path, encoded=True)
        named = {"user_id": self.user, **(query or {})}
        return URL(self.url + path, encoded=True).with_query(
            {name: str(value) for name, value in named.items() if value is not None}
        )

    async def ask(
        self,
        method: str,
        path: str,
        body: JSON | bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        sent = dict(headers or {})
        data = body if not isinstance(body, Mapping) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        request = self._session.request(method, self.address(path, query), data=data, headers=sent)
        async with asyncio.timeout(PATIENCE_S), request as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of an answer that is 200."""
        answer = await self.ask("GET", path, **query)
        assert answer.status == 200, answer.body
        return answer.json

    @asynccontextmanager
    async def stream(
        self, path: str, last_event_id: str | None = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> AsyncIterator[Stream]:
        """An event stream that was not refused."""
        sent = dict(headers or {}) | ({"Last-Event-ID": last_event_id} if last_event_id is not None else {})
        async with self._session.get(self.address(path, query), headers=sent) as response:
            assert response.status == 200, (response.status, await response.read())
            assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            yield Stream(response)

    async def read(
        self, path: str, last_event_id: str | None = None, patience_s: float = PATIENCE_S, **query: Any
    ) -> list[Frame]:
        """A whole stream, to its end."""
        async with asyncio.timeout(patience_s), self.stream(path, last_event_id, **query) as stream:
            return [frame async for frame in stream]

    # What a person does

    async def create(self, **body: Any) -> str:
        """A new conversation's id."""
        answer = await self.ask("POST", "/api/conversations", body)
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    async def send(self, conversation: str, message: str, key: str | None = None, **body: Any) -> Answer:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.ask("POST", turns(conversation), {"message": message, **body}, headers)

    async def begin(self, conversation: str, message: str, **body: Any) -> str:
        """The id of a turn that has just begun."""
        answer = await self.send(conversation, message, **body)
        assert answer.status == 202, answer.body
        return str(answer.json["turn_id"])

    async def say(self, conversation: str, message: str, **body: Any) -> "Shown":
        """Sends a message and watches the reply to its end."""
        turn = await self.begin(conversation, message, **body)
        return shown(await self.read(events(conversation, turn)))

    async def begin_and_see(self, conversation: str, message: str) -> str:
        """The id of a turn of whose reply something can be seen."""
        turn = await self.begin(conversation, message)
        await self.see(conversation, turn)
        return turn

    async def see(self, conversation: str, turn: str) -> None:
        """Waits until something of the reply can be seen."""
        async with self.stream(events(conversation, turn)) as stream:
            await stream.until(lambda frames: text_of(frames) != "")

    async def is_over(self, conversation: str, turn: str) -> bool:
        """Whether a turn has come to its end, without a look at its events."""
        return bool((await self.get(f"{turns(conversation)}/{turn}"))["status"] != "running")

    async def running_turn(self, conversation: str) -> str | None:
        """The id of the turn that runs, if one does."""
        running: str | None = (await self.get(f"/api/conversations/{conversation}"))["running_turn_id"]
        return running

    async def stop(self, conversation: str, turn: str) -> Any:
        answer = await self.ask("POST", f"{turns(conversation)}/{turn}/stop")
        assert answer.status == 200, answer.body
        return answer.json

    async def messages(self, conversation: str) -> list[Any]:
        return list((await self.get(f"/api/conversations/{conversation}/messages", limit=200))["messages"])

    def at(self, url: str) -> Self:
        """The same person at another address."""
        return type(self)(self._session, url, self.user)

    def as_user(self, user: str | None) -> Self:
        return type(self)(self._session, self.url, user)


def turns(conversation: str) -> str:
    return f"/api/conversations/{conversation}/turns"


def events(conversation: str, turn: str) -> str:
    return f"{turns(conversation)}/{turn}/events"


@dataclass(frozen=True)
class Shown:
    """What a viewer has on the screen after a whole stream that keeps its promises."""

    turn: JSON
    text: str
    reasoning: str
    end: JSON
    notices: list[Any] = field(default_factory=list)


def text_of(frames: list[Frame], before: str = "") -> str:
    """The reply as far as these events show it to a viewer who had seen `before`."""
    text = before
    for frame in frames:
        if frame.name == "":
            text += frame.data["content"]
        elif frame.name == "snapshot":
            text = frame.data["content"]
    return text


def shown(frames: list[Frame], before: str = "") -> Shown:
    """Checks what holds for every stream that came to its end, and gives what it showed."""
    cursors = [frame.cursor for frame in frames]
    assert all(earlier < later for earlier, later in pairwise(cursors)), cursors
    assert len({frame.turn_id for frame in frames}) == 1
    assert [frame.name for frame in frames].count("end") == 1
    assert frames[-1].name == "end"
    text, reasoning = text_of(frames, before), ""
    for frame in frames:
        if frame.name == "reasoning":
            reasoning += frame.data["content"]
        elif frame.name == "snapshot":
            reasoning = frame.data["reasoning"]
    end = frames[-1].data
    assert end["length"] == len(text)
    assert end["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    opening = frames[0].data if frames[0].name == "turn" else {}
    return Shown(opening, text, reasoning, end, [frame.data for frame in frames if frame.name == "notice"])
