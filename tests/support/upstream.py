"""A model's server on a real socket that does exactly what a test says, byte by byte.

    async with Upstream(answer(503), events(b'data: {"choices": ...}\\n\\n', DONE)) as upstream:
        model = OpenAIModel(info, upstream.base_url, "key")

Each request takes the next answer; the last one answers every further request. A function gives the answer to a
request that it is shown. An answer is made of steps: bytes are written at once, an `asyncio.Event` is waited for,
`HANG` waits until the client goes, `FIN` and `RST` cut the line.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Self

from tests.support.waiting import HANGS_S


class Cut(Enum):
    """How a connection is left without an end."""

    FIN = "an orderly close"
    RST = "a reset"
    HANG = "nothing more, until the client goes"


FIN, RST, HANG = Cut.FIN, Cut.RST, Cut.HANG
DONE = b"data: [DONE]\n\n"


class Pause(asyncio.Event):
    """A step that takes time: what comes at a pace cannot be told by a condition."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def wait(self) -> Literal[True]:
        await asyncio.sleep(self._seconds)
        return True


Step = bytes | asyncio.Event | Cut


@dataclass
class Answer:
    """`steps` are written as they stand, after `head`. With `chunked` each bytes step becomes one chunk."""

    head: bytes
    steps: tuple[Step, ...]
    chunked: bool = False


@dataclass
class Request:
    """One request. `gone` is set once the client has closed the connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answer(status: int = 200, body: bytes | str | dict[str, Any] = b"", **headers: str) -> Answer:
    """A whole answer. Header names are written with underscores for hyphens."""
    if isinstance(body, dict):
        headers.setdefault("Content_Type", "application/json")
        body = json.dumps(body)
    raw = body.encode() if isinstance(body, str) else body
    return Answer(_head(status, {**headers, "Content_Length": str(len(raw))}), (raw,) if raw else ())


def events(*steps: Step, content_type: str = "text/event-stream") -> Answer:
    """A chunked answer, one chunk for each bytes step, ended unless a step cuts it."""
    head = _head(200, {"Content_Type": content_type, "Transfer_Encoding": "chunked"})
    return Answer(head, steps, chunked=True)


def until_closed(*steps: Step, content_type: str = "text/event-stream") -> Answer:
    """An answer without a length: the end of the connection is its end."""
    return Answer(_head(200, {"Content_Type": content_type, "Connection": "close"}), (*steps, FIN))


def raw(*steps: Step) -> Answer:
    """Bytes in place of an answer, HTTP or not."""
    return Answer(b"", steps)


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """The `data:` event of one completion chunk."""
    body = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}]}
    return b"data: " + json.dumps({**body, **more}).encode() + b"\n\n"


def text(content: str) -> bytes:
    """The event of one piece of text."""
    return chunk({"content": content})


class Upstream:
    """Answers on a free port of 127.0.0.1 from entering to leaving."""

    def __init__(self, *answers: Answer | Callable[[Request], Answer]) -> None:
        self._answers = answers
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._asked = asyncio.Condition()
        self.requests: list[Request] = []
        self.connections = 0
        self.base_url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def asked(self, times: int = 1) -> Request:
        """Waits until so many requests have come, the last of them."""
        async with asyncio.timeout(HANGS_S), self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= times)
        return self.requests[times - 1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.connections += 1
        connection = self.connections
        try:
            while (request := await _read_request(reader, connection)) is not None:
                async with self._asked:
                    self.requests.append(request)
                    self._asked.notify_all()
                script = self._answers[min(len(self.requests), len(self._answers)) - 1]
                answer = script(request) if callable(script) else script
                if not await _play(answer, request, reader, writer):
                    break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._connections.discard(task)


async def _read_request(reader: asyncio.StreamReader, connection: int) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body, connection)


async def _play(script: Answer, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection can take another request."""
    watch = asyncio.create_task(_watch(reader, request.gone), name="upstream-watch")
    try:
        writer.write(script.head)
        for step in script.steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif step is HANG:
                await request.gone.wait()
                return False
            elif step is RST:
                _reset(writer)
                return False
            elif step is FIN:
                return False
            elif isinstance(step, bytes):
                writer.write(b"%x\r\n%b\r\n" % (len(step), step) if script.chunked else step)
                await writer.drain()
        if script.chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return bool(script.head)
    except ConnectionError:
        request.gone.set()  # writing has met it before the watch did
        raise
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _watch(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    # A client sends nothing before it has its answer: what can be read is the end.
    try:
        sent = await reader.read(1)
    except ConnectionError:
        sent = b""
    assert not sent, "a client that sends before it was answered"
    gone.set()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()
