"""The routes of a turn, without the framework in between: it takes 0.5 ms of CPU for a request, as much as all the
rest.

Only what is asked in the plainest way is answered here, by the same functions as behind the framework. All else, a
value that is refused or a header of another kind, goes on to the framework's own route, which knows how to say why. So
there is one contract, and `/openapi.json` describes it.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lianhua.api.deps import get_idempotency_key, get_identity
from lianhua.api.event_stream import EventStream
from lianhua.api.middleware.csrf import check_site
from lianhua.api.middleware.head import is_head
from lianhua.api.middleware.outside import asked_hosts, route_path
from lianhua.api.problems import problem_of
from lianhua.api.routes.turns import started_out
from lianhua.api.routes.tutorial import start_session
from lianhua.api.services import Services
from lianhua.auth.identity import USER_ID_PATTERN
from lianhua.chat.events import Cursor
from lianhua.chat.messages import Language
from lianhua.chat.plain_text import NAME_CHARS, is_plain
from lianhua.chat.texts import preferred_language
from lianhua.chat.turn import TurnRef
from lianhua.errors import LianhuaError
from lianhua.turns.planner import Ask
from lianhua.turns.request import Send as SendMessage

_UUID: Final = "([0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"
_ID: Final = re.compile(_UUID)
_TURNS: Final = re.compile(f"/api/conversations/{_UUID}/turns")
_EVENTS: Final = re.compile(f"/api/conversations/{_UUID}/turns/([0-9a-f]{{1,64}})/events")
_USER: Final = re.compile(USER_ID_PATTERN)
_KEY: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_ID_CHARS: Final = 200


class _Body(Struct, forbid_unknown_fields=True):
    message: str
    parent_id: str | None = None
    role: str | None = None
    model: str | None = None


class _Call(Struct):
    """A request in the plainest form: no header and no parameter twice."""

    scope: Scope
    receive: Receive
    headers: dict[bytes, bytes]
    query: dict[str, str]
    path: str

    @property
    def language(self) -> Language:
        return preferred_language(self.header(b"accept-language"))

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def user(self) -> str | None:
        """Who is asking; None for a name that the framework's route is to refuse."""
        user_id = self.query.get("user_id")
        if user_id is not None and not _USER.fullmatch(user_id):
            return None
        return (await get_identity(Request(self.scope), user_id)).user_id


_Answer = Callable[["Direct", _Call], Awaitable[Response | None]]


class Direct:
    """Answers the plainest requests for a turn, and leaves the others to `app`. Requests of `allowed_origins`, if there
    are any, have headers of their own, and are left to it too.
    """

    def __init__(self, app: ASGIApp, services: Services, allowed_origins: Collection[str]) -> None:
        self._app = app
        self._services = services
        self._origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (answer := self._answer_of(scope)) and (call := self._plain(scope, receive)):
            try:
                if response := await answer(self, call):
                    await response(scope, receive, send)
                    return
            except LianhuaError as error:
                await problem_of(error, call.language)(scope, receive, send)
                return
            receive = call.receive
        await self._app(scope, receive, send)

    def _answer_of(self, scope: Scope) -> _Answer | None:
        path, method = route_path(scope), scope["method"]
        if is_head(scope):
            return None
        if method == "GET":
            if path in ("/chat/stream", "/api/chat/stream"):
                return Direct._stream
            return Direct._events if path.endswith("/events") else None
        if method == "POST":
            if path in ("/chat/start", "/api/chat/start"):
                return Direct._start
            return Direct._turn if path.endswith("/turns") else None
        return None

    async def _start(self, call: _Call) -> Response | None:
        role = call.query.get("role")
        if not _is_name(role) or (user := await call.user()) is None:
            return None
        services = self._services
        started = await start_session(services.conversations, services.personas, user, call.language, role)
        return _json(200, started.model_dump())

    async def _stream(self, call: _Call) -> Response | None:
        query = call.query
        session_id, message, role, key = (query.get(name) for name in ("session_id", "message", "role", "turn_key"))
        if not session_id or not _ID.fullmatch(session_id) or message is None or not is_plain(message):
            return None
        if not _is_name(role) or not (key is None or _KEY.fullmatch(key)):
            return None
        check_site(call.header(b"sec-fetch-site"), call.header(b"origin"), asked_hosts(call.scope), self._origins)
        if (user := await call.user()) is None:
            return None
        turns = self._services.turns
        ask = Ask(SendMessage(message), call.language, key or turns.new_key(), role, joinable=True)
        accepted = await turns.start_or_join(user, session_id, ask)
        return await self._follow(user, TurnRef(session_id, accepted.turn_id))

    async def _events(self, call: _Call) -> Response | None:
        found = _EVENTS.fullmatch(call.path)
        if not found or "after" in call.query or (user := await call.user()) is None:
            return None
        return await self._follow(user, TurnRef(found[1], found[2]))

    async def _follow(self, user: str, ref: TurnRef) -> Response:
        viewer = await self._services.turns.view(user, ref, Cursor.START)
        return EventStream(viewer) if viewer else Response(status_code=204)

    async def _turn(self, call: _Call) -> Response | None:
        found = _TURNS.fullmatch(call.path)
        key = call.header(b"idempotency-key")
        if not found or len(key or "") > _ID_CHARS or (body := await _body(call)) is None:
            return None
        if (user := await call.user()) is None:
            return None
        act = SendMessage(body.message, body.parent_id)
        ask = Ask(act, call.language, await get_idempotency_key(key), body.role, body.model)
        accepted = await self._services.turns.start(user, found[1], ask)
        out = started_out(accepted, call.scope["root_path"], found[1])
        return _json(200 if accepted.repeated else 202, out.model_dump())

    def _plain(self, scope: Scope, receive: Receive) -> _Call | None:
        """The request as a call, if it is one that resumes nothing and is from no other origin."""
        headers = dict(scope["headers"])
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        query = dict(pairs)
        if len(headers) < len(scope["headers"]) or len(query) < len(pairs) or b"last-event-id" in headers:
            return None
        if self._origins and b"origin" in headers:
            return None
        return _Call(scope, receive, headers, query, route_path(scope))


async def _body(call: _Call) -> _Body | None:
    """The body of a new message; None where it is anything else, which can then be received once more."""
    kind = call.headers.get(b"content-type", b"")
    if kind.partition(b";")[0].strip().lower() != b"application/json":
        return None
    message = await call.receive()
    call.receive = _once_more(message, call.receive)
    try:
        body = _decoder.decode(message.get("body", b""))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    parent_id = body.parent_id
    is_fine = is_plain(body.message) and _is_name(body.role) and _is_name(body.model)
    return body if is_fine and (parent_id is None or (is_plain(parent_id) and len(parent_id) <= _ID_CHARS)) else None


def _once_more(message: Message, receive: Receive) -> Receive:
    left: list[Message] = [message]

    async def next_message() -> Message:
        return left.pop() if left else await receive()

    return next_message


def _is_name(text: str | None) -> bool:
    """Whether it may name a persona or a model; None names none."""
    return text is None or (0 < len(text) <= NAME_CHARS and is_plain(text))


def _json(status: int, value: object) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


_decoder: Final = msgspec.json.Decoder(_Body)
