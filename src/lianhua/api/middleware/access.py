"""One line in the log for each request, and the last place that catches this program's own bugs."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lianhua.api.problems import language_of, problem
from lianhua.metrics import REQUESTS

logger = logging.getLogger(__name__)
access_log = logging.getLogger("lianhua.access")


class Access:
    """The line holds method, path, status and time: never the query, which carries the tutorial's message."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            # Nobody outside sees more of a bug than its code.
            logger.exception("%s %s", scope["method"], ascii(scope["path"])[1:-1])
            if status == 0:
                await problem(500, "internal", language_of(scope))(scope, receive, send_and_note)
        finally:
            REQUESTS.add(f"{status // 100}xx" if status else "none")
            if access_log.isEnabledFor(logging.INFO):
                elapsed_ms = (time.perf_counter() - began) * 1000
                access_log.info("%s %s %d %.1f ms", scope["method"], ascii(scope["path"])[1:-1], status, elapsed_ms)
