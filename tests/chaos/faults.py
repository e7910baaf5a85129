"""The faults. Each returns how often it really happened, confirmed from outside: by /proc, exit codes, the store."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from lianhua.store.client.keys import ConversationKeys
from tests.chaos.deployment import Deployment
from tests.chaos.history import now
from tests.chaos.script import LONG
from tests.chaos.store_view import Running
from tests.chaos.users import PAUSE_S, TURNS_IN_A_CONVERSATION, Door, Person
from tests.chaos.worker import Worker, state_of
from tests.support.servers.cluster import Cluster
from tests.support.servers.proxy import Proxy
from tests.support.servers.sentinel import NAME, SentinelSet

FROZEN_S = 40.0  # more than a lease: the turns are another worker's when the process goes on
FROZEN_AT_ONCE = 3
PAUSED_S = (13.0, 20.0)  # from as long as a store is waited for to more than a lease: nobody else is there to take over
BETWEEN_S = (0.2, 1.2)
AWAY_S = (0.0, 3.0)  # how long a store that was killed stays down
GONE_TIMEOUT_S = 10.0
STOPPERS = 6
CUT_AFTER_BYTES = (1, 12_000)  # up to the size of a snapshot, which has to come through some day
CUT_TIMEOUT_S = 900.0

Strike = Callable[[Deployment], Awaitable[int]]


async def strike_until(deployment: Deployment, strike: Strike, count: int) -> int:
    """Strikes until it has happened so often; how often it did. Gives up when half of the tries hit nothing."""
    done = 0
    for _ in range(2 * count + 20):
        if done >= count:
            break
        done += await strike(deployment)
        await asyncio.sleep(deployment.rng.uniform(*BETWEEN_S))
    return done


# Workers


async def kill_worker(deployment: Deployment) -> int:
    """kill -9 of a worker that runs turns; it is started again on the same port."""
    return await _kill_one(deployment, "kill", bool)


async def kill_before_text(deployment: Deployment) -> int:
    """kill -9 of a worker with a turn of which nothing can be seen yet."""
    return await _kill_one(deployment, "early", lambda turns: any(not running.text_bytes for running in turns))


async def _kill_one(deployment: Deployment, fault: str, worth_it: Callable[[list[Running]], bool]) -> int:
    worker = deployment.rng.choice(deployment.workers)
    await worker.freeze()  # so that what it runs when it dies can be told exactly
    turns = await deployment.running_on(worker)
    if not worth_it(turns):
        worker.thaw()
        return 0
    deployment.struck(fault, worker.name, turns)
    killed = await worker.kill()
    await worker.start()
    return int(killed)


async def kill_now(deployment: Deployment, worker: Worker) -> bool:
    """kill -9, whatever it does at the moment; it is started again."""
    await worker.freeze()
    deployment.struck("kill", worker.name, await deployment.running_on(worker))
    killed = await worker.kill()
    await worker.start()
    return killed


async def freeze_workers(deployment: Deployment) -> int:
    """SIGSTOP of some workers for longer than a lease, then SIGCONT: they come back and find their turns taken."""
    chosen = deployment.rng.sample(deployment.workers, min(FROZEN_AT_ONCE, len(deployment.workers) - 1))
    return sum(await asyncio.gather(*(_freeze(deployment, worker, FROZEN_S) for worker in chosen)))


async def pause_server(deployment: Deployment) -> int:
    """SIGSTOP of the only process, as when its machine or container is paused. No turn may be lost by it: it counts as
    no hit, so that an end as `interrupted` has no cause.
    """
    worker = deployment.workers[0]
    if not await deployment.running_on(worker):
        return 0
    await worker.freeze()
    deployment.struck("pause", worker.name, [])
    await asyncio.sleep(deployment.rng.uniform(*PAUSED_S))
    stood_still = worker.frozen
    worker.thaw()
    return int(stood_still)


async def _freeze(deployment: Deployment, worker: Worker, seconds: float) -> int:
    await worker.freeze()
    began = now()
    try:
        turns = await deployment.running_on(worker)
        deployment.struck("freeze", worker.name, turns)
        while now() - began < seconds:
            await asyncio.sleep(0.5)
            if not worker.frozen:
                return 0
    finally:
        worker.thaw()
    async with asyncio.timeout(GONE_TIMEOUT_S):
        while worker.frozen:
            await asyncio.sleep(0.01)
    return int(bool(turns))


# The store


async def kill_with_store(deployment: Deployment) -> int:
    """kill -9 of a server and of the store that it started, by their ids, in either order; started again as it was."""
    worker = deployment.workers[0]
    store_pid = int((worker.data_dir / "store" / "server.pid").read_text())
    running = await deployment.running()
    if not any(turn.pid == worker.pid for turn in running) or not _works_in(store_pid, worker.data_dir):
        return 0
    deployment.struck("embedded", worker.name, None)
    store_first = deployment.rng.random() < 0.5
    if store_first:
        os.kill(store_pid, signal.SIGKILL)
    killed = await worker.kill()
    if not store_first:
        with contextlib.suppress(ProcessLookupError):  # it may have ended with its owner
            os.kill(store_pid, signal.SIGKILL)
    gone = await _gone(store_pid)
    await asyncio.sleep(deployment.rng.uniform(0, 0.5))
    await worker.start()
    return int(killed and gone)


async def kill_redis(deployment: Deployment) -> int:
    """kill -9 of the store's process; started again on its append-only file."""
    server = deployment.store.server
    if not await deployment.running():
        return 0
    deployment.struck("redis", server.address, None)
    pid = server.pid
    code = await asyncio.to_thread(server.kill)
    gone = await _gone(pid)
    await asyncio.sleep(deployment.rng.uniform(*AWAY_S))
    await asyncio.to_thread(server.start)
    return int(code == -signal.SIGKILL and gone)


