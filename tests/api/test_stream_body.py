"""A stream's body, which is sent from outside of the framework."""

from collections.abc import AsyncGenerator
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from lianhua.api.event_stream import SOCKET, EventStream, OpenStreams, Streams
from lianhua.streams.live import Push


class PushingSource:
    """A source with two frames, of which the second one is pushed."""

    when_taken = None

    def __init__(self) -> None:
        self.begun = False

    async def frames(self, push: Push | None = None) -> AsyncGenerator[bytes, None]:
        self.begun = True
        yield b"data: 1\n\n"
        assert push is not None
        assert push(b"data: 2\n\n")


class Socket:
    def __init__(self) -> None:
        self.gone = False
        self.pushed: list[bytes] = []

    def push(self, body: bytes) -> bool:
        self.pushed.append(body)
        return True

    def when_gone(self, call: Any) -> None:
        pass


async def sent_for(source: PushingSource, extensions: dict[str, Any] | None) -> list[Message]:
    sent: list[Message] = []

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(source)(scope, receive, send)
        if extensions is not None:
            scope["extensions"] = extensions

    async def receive() -> Message:
        raise AssertionError("nobody asks")

    async def send(message: Message) -> None:
        sent.append(message)

    streams = OpenStreams()
    scope = {"type": "http", "method": "GET", "path": "/", "http_version": "1.1", "headers": [], "state": {}}
    await Streams(route, streams)(scope, receive, send)
    assert len(streams) == 0
    return sent


async def test_frames_are_sent_and_pushed_and_the_answer_ends() -> None:
    socket = Socket()
    sent = await sent_for(PushingSource(), {SOCKET: {"socket": socket}})
    assert [message.get("body") for message in sent] == [None, b"retry: 1500\n", b"data: 1\n\n", b""]
    assert [message.get("more_body") for message in sent] == [None, True, True, False]
    assert socket.pushed == [b"data: 2\n\n"]


async def test_a_client_who_goes_while_the_route_runs_is_no_error() -> None:
    source = PushingSource()
    sent = await sent_for(source, None)  # the server takes its socket back when the connection is lost
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert not source.begun
