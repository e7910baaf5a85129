"""Conversations as files: one or all of them on their way out, and a file's on their way in."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator
from typing import Annotated, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lianhua.api.deps import Audit, ConversationId, Exports, Imports, User, ViewerLanguage
from lianhua.api.event_stream import SEND_TIMEOUT_S, SOCKET
from lianhua.api.middleware.head import is_head
from lianhua.api.schemas.transfer import ImportReportOut
from lianhua.errors import InvalidRequest, LianhuaError
from lianhua.store.audit import conversation_mark

logger = logging.getLogger(__name__)

IMPORT_PATH: Final = "/api/import"
NAME_CHARS: Final = 80  # of a file's name: some systems take no more than 255 bytes
# What no file's name has on one system or another.
_NO_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|]+')
_JSON: Final = "application/json"
_MARKDOWN: Final = "text/markdown; charset=utf-8"
_TYPES: Final = (_JSON, "application/zip", "application/octet-stream")
_file = {"schema": {"type": "string", "format": "binary"}}
_one = {200: {"content": {_JSON: {"schema": {"type": "object"}}, _MARKDOWN: {"schema": {"type": "string"}}}}}
_all = {200: {"content": {_JSON: {"schema": {"type": "object"}}}}}
_body = {"requestBody": {"required": True, "content": dict.fromkeys(_TYPES, _file)}}

router = APIRouter(tags=["transfer"])


@router.get("/conversations/{conversation_id}/export", response_class=Response, responses=_one)  # type: ignore[arg-type]
async def export_conversation(
    request: Request,
    exporter: Exports,
    user: User,
    audit: Audit,
    language: ViewerLanguage,
    conversation_id: ConversationId,
    form: Annotated[Literal["json", "markdown"], Query(alias="format")] = "json",
) -> Response:
    """One conversation as a file: `json` has all of it and can be imported, `markdown` is for people to read."""
    leaving = await exporter.open(user, conversation_id)
    if not is_head(request.scope):
        await audit.record("export", target=conversation_mark(conversation_id), format=form)
    if form == "json":
        return await _download(exporter.as_json(leaving), _JSON, leaving.head.title, "json")
    return await _download(exporter.as_markdown(leaving, language), _MARKDOWN, leaving.head.title, "md")


@router.get("/export", response_class=Response, responses=_all)  # type: ignore[arg-type]
async def export_everything(request: Request, exporter: Exports, user: User, audit: Audit) -> Response:
    """Everything that the caller has, as one file that can be imported: conversations, own personas, settings."""
    if not is_head(request.scope):
        await audit.record("export", all=True)
    return await _download(exporter.everything(user), _JSON, "lianhua", "json")


@router.post("/import", openapi_extra=_body, response_model_exclude_none=True)
async def import_file(
    request: Request,
    importer: Imports,
    user: User,
    audit: Audit,
    content_type: Annotated[str, Header(include_in_schema=False)] = "",
    keep: Annotated[Literal["unknown"] | None, Query()] = None,
) -> ImportReportOut:
    """Brings in a file: an export of ours, or of ChatGPT, Claude, DeepSeek, Gemini, Open WebUI, LibreChat, LobeChat,
    NextChat, Cherry Studio or chat-ui, also as the archive it comes in.

    What is known from an earlier import is recognised: only what is new comes. The answer says what was left out, and
    why; `keep=unknown` keeps what is not understood as raw JSON, with the reply that it belongs to.
    """
    if content_type.partition(";")[0].strip().lower() not in _TYPES:
        raise InvalidRequest("Content-Type", f"one of {', '.join(_TYPES)}")
    try:
        report = await importer.bring(user, request.stream(), keep=keep is not None)
    except ClientDisconnect as exc:
        raise InvalidRequest("body", "did not arrive") from exc
    await audit.record("import", format=report.format, conversations=report.imported.conversations)
    return ImportReportOut.model_validate(report)


async def _download(pieces: AsyncGenerator[bytes, None], media_type: str, title: str, ending: str) -> Response:
    first = await anext(pieces)  # a store that is away is a status, not a broken file
    return _File(first, pieces, media_type, disposition(title, ending))


def disposition(title: str, ending: str) -> str:
    """The header that names a file (RFC 6266, with the name in UTF-8 after RFC 8187)."""
    name = " ".join(_NO_NAME.sub(" ", title).split())[:NAME_CHARS].strip(". ") or "conversation"
    return f"attachment; filename=\"conversation.{ending}\"; filename*=UTF-8''{quote(f'{name}.{ending}', safe='')}"


class _File(Response):
    """Sends a file as it is made. When that fails midway the connection is cut, so that nobody takes it for whole."""

    def __init__(self, first: bytes, pieces: AsyncGenerator[bytes, None], media_type: str, named: str) -> None:
        super().__init__(media_type=media_type, headers={"Content-Disposition": named})
        self._first = first
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        async with contextlib.aclosing(self._pieces) as pieces:
            try:
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                if is_head(scope):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return
                await _send(send, self._first)
                async for piece in pieces:
                    if SOCKET not in scope.get("extensions", {}):
                        return  # the client is gone
                    await _send(send, piece)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except (LianhuaError, OSError) as error:  # a time-out is an OSError
                logger.warning("an export is cut off (%s)", type(error).__name__)


async def _send(send: Send, body: bytes) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send({"type": "http.response.body", "body": body, "more_body": True})
