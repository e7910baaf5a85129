"""Asking a server one thing once, and waiting until an answer is the one wanted, in the test's event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tests.support.servers.redis_server import RedisServer
from tests.support.stillness import Stopwatch

WAIT_S: Final = 60.0
ANSWER_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.05

Answer = TypeVar("Answer")


async def ask(server: RedisServer, *words: str | int) -> Any:
    """The answer to one command, as text. Raises `RedisError` or `OSError` without a second try."""
    once = Retry(NoBackoff(), 0)
    async with server.client(decode_responses=True, socket_timeout=ANSWER_TIMEOUT_S, retry=once) as client:
        return await client.execute_command(*words)  # type: ignore[no-untyped-call]


async def until(
    found: Callable[[], Awaitable[Answer | None]], what: str, *, timeout_s: float = WAIT_S, poll_s: float = POLL_S
) -> Answer:
    """Asks until the answer is neither None nor False nor an error. Raises `TimeoutError` saying `what` is missing."""
    watch = Stopwatch()
    last: Exception | None = None
    while True:
        try:
            if answer := await found():
                return answer
        except (RedisError, OSError) as exc:
            last = exc
        if not watch.within(timeout_s):
            raise TimeoutError(f"{what}: {watch.took()}") from last
        await asyncio.sleep(poll_s)


async def started(server: RedisServer, **directives: str) -> None:
    """As `server.start`, while the event loop goes on."""
    server.launch(**directives)

    async def answers() -> bool:
        return server.is_ready()

    await until(answers, f"{server} answers")
