"""Bounds what a request brings, before anything parses it: its query, its body, the time that this takes."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lianhua.api.middleware.outside import route_path
from lianhua.api.problems import language_of, problem_of
from lianhua.errors import InvalidRequest, LianhuaError, PayloadTooLarge

BODY_BYTES: Final = 256 * 1024  # the longest message, in JSON, fits
BODY_TIMEOUT_S: Final = 30.0  # of a body, and of each part of one that is streamed
STREAM_TIMEOUT_S: Final = 3_600.0  # of all parts of one: half a gigabyte at one Mbit/s


class Body:
    """Refuses a malformed query, and too large or too slow a body. `streamed` are paths whose bodies are not gathered
    here, and how many bytes each takes.
    """

    def __init__(self, app: ASGIApp, streamed: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._streamed = streamed or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check_query(scope["query_string"])
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            if limit := self._streamed.get(route_path(scope)):
                receive = _stream(receive, headers, limit)
            else:
                async with asyncio.timeout(BODY_TIMEOUT_S):
                    receive = await _bounded(receive, headers)
        except TimeoutError:
            await problem_of(InvalidRequest("body", "did not arrive in time"), language_of(scope))(scope, receive, send)
            return
        except LianhuaError as error:
            await problem_of(error, language_of(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _check_query(query: bytes) -> None:
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequest("query", "not valid UTF-8") from exc


def _stream(receive: Receive, headers: dict[bytes, str], limit: int) -> Receive:
    """The body as it comes, at most `limit` bytes, each part in its time. Raises `PayloadTooLarge`, now or then."""
    length = headers.get(b"content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise PayloadTooLarge(length)
    size = 0
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STREAM_TIMEOUT_S

    async def next_part() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + BODY_TIMEOUT_S)):
                message = await receive()
        except TimeoutError as exc:
            raise InvalidRequest("body", "did not arrive in time") from exc
        size += len(message.get("body", b""))
        if size > limit:
            raise PayloadTooLarge(str(size))
        return message

    return next_part


async def _bounded(receive: Receive, headers: dict[bytes, str]) -> Receive:
    """Reads the whole body, at most `BODY_BYTES`, before anything parses it. Raises `PayloadTooLarge`."""
    length = headers.get(b"content-length", "0")
    if length.isdigit() and int(length) > BODY_BYTES:
        raise PayloadTooLarge(length)
    if length == "0" and b"transfer-encoding" not in headers:
        return receive
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            break  # gone already; the route finds out by itself
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES:
            raise PayloadTooLarge(str(size))
        if not message.get("more_body"):
            break
    body: Message | None = {"type": "http.request", "body": b"".join(parts), "more_body": False}

    async def replay() -> Message:
        nonlocal body
        if body is not None:
            first, body = body, None
            return first
        return await receive()

    return replay
