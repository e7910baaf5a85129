"""Several workers on one socket: started, watched, started again when they die, replaced one by one on SIGHUP.

The supervisor serves nothing itself. It owns the listening socket and, where none is named, the embedded store. Where
no model is set it looks for one, so that all workers have the same. A model on this computer runs in a process of the
supervisor's, once for all of them.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from lianhua.config.settings import Settings
from lianhua.errors import LianhuaError
from lianhua.metrics import Snapshot, total
from lianhua.models.discover import FoundModel, find_model
from lianhua.models.local.host import OwnHost
from lianhua.server.control import LINE_BYTES, SCRAPE_TIMEOUT_S
from lianhua.server.metrics_port import MetricsPort
from lianhua.server.shared_model import LentHost
from lianhua.server.sockets import address_of
from lianhua.store.embedded.server import EmbeddedServer
from lianhua.store.open import open_owned

logger = logging.getLogger(__name__)

# Longer than one process takes: all workers wait for it once. Where nobody listens it is over at once.
DISCOVERY_S: Final = 2.0
READY_TIMEOUT_S: Final = 60.0  # with a model on this computer that is loaded first
STOP_TIMEOUT_S: Final = 29.0  # a worker needs 28 at worst; orchestrators kill after 30
RESTART_S: Final = 0.1
LONGEST_RESTART_S: Final = 5.0
LAST_WORDS_S: Final = 1.0  # for what stands in the lines of workers that have ended
STEADY_S: Final = 10.0  # a worker that has lived so long did not die of its start


class WorkerFailed(LianhuaError):
    """A worker did not come up at all."""


class WorkerRefused(LianhuaError):
    """The first worker would not start, and has said why in its own line. `exit_code` is its own."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"a worker ended with {exit_code}")
        self.exit_code = exit_code


class _Worker:
    """One process and its line."""

    def __init__(
        self, process: asyncio.subprocess.Process, line: asyncio.StreamReader, out: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self.line = line
        self.out = out
        self.ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.name = ""
        self.leaving = False
        self.counted = Snapshot()  # as it last said
        self.answered: asyncio.Event | None = None  # set when it has said it once more
        self.trial = False  # one that is not started again when it does not come up

    @property
    def serves(self) -> bool:
        return bool(self.name) and not self.leaving and self.process.returncode is None

    def tell(self, line: str) -> None:
        self.out.write(f"{line}\n".encode())

    def end(self, *, hurry: bool = False) -> None:
        """Over the line once it listens there; before that by a signal."""
        self.leaving = True
        if self.name:
            self.tell("hurry" if hurry else "end")
        else:
            self.kill(signal.SIGTERM)

    def heard_counted(self, counted: Snapshot) -> None:
        self.counted = counted
        if self.answered:
            self.answered.set()

    async def count(self) -> None:
        """Asks what it has counted by now; one that does not answer stays with what it last said."""
        if self.answered is None or self.answered.is_set():
            self.answered = asyncio.Event()
            self.tell("count")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SCRAPE_TIMEOUT_S):
                await self.answered.wait()

    def kill(self, sig: int = signal.SIGKILL) -> None:
        self.leaving = True
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(sig)


