"""Who waits for a socket is woken: at once where few wait, together with all others where many do."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest

from lianhua.models.http.endpoint import parse_endpoint
from lianhua.models.http.pool import Connections
from lianhua.models.http.readiness import Readiness
from tests.support.waiting import HANGS_S, stays, until

PIECES = 20
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    """Both ends of 40 connections."""
    made = [socket.socketpair() for _ in range(40)]
    yield made
    for ends in made:
        for end in ends:
            end.close()


async def test_a_socket_wakes_its_reader_once(pairs: list[Pair]) -> None:
    readiness, woken = Readiness(asyncio.get_running_loop()), []
    (near, far), other = pairs[0], pairs[1]
    readiness.wait(near.fileno(), lambda: woken.append("one"))
    readiness.wait(other[0].fileno(), lambda: woken.append("other"))
    far.send(b"x")
    await until(lambda: woken)
    await stays(lambda: woken == ["one"], 0.05)
    readiness.wait(near.fileno(), lambda: woken.append("again"))  # what is unread counts
    await until(lambda: woken == ["one", "again"])
    readiness.close()


async def test_the_end_of_a_connection_wakes_its_reader(pairs: list[Pair]) -> None:
    readiness, woken = Readiness(asyncio.get_running_loop()), []
    near, far = pairs[0]
    readiness.wait(near.fileno(), lambda: woken.append(1))
    far.shutdown(socket.SHUT_WR)
    await until(lambda: woken)
    readiness.close()


async def test_a_reader_who_was_forgotten_is_not_woken_and_the_number_can_be_used_again(pairs: list[Pair]) -> None:
    readiness, woken = Readiness(asyncio.get_running_loop()), []
    near, far = pairs[0]
    number = near.fileno()
    readiness.wait(number, lambda: woken.append("old"))
    readiness.forget(number)
    near.close()
    replacement, peer = pairs[1]
    pairs[0] = (socket.socket(fileno=replacement.detach()), far)  # closed at the end
    copy = pairs[0][0].fileno()
    readiness.wait(copy, lambda: woken.append("new"))
    peer.send(b"x")
    await until(lambda: woken == ["new"])
    readiness.close()


class Counted(Readiness):
    """Counts how often it looks."""

    looks = 0

    def _look(self) -> None:
        self.looks += 1
        super()._look()


async def test_many_are_woken_together(pairs: list[Pair]) -> None:
    readiness, woken = Counted(asyncio.get_running_loop()), 0

    def wait(place: int) -> None:
        readiness.wait(pairs[place][0].fileno(), lambda: read(place))

    def read(place: int) -> None:
        nonlocal woken
        woken += len(pairs[place][0].recv(65_536))
        wait(place)

    for place in range(len(pairs)):
        wait(place)
    sent = 0

    async def send_to_all() -> None:
        """One after another, each with a turn of the loop of its own."""
        nonlocal sent
        for _, far in pairs:
            far.send(b"x")
            sent += 1
            await asyncio.sleep(0)

    async def is_gathering() -> bool:
        """Whether many sockets share a look; a machine that stands still meanwhile may keep them apart for once."""
        before, readiness.looks = sent, 0
        for _ in range(5):
            await send_to_all()
        await until(lambda: woken == sent)
        return readiness.looks <= (sent - before) / 4

    await until(is_gathering)
    for expected in range(sent + 1, sent + 21):  # a lone one is woken by itself again, after a while
        pairs[0][1].send(b"x")
        await until(lambda expected=expected: woken == expected)
    readiness.close()


async def test_nobody_is_woken_after_the_end(pairs: list[Pair]) -> None:
    readiness, woken = Readiness(asyncio.get_running_loop()), []
    near, far = pairs[0]
    readiness.wait(near.fileno(), lambda: woken.append(1))
    readiness.close()
    far.send(b"x")
    await stays(lambda: not woken, 0.05)


async def test_what_comes_soon_after_a_read_is_read_at_once_and_not_asked_for_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = 0
    wait = Readiness.wait

    def counting(readiness: Readiness, file: int, wake: Callable[[], None]) -> None:
        nonlocal waits
        waits += 1
        wait(readiness, file, wake)

    monkeypatch.setattr(Readiness, "wait", counting)
    read = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(PIECES):
            await asyncio.sleep(0.001)
            writer.write(b"1\r\nx\r\n")
            await read.wait()
            read.clear()
        writer.write(b"0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1")
    async with server:
        endpoint = parse_endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        connections = Connections(endpoint, keep=False)
        deadline = asyncio.get_running_loop().time() + HANGS_S
        connection = await connections.take(deadline)
        await connection.ask(endpoint.begin("GET", "", {}) + b"\r\n", deadline)
        body = b""
        while piece := await connection.read(deadline):
            body += piece
            read.set()
        connections.close()
    assert body == b"x" * PIECES
    assert waits <= 2 * PIECES, waits
