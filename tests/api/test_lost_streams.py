"""`GET /chat/stream` whose connection is lost: who comes back with the same question joins the turn it has begun."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from tests.support.client import Client, Frame, shown
from tests.support.waiting import until

SMALL_BYTES = 4096  # of a receiver's buffer: what is sent to it stays unconfirmed in the sender's kernel


@asynccontextmanager
async def asked(client: Client, conversation: str, message: str) -> AsyncIterator[socket.socket]:
    """A connection on which the question was sent and nothing is read; the peer is reset at the end."""
    loop, url = asyncio.get_running_loop(), urlsplit(client.url)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.setblocking(False)
        await loop.sock_connect(sock, (url.hostname, url.port))
        target = client.address("/chat/stream", {"session_id": conversation, "message": message})
        await loop.sock_sendall(sock, f"GET {target.raw_path_qs} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        yield sock


async def running(client: Client, conversation: str) -> str:
    """The turn, once it runs."""
    return str(await until(lambda: client.running_turn(conversation)))


async def ended(client: Client, conversation: str, replies: int = 1) -> None:
    """Until so many replies are stored."""

    async def are_stored() -> bool:
        return len(await client.messages(conversation)) >= 2 * replies

    await until(are_stored)


async def ask(client: Client, conversation: str, message: str) -> list[Frame]:
    return await client.read("/chat/stream", session_id=conversation, message=message)


def turn_of(frames: list[Frame]) -> str:
    return str(frames[0].data["turn_id"])


@pytest.mark.parametrize("message", ["[steady]", "[many]"])
async def test_a_question_whose_connection_was_lost_is_asked_once(alice: Client, message: str) -> None:
    """Lost while the reply was made, and after all of it was sent to a machine that takes no more."""
    conversation = await alice.create()
    async with asked(alice, conversation, message):
        await (ended if message == "[many]" else running)(alice, conversation)
    await ended(alice, conversation)
    before = await alice.messages(conversation)
    frames = await ask(alice, conversation, message)
    assert frames[-1].name == "end"
    assert turn_of(frames) == before[1]["turn_id"]
    assert shown(frames).text == before[1]["content"]
    assert await alice.messages(conversation) == before
    # Now somebody has its end: the same question is a new one.
    assert turn_of(await ask(alice, conversation, message)) != before[1]["turn_id"]
    assert len(await alice.messages(conversation)) == 4


async def test_the_same_question_after_its_end_was_given_is_a_new_one(alice: Client) -> None:
    conversation = await alice.create()
    turns = [turn_of(await ask(alice, conversation, "hello")) for _ in range(5)]
    assert len(set(turns)) == 5


@pytest.mark.parametrize("between", ["another question", "a post", "another persona", "a branch", "cleared", "stopped"])
async def test_what_comes_in_between_makes_it_a_new_question(alice: Client, between: str) -> None:
    conversation, message = await alice.create(), "[long]" if between == "stopped" else "[steady]"
    async with asked(alice, conversation, message):
        turn = await running(alice, conversation)
        if between == "stopped":
            await alice.stop(conversation, turn)
    await ended(alice, conversation)
    first = await alice.messages(conversation)
    query = {"session_id": conversation, "message": message}
    match between:
        case "another question":
            await ask(alice, conversation, "and now?")
        case "a post":
            await alice.say(conversation, message)
        case "another persona":
            query["role"] = "teacher"
        case "a branch":
            await alice.ask("PATCH", f"/api/conversations/{conversation}/branch", {"message_id": first[0]["id"]})
            await alice.say(conversation, "other", parent_id=None)
        case "cleared":
            await alice.ask("DELETE", f"/api/chat/history/{conversation}")
        case "stopped":
            async with alice.stream("/chat/stream", **query) as stream:
                assert (await anext(aiter(stream))).data["turn_id"] != first[1]["turn_id"]
            return
    assert turn_of(await alice.read("/chat/stream", **query)) != first[1]["turn_id"]
