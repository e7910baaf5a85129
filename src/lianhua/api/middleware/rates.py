"""Counts requests for somebody's data, and refuses those that come too often."""

import math
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lianhua.api.deps import known_identity
from lianhua.api.middleware.head import is_head
from lianhua.api.middleware.headers import path_is_data
from lianhua.api.middleware.outside import route_path
from lianhua.api.problems import language_of, problem_of
from lianhua.errors import RateLimited, Unavailable
from lianhua.limits.rate import Rate
from lianhua.metrics import BUDGET_REFUSALS

_STREAM: Final = ("/chat/stream", "/api/chat/stream")


class Rates:
    """One call to the store for a request, where it is limited. It comes before anything is read or stored."""

    def __init__(self, app: ASGIApp, rate: Rate) -> None:
        self._app = app
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = counted_as(scope) if scope["type"] == "http" else []
        if not self._rate.limits(*names):
            await self._app(scope, receive, send)
            return
        try:
            taken = await self._rate.take(names, askers_of(scope))
        except Unavailable as error:
            await problem_of(error, language_of(scope))(scope, receive, send)
            return
        if not taken.allowed:
            BUDGET_REFUSALS.add("rate")
            refusal = RateLimited(math.ceil(taken.wait_s), taken.headers)
            await problem_of(refusal, language_of(scope))(scope, receive, send)
            return

        async def send_with_levels(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(taken.headers)
            await send(message)

        await self._app(scope, receive, send_with_levels)


def counted_as(scope: Scope) -> list[str]:
    """What of the limits a request counts for: nothing where it is for a file of the page or for a probe."""
    path = route_path(scope)
    if not path_is_data(path):
        return []
    return ["requests", "turns"] if _begins_turn(scope, path) else ["requests"]


def _begins_turn(scope: Scope, path: str) -> bool:
    if scope["method"] == "POST":
        return path.endswith("/turns")
    if scope["method"] != "GET" or is_head(scope) or path not in _STREAM:
        return False
    return all(name != b"last-event-id" for name, _ in scope["headers"])


def askers_of(scope: Scope) -> dict[str, str]:
    """By kind: the address, and where they are known the user and the access token."""
    askers = {"address": scope["client"][0]} if scope.get("client") else {}
    if identity := known_identity(scope):
        askers["user"] = identity.user_id
        if identity.token_id:
            askers["token"] = identity.token_id
    return askers
