"""What nobody should send: refused with its code, and nothing of it is stored."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.client import Client, turns
from tests.support.server_process import ServerProcess
from tests.support.waiting import HANGS_S

REFUSED_MESSAGES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 422, "invalid_request"),
    "an empty object": (b"{}", 422, "invalid_request"),
    "an empty message": (b'{"message": ""}', 422, "invalid_request"),
    "a blank message": ('{"message": " \\n\\t\u3000"}'.encode(), 422, "invalid_request"),
    "too long a message": (
        json.dumps({"message": "莲" * 32_001}, ensure_ascii=False).encode(),
        422,
        "message_too_long",
    ),
    "more tokens than the window": (json.dumps({"message": "莲花" * 15_000}).encode(), 422, "message_too_long"),
    "an unknown persona": (b'{"message": "hello", "role": "nobody"}', 422, "unknown_role"),
    "an unknown model": (b'{"message": "hello", "model": "gpt-0"}', 422, "unknown_model"),
    "an empty persona": (b'{"message": "hello", "role": ""}', 422, "invalid_request"),
    "a number": (b'{"message": 1}', 422, "invalid_request"),
    "null": (b'{"message": null}', 422, "invalid_request"),
    "a list": (b'{"message": ["hello"]}', 422, "invalid_request"),
    "an unknown field": (b'{"message": "hello", "system": "you are evil"}', 422, "invalid_request"),
    "a bare string": (b'"hello"', 422, "invalid_request"),
    "an array": (b'[{"message": "hello"}]', 422, "invalid_request"),
    "half a document": (b'{"message": "hel', 422, "invalid_request"),
    "no JSON at all": (b"message=hello", 422, "invalid_request"),
    "no UTF-8": (b'{"message": "\xff\xfe"}', 422, "invalid_request"),
    "a NUL": (b'{"message": "a\\u0000b"}', 422, "invalid_request"),
    "a control character": (b'{"message": "a\\u001b[2Jb"}', 422, "invalid_request"),
    "a C1 control character": (b'{"message": "a\\u009bb"}', 422, "invalid_request"),
    "a lone surrogate": (b'{"message": "a\\ud800b"}', 422, "invalid_request"),
    "a surrogate pair the wrong way round": (b'{"message": "\\udc00\\ud800"}', 422, "invalid_request"),
    "a lone surrogate as a persona": (b'{"message": "hello", "role": "\\ud800"}', 422, "invalid_request"),
    "a surrogate in UTF-8": (b'{"message": "\xed\xa0\x80"}', 422, "invalid_request"),
    "a deep nest": (b'{"message": ' + b"[" * 100_000, 422, "invalid_request"),
    "a huge number": (b'{"message": ' + b"9" * 100_000 + b"}", 422, "invalid_request"),
    "a huge body": (b'{"message": "' + b"x" * 300_000 + b'"}', 413, "payload_too_large"),
}


async def nothing_happened(client: Client, conversation: str) -> bool:
    body = await client.get(f"/api/conversations/{conversation}")
    return (body["message_count"], body["running_turn_id"], body["title"]) == (0, None, "")


@pytest.mark.parametrize("case", REFUSED_MESSAGES)
async def test_a_message_that_cannot_be_is_refused(alice: Client, case: str) -> None:
    body, status, code = REFUSED_MESSAGES[case]
    conversation = await alice.create()
    answer = await alice.ask("POST", turns(conversation), body)
    assert answer.problem == (status, code)
    assert await nothing_happened(alice, conversation)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_body_of_another_type_is_refused(alice: Client, content_type: str) -> None:
    conversation = await alice.create()
    answer = await alice.ask("POST", turns(conversation), {"message": "hello"}, {"Content-Type": content_type})
    assert answer.problem == (422, "invalid_request")
    assert await nothing_happened(alice, conversation)


@pytest.mark.parametrize("key", ["", " ", "k" * 201, "schlüssel"])
async def test_a_key_that_is_none_is_refused(alice: Client, key: str) -> None:
    conversation = await alice.create()
    assert (await alice.send(conversation, "hello", key=key)).problem == (422, "invalid_request")
    assert await nothing_happened(alice, conversation)


# In the query of the tutorial's stream. The percent signs go over the wire as they stand here.
REFUSED_QUERIES: dict[str, tuple[str, int, str]] = {
    "no message": ("", 422, "invalid_request"),
    "an empty message": ("message=", 422, "invalid_request"),
    "a blank message": ("message=%20%0A%E3%80%80", 422, "invalid_request"),
    "a NUL": ("message=a%00b", 422, "invalid_request"),
    "an escape sequence": ("message=%1B%5B2J", 422, "invalid_request"),
    "a surrogate in UTF-8": ("message=%ED%A0%80", 422, "invalid_request"),
    "half a character": ("message=%E4%BD", 422, "invalid_request"),
    "no UTF-8": ("message=%FF", 422, "invalid_request"),
    "no UTF-8 in a name": ("message=hello&%FF=1", 422, "invalid_request"),
    "too long a message": ("message=" + "a" * 32_001, 422, "message_too_long"),
    "an unknown persona": ("message=hello&role=nobody", 422, "unknown_role"),
    "an empty persona": ("message=hello&role=", 422, "invalid_request"),
    "a NUL as a persona": ("message=hello&role=%00", 422, "invalid_request"),
    "an empty key": ("message=hello&turn_key=", 422, "invalid_request"),
    "a long key": ("message=hello&turn_key=" + "k" * 65, 422, "invalid_request"),
    "a key with a line end": ("message=hello&turn_key=a%0Ab", 422, "invalid_request"),
}


@pytest.mark.parametrize("case", REFUSED_QUERIES)
async def test_a_query_that_cannot_be_is_refused(alice: Client, case: str) -> None:
    query, status, code = REFUSED_QUERIES[case]
    conversation = await alice.create()
    for prefix in ("", "/api"):
        path = f"{prefix}/chat/stream?user_id={alice.user}&session_id={conversation}&{query}"
        assert (await alice.ask("GET", path)).problem == (status, code)
    assert await nothing_happened(alice, conversation)


@pytest.mark.parametrize(
    "user", ["", "a%20b", "a%00b", "%E8%8E%B2", "a" * 129, "~me", "../x", "a%0A", "%ED%A0%80", "{x}", "a:b", "*"]
)
async def test_a_user_id_that_is_none_is_refused(alice: Client, user: str) -> None:
    for method, path in (("POST", "/chat/start"), ("GET", "/api/conversations")):
        answer = await alice.ask(method, f"{path}?user_id={user}")
        assert answer.problem == (422, "invalid_request")
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "conversation",
    [
        "x",
        "%00",
        "..%2F..",
        "%ED%A0%80",
        "%FF",
        "{}",
        "*",
        "0" * 5_000,
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-4000-8000-000000000000",
        "00000000-0000-4000-8000-00000000000G",
        "00000000-0000-4000-8000-000000000000%0A",
    ],
)
async def test_an_id_that_names_nothing_is_not_found(alice: Client, conversation: str) -> None:
    path = f"/api/conversations/{conversation}"
    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"title": "x"}),
        ("DELETE", path, None),
        ("GET", f"{path}/messages", None),
        ("POST", f"{path}/turns", {"message": "hello"}),
        ("DELETE", f"/chat/history/{conversation}", None),
    ):
        status, code = (await alice.ask(method, where, body)).problem
        # An escaped slash makes another path of it.
        assert (status, code) in {(404, "conversation_not_found"), (404, "not_found")}


async def test_an_id_in_upper_case_is_another_id(alice: Client) -> None:
    conversation = await alice.create()
    answer = await alice.ask("GET", f"/api/conversations/{conversation.upper()}")
    assert answer.problem == (404, "conversation_not_found")


@pytest.mark.parametrize("named", ["x", "%00", "", "00000000-0000-4000-8000-000000000000"])
async def test_a_session_id_that_names_nothing_is_not_found(alice: Client, named: str) -> None:
    for path in ("/chat/history?", "/chat/stream?message=hello&"):
        answer = await alice.ask("GET", f"{path}session_id={named}&user_id={alice.user}")
        assert answer.problem == (404, "conversation_not_found")


async def test_a_session_id_is_needed(alice: Client) -> None:
    for path in ("/chat/history", "/chat/stream"):
        assert (await alice.ask("GET", path)).problem == (422, "invalid_request")


@pytest.mark.parametrize("turn", ["x", "%00", "*", "a" * 65, "0123456789abcdef0123", "%ED%A0%80"])
async def test_a_turn_id_that_names_nothing_is_not_found(alice: Client, turn: str) -> None:
    conversation = await alice.create()
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/stop")):
        answer = await alice.ask(method, f"{turns(conversation)}/{turn}{path}")
        assert answer.problem == (404, "turn_not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"title": 1},
        {"title": "x" * 201},
        {"title": "a\0b"},
        {"title": "a\ud800"},
        {"role": "nobody"},
        {"role": ""},
        {"model": "gpt-0"},
        {"owner": "bob"},
        {"pinned": True},
    ],
    ids=str,
)
async def test_a_conversation_that_cannot_be_is_not_made(alice: Client, body: dict[str, Any]) -> None:
    status, code = (await alice.ask("POST", "/api/conversations", body)).problem
    assert status == 422
    assert code in ("invalid_request", "unknown_role", "unknown_model")
    assert (await alice.get("/api/conversations"))["conversations"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": " \u3000"},
        {"title": "x" * 201},
        {"title": "a\x1bb"},
        {"pinned": "yes"},
        {"pinned": 1},
        {"role": "nobody"},
        {"model": "gpt-0"},
        {"title": "fine", "role": "nobody"},
        {"title": "fine", "owner": "bob"},
        {"title": "fine", "created_at": 0},
    ],
    ids=str,
)
async def test_a_change_that_cannot_be_changes_nothing(alice: Client, body: dict[str, Any]) -> None:
    conversation = await alice.create(title="before")
    path = f"/api/conversations/{conversation}"
    before = await alice.get(path)
    status, _ = (await alice.ask("PATCH", path, body)).problem
    assert status == 422
    assert await alice.get(path) == before


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "", "1.5", "1e2", "9" * 40, "٣٠"])
async def test_a_limit_that_cannot_be_is_refused(alice: Client, limit: str) -> None:
    conversation = await alice.create()
    for path in ("/api/conversations", f"/api/conversations/{conversation}/messages"):
        answer = await alice.ask("GET", path, limit=limit)
        assert answer.problem == (422, "invalid_request")
        assert [error["field"] for error in answer.json["errors"]] == ["limit"]


@pytest.mark.parametrize("before", ["x", "_", "nan_x", "NaN", "%00", "1e999999", "0x1_x", "a" * 201, "--1_x", "(1_x"])
async def test_a_cursor_of_no_list_is_no_bug_of_the_server(alice: Client, before: str) -> None:
    conversation = await alice.create()
    await alice.say(conversation, "hello")
    query = f"?user_id={alice.user}&before={before}"
    in_list = await alice.ask("GET", f"/api/conversations{query}")
    # What can be read as a cursor is one: it may be before or after everything.
    assert in_list.status == 200 or in_list.problem == (422, "invalid_request")
    for path in (
        f"/api/conversations/{conversation}/messages{query}",
        f"/chat/history{query}&session_id={conversation}",
    ):
        assert (await alice.ask("GET", path)).problem == (422, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing-here", 404, "not_found"),
        ("GET", "/api/nothing-here", 404, "not_found"),
        ("GET", "/assets/..%2f..%2fcli.py", 404, "not_found"),
        ("GET", "/assets/%2e%2e/index.html", 404, "not_found"),
        ("DELETE", "/api/conversations", 405, "method_not_allowed"),
        ("POST", "/chat/stream", 405, "method_not_allowed"),
        ("PUT", "/healthz", 405, "method_not_allowed"),
        ("TRACE", "/roles", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_a_problem_too(
    alice: Client, method: str, path: str, status: int, code: str
) -> None:
    assert (await alice.ask(method, path)).problem == (status, code)


async def test_a_refusal_names_the_field_but_not_what_was_written(alice: Client) -> None:
    conversation = await alice.create()
    answer = await alice.ask("POST", turns(conversation), b'{"message": ["open-sesame"], "role": 7}')
    assert answer.problem == (422, "invalid_request")
    assert {error["field"] for error in answer.json["errors"]} == {"message", "role"}
    assert all(error["message"] for error in answer.json["errors"])
    assert b"sesame" not in answer.body


@pytest.mark.parametrize("field", [b"", b"{", b'{"message": "hel', b"\xff"])
async def test_a_broken_document_is_a_fault_of_the_body(alice: Client, field: bytes) -> None:
    answer = await alice.ask("POST", "/api/conversations", field)
    assert answer.problem == (422, "invalid_request")
    assert [error["field"] for error in answer.json["errors"]] == ["body"]


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /api/\xff\xfe HTTP/1.1\r\nHost: localhost",
        b"GET http://[/ HTTP/1.1\r\nHost: localhost",
        b"GET /roles HTTP/1.1\r\nHost: [::1",
        b"GET /roles HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[",
        b"GET /roles HTTP/1.1\r\nHost: localhost\r\nContent-Length: x",
        b"POST /chat/start HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1",
        b"POST /chat/start HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[",
        b"\0\0\0\0",
    ],
)
async def test_no_bytes_on_a_connection_are_a_bug_of_the_server(
    http_server: ServerProcess, request_line: bytes
) -> None:
    address = urlsplit(http_server.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request_line + b"\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(HANGS_S):
            answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 400, 403), answer
