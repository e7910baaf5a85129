"""Several workers and one model on this computer: one process of it, one line of turns, whoever dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from lianhua.errors import ModelRateLimited, ModelUnavailable
from lianhua.models.local.host import ModelServer, OwnHost, Waiting, Wanted
from lianhua.models.queue import LINE_TURNS
from lianhua.server.shared_model import BorrowedHost, LentHost
from tests.support.client import Client
from tests.support.models.tiny_gguf import write_tiny_gguf
from tests.support.serving_process import ServingProcess, alone, processes_of

WAIT_S = 60.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.05)


def model_processes(serving: ServingProcess) -> list[int]:
    found = []
    for pid in processes_of(serving.data_dir):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"lianhua.models.local.child" in words:
            found.append(pid)
    return found


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[ServingProcess]:
    file = write_tiny_gguf(tmp_path / "tiny.gguf")
    serving = ServingProcess(
        tmp_path / "data",
        *("--workers", "2"),
        LIANHUA_LOCAL_MODEL=str(file),
        LIANHUA_REPLY_TOKENS="16",
        LIANHUA_TITLES="message",
    )
    try:
        yield await serving.start()
    finally:
        serving.clear()


async def says_something(serving: ServingProcess, worker: int) -> str:
    """A reply of the model, asked for at this worker."""
    with alone(serving, worker):
        async with aiohttp.ClientSession() as session:  # connections of its own: none leads to another worker
            alice = Client(session, serving.url, "alice")
            return str((await alice.say(await alice.create(), "hello")).end["status"])


async def test_all_workers_are_answered_by_one_process_which_is_started_again_when_it_dies(
    serving: ServingProcess,
) -> None:
    for worker in serving.workers:
        assert await says_something(serving, worker) == "done"
    (child,) = model_processes(serving)

    os.kill(child, signal.SIGKILL)
    await until(lambda: child not in model_processes(serving))
    for worker in serving.workers:
        assert await says_something(serving, worker) == "done"
    (other,) = model_processes(serving)
    assert other != child

    victim = serving.workers[0]
    os.kill(victim, signal.SIGKILL)
    await until(lambda: len(serving.workers) == 2 and victim not in serving.workers)
    assert await says_something(serving, serving.workers[0]) == "done"
    assert model_processes(serving) == [other], "the process goes on without that worker"

    os.kill(serving.pid, signal.SIGKILL)
    await until(lambda: not processes_of(serving.data_dir))


# Both ends of the line, over a server that is up to the test


class Server:
    def __init__(self, number: int) -> None:
        self.url, self.api_key, self.pid = f"http://127.0.0.1:{number}", f"key {number}", number
        self.is_gone = False

    async def gone(self) -> bool:
        return self.is_gone


class Host(OwnHost):
    """Servers that are there when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: list[asyncio.Future[ModelServer]] = []

    async def server(self, wanted: Wanted) -> ModelServer:
        self.starts.append(asyncio.get_running_loop().create_future())
        return await self.starts[-1]


WANTED = Wanted("/a.gguf", "a", 1024, 256)


class Ends:
    """The supervisor's host and workers that are joined to it, without a socket in between."""

    def __init__(self, workers: int) -> None:
        self.host = Host()
        self.workers: list[BorrowedHost] = []
        self.lent: list[LentHost] = []
        for place in range(workers):
            worker = BorrowedHost(lambda line, place=place: self.lent[place].heard(line))
            self.lent.append(LentHost(self.host, worker.heard))
            self.workers.append(worker)


async def comes_to(place: Waiting, ahead: int) -> None:
    async with asyncio.timeout(WAIT_S):
        while place.ahead != ahead:
            await place.moved()


async def test_turns_of_all_workers_wait_in_one_line() -> None:
    ends = Ends(2)
    one, other = ends.workers
    first = await one.join()
    second = await other.join()
    third = await one.join()
    assert [place.ahead for place in (first, second, third)] == [0, 1, 2]
    first.leave()
    await comes_to(second, 0)
    await comes_to(third, 1)
    ends.lent[1].close()  # the worker of the second one has died
    await comes_to(third, 0)


async def test_a_line_that_is_full_says_so_at_every_worker() -> None:
    ends = Ends(2)
    places = [await ends.workers[0].join() for _ in range(LINE_TURNS)]
    with pytest.raises(ModelRateLimited, match="32 turns are waiting"):
        await ends.workers[1].join()
    places[0].leave()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (await ends.workers[1].join()).ahead == LINE_TURNS - 1


async def test_a_server_is_known_to_be_gone_and_a_failed_start_is_said() -> None:
    ends = Ends(2)
    asking = [asyncio.ensure_future(worker.server(WANTED)) for worker in ends.workers]
    await until(lambda: len(ends.host.starts) == 2)
    server = Server(7)
    ends.host.starts[0].set_result(server)
    ends.host.starts[1].set_exception(ModelUnavailable("the local model cannot be loaded: no memory"))
    got = await asking[0]
    assert (got.url, got.api_key, got.pid, await got.gone()) == (server.url, server.api_key, 7, False)
    with pytest.raises(ModelUnavailable, match="no memory"):
        await asking[1]
    server.is_gone = True
    assert await got.gone()


async def test_without_its_supervisor_a_worker_waits_for_nothing() -> None:
    ends = Ends(1)
    (worker,) = ends.workers
    await worker.join()
    waiting = await worker.join()
    moving = asyncio.ensure_future(waiting.moved())
    starting = asyncio.ensure_future(worker.server(WANTED))
    await until(lambda: bool(ends.host.starts))
    worker.lost()
    for left in (moving, starting):
        with pytest.raises(ModelUnavailable, match="supervisor"):
            await left
    with pytest.raises(ModelUnavailable):
        await worker.join()
    waiting.leave()
