"""Where no model is set, several workers have the one that their supervisor has found."""

import os
import signal
from pathlib import Path

import aiohttp

from tests.server.supervised import are_workers
from tests.support.client import Client
from tests.support.serving_process import ServingProcess, alone
from tests.support.upstream import Answer, Upstream, answer

ROOT = Path(__file__).parents[2]


class SeenByOne(ServingProcess):
    module = "tests.support.seen_by_one"


def models(name: str) -> Answer:
    return answer(200, {"object": "list", "data": [{"id": name, "object": "model"}]})


async def each_has(serving: ServingProcess, model: str) -> None:
    for worker in serving.workers:
        with alone(serving, worker):
            async with aiohttp.ClientSession() as session:  # connections of its own: none leads to another worker
                found = await Client(session, serving.url, "alice").get("/api/models")
        assert found["default_model"] == model


async def test_workers_have_the_model_that_was_found_for_all_of_them(tmp_path: Path) -> None:
    found = ["first"]
    async with Upstream(lambda _: models(found[-1])) as upstream:
        serving = SeenByOne(
            tmp_path / "data",
            *("--workers", "2"),
            LIANHUA_DISCOVERY="1",
            SEEN_BY_ONE=str(upstream.port),
            PYTHONPATH=str(ROOT),
        )
        try:
            await serving.start()
            await each_has(serving, "first")
            old = serving.workers
            os.kill(old[0], signal.SIGKILL)  # one that is started later has what the others have
            found.append("second")
            after = await are_workers(serving, 2, {old[0]})
            await each_has(serving, "first")
            os.kill(serving.pid, signal.SIGHUP)  # all anew, and with what runs by now
            await are_workers(serving, 2, set(after))
            await each_has(serving, "second")
        finally:
            serving.clear()
