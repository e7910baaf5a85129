"""Ends what goes on in this process for whoever may not log in any more: within 5 s, also where a hint is lost."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from lianhua.auth.verifier import Proof, Verifier
from lianhua.errors import NotAuthenticated, Unavailable
from lianhua.store.client.keys import ACCOUNTS_CHANNEL
from lianhua.store.client.pubsub import PubSub

logger = logging.getLogger(__name__)

LOOK_S: Final = 3.5  # with the time that a look takes below 5 s
LOOKED_AT_ONCE: Final = 64


class OpenRequests:
    """Which tasks work for whom. A task whose login ends is cancelled, and finds itself in `ended`."""

    def __init__(self) -> None:
        self._tasks: dict[Proof, set[asyncio.Task[Any]]] = {}
        self._ended: set[asyncio.Task[Any]] = set()

    @property
    def proofs(self) -> list[Proof]:
        return list(self._tasks)

    @contextmanager
    def held(self, proof: Proof) -> Iterator[None]:
        """While the block runs, this task works for whoever has the proof."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a server runs each request in one
        tasks = self._tasks.setdefault(proof, set())
        tasks.add(task)
        try:
            yield
        finally:
            tasks.discard(task)
            if not tasks and self._tasks.get(proof) is tasks:
                del self._tasks[proof]

    def end(self, proof: Proof) -> None:
        for task in tuple(self._tasks.get(proof, ())):
            self._ended.add(task)
            task.add_done_callback(self._ended.discard)
            task.cancel()

    def was_ended(self) -> bool:
        """Whether this task was cancelled by `end`; asked once."""
        task = asyncio.current_task()
        if task not in self._ended:
            return False
        self._ended.discard(task)
        task.uncancel()
        return True


class Revocation:
    """From `start` to `stop` it looks who of those with an open request may still be there."""

    def __init__(self, verifier: Verifier, pubsub: PubSub, requests: OpenRequests) -> None:
        self._verifier = verifier
        self._pubsub = pubsub
        self._requests = requests
        self._changed: set[str] = set()
        self._all = False
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="watch for ended logins")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _heard(self, hint: bytes) -> None:
        if hint:
            self._changed.add(hint.decode())
        else:  # some may have been lost
            self._all = True
        self._bell.set()

    async def _watch(self) -> None:
        with self._pubsub.listen(ACCOUNTS_CHANNEL, self._heard):
            while True:
                try:
                    async with asyncio.timeout(LOOK_S):
                        await self._bell.wait()
                except TimeoutError:
                    self._all = True
                try:
                    await self._look()
                except Exception:
                    logger.exception("open requests are looked at again in %s s", LOOK_S)

    async def _look(self) -> None:
        changed, everybody = self._changed, self._all
        self._changed, self._all = set(), False
        self._bell.clear()
        for name in changed:
            self._verifier.forget(name)
        proofs = [proof for proof in self._requests.proofs if everybody or proof.secret.holder in changed]
        for start in range(0, len(proofs), LOOKED_AT_ONCE):
            await asyncio.gather(*map(self._end_if_over, proofs[start : start + LOOKED_AT_ONCE]))

    async def _end_if_over(self, proof: Proof) -> None:
        try:
            await self._verifier.look(proof)
        except NotAuthenticated:
            self._requests.end(proof)
        except Unavailable:
            logger.info("whether a login still holds is looked at later")
