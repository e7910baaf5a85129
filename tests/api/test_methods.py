"""HEAD wherever GET is, `Allow` on every path, and heads that are too large."""

import asyncio
import json
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest

from tests.support.client import Answer, Client, events, shown, turns
from tests.support.server_process import ServerProcess
from tests.support.waiting import HANGS_S

HEAD_BYTES = 64 * 1024
VARYING = {"Date", "Content-Length", "Transfer-Encoding", "Set-Cookie", "X-Request-ID"}


async def both(client: Client, path: str, **query: Any) -> tuple[Answer, Answer]:
    return await client.ask("HEAD", path, **query), await client.ask("GET", path, **query)


async def test_head_is_answered_wherever_get_is(alice: Client) -> None:
    conversation = await alice.create(title="mine")
    turn = (await alice.say(conversation, "hello")).turn["turn_id"]
    document = await alice.get("/openapi.json")
    paths = [path for path, calls in document["paths"].items() if "get" in calls and path != "/api/events"]
    paths += ["/", "/docs", "/openapi.json", "/roles", "/chat/history", "/nothing", "/assets/nothing"]
    values = {"{conversation_id}": conversation, "{turn_id}": turn, "{persona_id}": "own-0123456789"}
    for template in paths:
        path = template
        for name, value in values.items():
            path = path.replace(name, value)
        head, got = await both(alice, path, session_id=conversation)
        assert (head.status, head.body) == (got.status, b""), path
        assert {name: value for name, value in head.headers.items() if name not in VARYING} == {
            name: value for name, value in got.headers.items() if name not in VARYING
        }
        if "Content-Length" in got.headers:
            assert head.headers["Content-Length"] == got.headers["Content-Length"], path


async def test_head_starts_nothing(alice: Client) -> None:
    conversation = await alice.create()
    for path in ("/chat/stream", "/api/chat/stream"):
        for _ in range(2):
            answer = await alice.ask("HEAD", path, session_id=conversation, message="hello")
            assert (answer.status, answer.body) == (200, b"")
            assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    body = await alice.get(f"/api/conversations/{conversation}")
    assert (body["message_count"], body["running_turn_id"], body["title"]) == (0, None, "")


async def test_head_refuses_what_get_refuses(alice: Client, bob: Client) -> None:
    conversation = await alice.create()
    theirs = await bob.create()
    for status, query, headers in (
        (404, {"session_id": theirs, "message": "hello"}, {}),
        (422, {"session_id": conversation}, {}),
        (422, {"session_id": conversation, "message": " "}, {}),
        (422, {"session_id": conversation, "message": "hello", "role": "nobody"}, {}),
        (422, {"session_id": conversation, "message": "x" * 32_001}, {}),
        (403, {"session_id": conversation, "message": "hello"}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        for method in ("HEAD", "GET"):
            assert (await alice.ask(method, "/chat/stream", headers=headers, **query)).status == status
    await alice.begin_and_see(conversation, "[long]")
    assert (await alice.ask("HEAD", "/chat/stream", session_id=conversation, message="other")).status == 409


async def test_head_of_a_stream_ends_at_once(alice: Client) -> None:
    conversation = await alice.create()
    turn = await alice.begin_and_see(conversation, "[long]")
    for path in (events(conversation, turn), "/api/events"):
        answer = await alice.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")
    await alice.stop(conversation, turn)
    last = (await alice.read(events(conversation, turn)))[-1].id
    head = await alice.ask("HEAD", events(conversation, turn), headers={"Last-Event-ID": last})
    assert head.status == 204


async def test_every_method_of_a_path_is_allowed_by_name(alice: Client) -> None:
    conversation = f"/api/conversations/{await alice.create()}"
    for path, methods in {
        "/": "GET, HEAD",
        "/roles": "GET, HEAD",
        "/chat/start": "POST",
        "/api/conversations": "GET, HEAD, POST",
        conversation: "GET, HEAD, PATCH, DELETE",
        f"{conversation}/turns": "POST",
        "/api/models/download": "POST, DELETE",
        "/api/settings": "GET, HEAD, PATCH",
        "/openapi.json": "GET, HEAD",
    }.items():
        answer = await alice.ask("PUT", path)
        assert answer.problem == (405, "method_not_allowed")
        assert answer.headers["Allow"] == methods, path
    answer = await alice.ask("HEAD", "/chat/start")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")


# Too large a head


@pytest.mark.parametrize("characters", [7_300, 60_000])
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ["send it by POST"]), ("zh", ["用 POST 发送"]), (None, ["send it by POST", "用 POST 发送"])],
)
async def test_a_refusal_of_a_message_too_long_for_an_address_says_where_it_belongs(
    alice: Client, characters: int, language: str | None, words: list[str]
) -> None:
    conversation = await alice.create()
    headers = {"Accept-Language": language} if language else {}
    answer = await alice.ask("GET", "/chat/stream", headers=headers, session_id=conversation, message="莲" * characters)
    assert answer.problem == (431, "head_too_large")
    assert all(word in answer.json["detail"] for word in words)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert await alice.messages(conversation) == []


async def test_the_longest_address_that_fits_is_answered(alice: Client) -> None:
    conversation = await alice.create()
    longest = await alice.ask("GET", "/chat/stream", session_id=conversation, message="莲" * 7_100)
    assert longest.problem == (422, "message_too_long")  # for the model of this server


async def raw(server: ServerProcess, *parts: bytes) -> bytes:
    """What comes back until the server closes; each part is sent when the one before has arrived."""
    address = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)  # how the parts are cut on their way cannot be told by a condition
        async with asyncio.timeout(HANGS_S):
            return await reader.read()
    finally:
        writer.close()


START = b"GET /roles HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (START + b"X: " + b"x" * HEAD_BYTES + b"\r\n\r\n",),
        (START + b"X: " + b"x" * HEAD_BYTES,),
        (START, *[b"X: " + b"x" * 20_000] * 4),
        (START, *[b"X: x\r\n" * 4_000] * 4),
        (b"GET /" + b"x" * 30_000, b"x" * 40_000),
        (b"GET /roles HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000,),
    ],
    ids=["whole", "unfinished", "in pieces", "many small ones", "an address", "a megabyte"],
)
async def test_a_head_is_bounded_however_it_comes(http_server: ServerProcess, parts: tuple[bytes, ...]) -> None:
    answer = await raw(http_server, *parts)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["code"] == "head_too_large"


async def test_what_is_no_request_is_a_problem_too(http_server: ServerProcess) -> None:
    head, _, body = (await raw(http_server, b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert (json.loads(body)["code"], json.loads(body)["status"]) == ("invalid_request", 400)


async def test_large_bodies_are_not_heads(alice: Client, session: aiohttp.ClientSession) -> None:
    """Two requests over one connection, the second right behind the body of the first."""
    conversation = await alice.create()
    turn = await alice.begin(conversation, "x" * 15_000 + "[think]")
    assert shown(await alice.read(events(conversation, turn))).text == "Seen."
    assert (await alice.ask("POST", turns(conversation), {"message": "x" * 200_000})).problem == (
        422,
        "message_too_long",
    )
    assert (await alice.ask("GET", f"/roles?x={quote('莲')}")).status == 200
