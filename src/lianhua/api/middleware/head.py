"""HEAD wherever GET is (RFC 9110, 9.3.2): the same status and headers, and nothing begins."""

from collections.abc import AsyncGenerator
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from lianhua.streams.live import Push

ASKED_FOR_HEAD: Final = "lianhua.head"  # in a request's state


class HeadAsGet:
    """Lets routes see a GET. The server sends no body in answer to HEAD; what would begin something, or is long to
    make, asks `ForHead`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope["state"][ASKED_FOR_HEAD] = True
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


async def asked_for_head(request: Request) -> bool:
    return is_head(request.scope)


ForHead = Annotated[bool, Depends(asked_for_head)]


def is_head(scope: Scope) -> bool:
    return bool(scope.get("state", {}).get(ASKED_FOR_HEAD))


class Unfollowed:
    """The source of a stream of which only the head is asked for."""

    when_taken: Final = None

    async def frames(self, push: Push | None = None) -> AsyncGenerator[bytes, None]:
        nothing: tuple[bytes, ...] = ()
        for frame in nothing:
            yield frame