class Supervisor:
    """`run` it once."""

    def __init__(self, settings: Settings, listener: socket.socket, metrics: socket.socket | None = None) -> None:
        self._settings = settings
        self._listener = listener
        self._metrics = metrics
        self._counting: set[_Worker] = set()  # whose lines are open
        self._counted_by_gone = Snapshot()
        self._store: EmbeddedServer | None = None
        self._model_host = OwnHost()
        self._found: FoundModel | None = None
        self._workers: set[_Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._replacing: asyncio.Task[None] | None = None
        self._pause_s = RESTART_S
        self._gone: list[str] = []  # workers that died and whose turns no other worker was asked to look after

    async def run(self) -> None:
        """Serves until a signal. Raises `WrongSettings`, `StoreUnavailable`, `WorkerFailed` when it cannot begin."""
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self._end, sig)
        # At a terminal it means that the terminal has closed.
        loop.add_signal_handler(signal.SIGHUP, self._end if os.isatty(0) else self._replace, signal.SIGHUP)
        async with AsyncExitStack() as stack:
            if self._settings.store_url is None:
                self._store = await stack.enter_async_context(open_owned(self._settings))
            if self._metrics:
                port = MetricsPort(self._metrics, self._scrape, self._settings.metrics_token)
                await port.open()
                stack.push_async_callback(port.close)
            try:
                await self._look_for_model()
                await self._begin()
                await self._stopping.wait()
            finally:
                await self._close()

    async def _begin(self) -> None:
        first = self._keep(await self._start(), trial=True)  # what is wrong is said once
        model = await self._until_ready(first)
        first.trial = False
        if self._stopping.is_set():
            return
        others = [self._keep(await self._start()) for _ in range(self._settings.workers - 1)]
        for worker in others:
            await self._until_ready(worker)
        where = address_of(self._settings, self._listener)
        if not self._stopping.is_set():
            print(f"Lianhua 连话: {where}  ({model}; {self._settings.workers} workers)", flush=True)

    async def _look_for_model(self) -> None:
        if not self._settings.names_a_model:
            settings = self._settings
            self._found = await find_model(settings.data_dir, discovery=settings.discovery, timeout_s=DISCOVERY_S)

    async def _until_ready(self, worker: _Worker) -> str:
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        waits = [worker.ready, stopping]
        await asyncio.wait(waits, timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)  # type: ignore[type-var]
        stopping.cancel()
        if worker.ready.done():
            return worker.ready.result()
        if self._stopping.is_set():
            return ""
        raise WorkerFailed("a worker did not become ready")

    async def _start(self) -> _Worker:
        own_end, worker_end = socket.socketpair()
        with worker_end:
            fds = (self._listener.fileno(), worker_end.fileno())
            store = [str(self._store.socket)] if self._store else []
            found = ["--found", msgspec.json.encode(self._found).decode()] if self._found else []
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "lianhua", "worker", str(fds[0]), str(fds[1]), *store, *found),
                env=self._environment(),
                pass_fds=fds,
                process_group=0,  # a Ctrl-C in the terminal is for us, and we tell it in our own order
            )
        reader, writer = await asyncio.open_connection(sock=own_end, limit=LINE_BYTES)
        return _Worker(process, reader, writer)

    def _environment(self) -> dict[str, str]:
        """The settings as they were read, so that a flag or a changed `.env` counts for every worker alike."""
        return {**os.environ, **self._settings.environ}

    def _keep(self, worker: _Worker, *, trial: bool = False) -> _Worker:
        worker.trial = trial
        self._workers.add(worker)
        for coroutine, name in ((self._listen(worker), "line"), (self._watch(worker), "watch")):
            task = asyncio.create_task(coroutine, name=f"{name} of worker {worker.process.pid}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return worker

    async def _listen(self, worker: _Worker) -> None:
        self._counting.add(worker)
        lent = LentHost(self._model_host, lambda line: worker.tell(f"model {line}"))
        with contextlib.suppress(OSError):
            async for line in worker.line:
                word, _, rest = line.decode().strip().partition(" ")
                if word == "ready" and not worker.ready.done():
                    worker.name, _, model = rest.partition(" ")
                    worker.ready.set_result(model)
                    self._tell_of_gone()
                elif word == "erased" and self._store:
                    self._store.rewrite_soon()
                elif word == "model":
                    lent.heard(rest)
                elif word == "counted":
                    worker.heard_counted(msgspec.json.decode(rest, type=Snapshot))
                elif word == "scrape":
                    self._answer_scrape(worker)
        self._counted_by_gone = total((self._counted_by_gone, worker.counted.without_gauges()))
        self._counting.discard(worker)
        lent.close()

    def _answer_scrape(self, worker: _Worker) -> None:
        async def answer() -> None:
            worker.tell(f"scraped {msgspec.json.encode(await self._scrape()).decode()}")

        task = asyncio.create_task(answer(), name=f"scrape for worker {worker.process.pid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _scrape(self) -> Snapshot:
        """What all workers have counted, those that are gone too: a counter never falls."""
        asked = [worker for worker in self._workers if worker.name]
        await asyncio.gather(*(worker.count() for worker in asked))
        return total((self._counted_by_gone, *(worker.counted for worker in self._counting)))

    async def _watch(self, worker: _Worker) -> None:
        """Waits for a worker's end, and where nobody wanted it starts another in its place."""
        began = asyncio.get_running_loop().time()
        code = await worker.process.wait()
        worker.out.close()
        self._workers.discard(worker)
        if worker.leaving or self._stopping.is_set():
            return
        if not worker.ready.done():
            error = WorkerRefused(code) if code > 0 else WorkerFailed(f"a worker ended with {code}")
            worker.ready.set_exception(error)
            worker.ready.exception()  # heard by whoever waits for it; of a later worker the line below tells
            if worker.trial:
                return
        self._gone.append(worker.name)
        self._tell_of_gone()
        steady = asyncio.get_running_loop().time() - began > STEADY_S
        self._pause_s = RESTART_S if steady else min(self._pause_s * 2, LONGEST_RESTART_S)
        logger.error("worker %d ended (%d), another is started", worker.process.pid, code)
        while not self._stopping.is_set():
            await asyncio.sleep(self._pause_s)
            try:
                if not self._stopping.is_set():
                    self._keep(await self._start())
                return
            except OSError as exc:
                self._pause_s = LONGEST_RESTART_S
                logger.error("a worker cannot be started: %s", exc)

    def _tell_of_gone(self) -> None:
        """One worker that serves is enough: it looks after the turns of those that died."""
        if other := next((worker for worker in self._workers if worker.serves), None):
            for name in filter(None, self._gone):
                other.tell(f"gone {name}")
            self._gone.clear()

    def _end(self, sig: int) -> None:
        hurry = sig == signal.SIGINT or self._stopping.is_set()
        self._stopping.set()
        for worker in self._workers:
            worker.end(hurry=hurry)

    def _replace(self, _sig: int) -> None:
        if self._replacing is None and not self._stopping.is_set():
            self._replacing = asyncio.create_task(self._replace_all(), name="replace the workers")
            self._replacing.add_done_callback(self._replaced)

    def _replaced(self, task: "asyncio.Task[None]") -> None:
        self._replacing = None
        if not task.cancelled() and (error := task.exception()):
            logger.error("the workers are not all replaced: %s", error)

    async def _replace_all(self) -> None:
        """One after another: a new one is ready before an old one is asked to end. One that does not come up ends it
        all.
        """
        await self._look_for_model()  # what runs by now, for the new ones
        for old in tuple(self._workers):
            if old not in self._workers:
                continue  # it has died, and a new one was started in its place
            new = self._keep(await self._start(), trial=True)
            try:
                await self._until_ready(new)
            except LianhuaError:
                new.kill()
                raise
            new.trial = False
            if old.leaving or old not in self._workers:  # it has died, and another was started in its place
                new.end()
                continue
            old.tell("others")
            old.end()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await old.process.wait()
            except TimeoutError:
                old.kill()
        logger.info("all workers are new")

    async def _close(self) -> None:
        self._stopping.set()
        if self._replacing:
            self._replacing.cancel()
        for worker in self._workers:
            if not worker.leaving:
                worker.end()
        waits = [asyncio.create_task(worker.process.wait(), name="last wait") for worker in self._workers]
        if waits:
            _, late = await asyncio.wait(waits, timeout=STOP_TIMEOUT_S)
            if late:
                logger.error("%d workers did not end in time and are killed", len(late))
                for worker in tuple(self._workers):
                    worker.kill()
                await asyncio.wait(waits)
        if self._tasks:  # a worker's last word may be that it has erased something: lines are read to their ends
            await asyncio.wait(self._tasks, timeout=LAST_WORDS_S)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._model_host.close()