async def fail_over(deployment: Deployment) -> int:
    """Another primary behind the sentinels, as planned or because the one of before was killed."""
    sentinels: SentinelSet = deployment.store.server
    if not await deployment.running():
        return 0
    before = await sentinels.epoch()
    deployment.struck("sentinel", NAME, None)
    former = await (sentinels.failover() if deployment.rng.random() < 0.5 else sentinels.kill_primary())
    await sentinels.wait_for_other_primary(former)
    risen = await sentinels.epoch() > before
    await asyncio.sleep(deployment.rng.uniform(*AWAY_S))
    await sentinels.revive()
    await sentinels.wait_in_sync()
    return int(risen)


async def kill_cluster_primary(deployment: Deployment) -> int:
    """kill -9 of a Cluster's primary that holds a running turn; its replica takes its place, and it comes back."""
    cluster: Cluster = deployment.store.server
    running = await deployment.running()
    if not running:
        return 0
    before = await cluster.epoch()
    node = await cluster.primary_of(ConversationKeys(running[0].conversation).meta)
    deployment.struck("cluster", node.address, None)
    await cluster.kill(node)
    await cluster.wait_for_failover_of(node)
    risen = await cluster.epoch() > before
    await asyncio.sleep(deployment.rng.uniform(*AWAY_S))
    await cluster.revive(node)
    return int(risen)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def _gone(pid: int) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GONE_TIMEOUT_S):
            while state_of(pid) not in (None, "Z"):  # who started it may be dead and not have collected it
                await asyncio.sleep(0.01)
            return True
    return False


# Streams


async def stop_elsewhere(deployment: Deployment, count: int) -> int:
    """Stops turns from workers that do not run them, while two viewers watch."""
    numbers = iter(range(count))
    stoppers = [deployment.person(f"stopper-{number}") for number in range(STOPPERS)]
    return sum(await asyncio.gather(*(_stop_some(deployment, stopper, numbers) for stopper in stoppers)))


async def _stop_some(deployment: Deployment, person: Person, numbers: Iterator[int]) -> int:
    stopped = 0
    conversation = ""
    for done, _ in enumerate(numbers):
        if done % TURNS_IN_A_CONVERSATION == 0:
            conversation = await person.open_conversation()
        stopped += await _stop_one(deployment, person, conversation)
    return stopped


async def _stop_one(deployment: Deployment, person: Person, conversation: str) -> int:
    turn = await person.send(person.question(conversation, LONG))
    viewers = [person.viewer(turn) for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        for viewer in viewers:
            group.create_task(viewer.watch())
        for viewer in viewers:
            await viewer.saw_text.wait()
        [running] = await deployment.view.running([conversation])
        other = deployment.rng.choice([worker for worker in deployment.workers if worker.pid != running.pid])
        deployment.struck("stop", other.name, [])
        while (status := await person.stop(turn, other.door)) is None:
            await asyncio.sleep(PAUSE_S)
    return int(status == "stopped")


async def cut_streams(deployment: Deployment, count: int) -> int:
    """Resets event streams at random bytes until so many were cut before their end."""
    async with contextlib.AsyncExitStack() as stack:
        proxies = [await stack.enter_async_context(Proxy(worker.port)) for worker in deployment.workers]
        for proxy in proxies:
            proxy.cut_after_bytes(lambda: deployment.rng.randint(*CUT_AFTER_BYTES))
        deployment.town.watching = [
            Door(worker.name, f"http://127.0.0.1:{proxy.port}")
            for worker, proxy in zip(deployment.workers, proxies, strict=True)
        ]
        async with asyncio.timeout(CUT_TIMEOUT_S):
            while deployment.history.broken_streams < count:
                await asyncio.sleep(PAUSE_S)
        deployment.town.watching = deployment.town.doors  # whoever is cut from now on comes back past the proxies
        return min(deployment.history.broken_streams, sum(proxy.cuts for proxy in proxies))
