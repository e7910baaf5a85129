"""What becomes of several workers under one supervisor when they, or it, are killed, replaced and told to end."""

import asyncio
import os
import re
import signal
import socket
from typing import Final

from tests.chaos.script import MARKED, Talk
from tests.support.client import Client, turns
from tests.support.follower import Follower
from tests.support.servers.ports import free_port
from tests.support.serving_process import ServingProcess, alone, processes_of
from tests.support.side_by_side import Stage
from tests.support.stillness import Stopwatch
from tests.support.store_dump import store_pid
from tests.support.waiting import until

LONG: Final = Talk("[long]", MARKED, repeat=20_000, interval_s=0.05)  # until it is ended
TALK: Final = Talk("[talk]", MARKED, repeat=5, interval_s=0.1)  # two seconds
LATER: Final = Talk("[later]", MARKED, repeat=1, interval_s=0.01, first_s=6.0)  # nothing to see until then

KNOWN_WITHIN_S: Final = 20.0
STARTED_WITHIN_S: Final = 40.0
TAKEN_WITHIN_S: Final = 5.0
SETTLED_S: Final = 4.0  # for another start, which is not to come, with its pause before it
POLL_S: Final = 0.05


async def several(stage: Stage, workers: int) -> ServingProcess:
    script = stage.script("script", LONG, TALK, LATER)
    return await stage.serving("data", "--workers", str(workers), LIANHUA_SCRIPT=script).start()


async def answers_alone(stage: Stage, serving: ServingProcess, worker: int) -> None:
    """This worker takes connections and serves them."""
    with alone(serving, worker):
        assert (await stage.at(serving).ask("GET", "/readyz")).status == 200, f"worker {worker}"


async def are_workers(serving: ServingProcess, count: int, but: set[int]) -> list[int]:
    """Waits until there are so many, none of them one of `but`."""

    def new_ones() -> list[int]:
        found = serving.workers
        return found if len(found) == count and not but.intersection(found) else []

    return await until(new_ones, within_s=STARTED_WITHIN_S, every_s=POLL_S)


async def is_kept(client: Client, conversation: str, text: str, *, code: str) -> None:
    reply = (await client.messages(conversation))[1]
    assert (reply["status"], reply["code"]) == ("interrupted", code), reply
    assert reply["content"] == text


async def killed_worker(stage: Stage) -> None:
    serving = await several(stage, 3)
    assert re.fullmatch(rf"Lianhua 连话: {serving.url}  \(.*Scripted.*3 workers\)\n", serving.out), serving.out
    alice = stage.at(serving)
    workers = serving.workers
    assert len(workers) == 3
    for worker in workers:
        await answers_alone(stage, serving, worker)

    victim, other, _ = workers
    spoken, silent = await alice.create(), await alice.create()
    with alone(serving, victim):
        spoken_turn = await alice.begin(spoken, LONG.question("a"))
        silent_turn = await alice.begin(silent, LATER.question("b"))
        near = stage.follow([alice], spoken, spoken_turn)
        await near.sees(lambda frames: len(frames) > 5)
    with alone(serving, other):
        far = stage.follow([alice], spoken, spoken_turn)
        waiting = stage.follow([alice], silent, silent_turn)
        await asyncio.gather(far.joined.wait(), waiting.joined.wait())
    await far.sees(lambda frames: len(frames) > 20)
    os.kill(victim, signal.SIGKILL)
    killed = Stopwatch()

    (new,) = set(await are_workers(serving, 3, {victim})) - set(workers)
    await is_taken_care_of(alice, spoken, near, far)
    again = await waiting.ends()
    assert (again.end["status"], again.text) == ("done", LATER.reply(LATER.question("b")))
    assert [notice["code"] for notice in again.notices] == ["restarted"]
    assert (await alice.get(f"{turns(silent)}/{silent_turn}"))["attempts"] == 2
    restarted_at = waiting.seen_at[[frame.name for frame in waiting.frames].index("notice")]
    for known_at in (near.seen_at[-1], far.seen_at[-1], restarted_at):
        assert killed.took(known_at).within(KNOWN_WITHIN_S), "viewers are left alone for long"
    assert (near.streams, far.streams, waiting.streams) == (2, 1, 1), "who was with another worker need not come back"

    await answers_alone(stage, serving, new)
    assert (await alice.say(spoken, TALK.question("c"))).end["status"] == "done"
    assert serving.out.count("\n") == 1
    await ends_in_order(serving, signal.SIGTERM)


async def ends_in_order(serving: ServingProcess, sig: signal.Signals) -> None:
    serving.tell(sig)
    assert await serving.ended(within_s=15) == 0
    await serving.nothing_is_left(within_s=0)
    serving.met_no_bug()


async def is_taken_care_of(alice: Client, spoken: str, near: Follower, far: Follower) -> None:
    """A reply of which something was shown is sealed, for who was with its worker and for who was not."""
    seen = [near.text, far.text]
    whole = await far.ends()
    assert (await near.ends()).text == whole.text
    assert (whole.end["status"], whole.end["code"]) == ("interrupted", "worker_lost")
    assert all(text and whole.text.startswith(text) for text in seen)
    assert LONG.reply(LONG.question("a")).startswith(whole.text)
    await is_kept(alice, spoken, whole.text, code="worker_lost")


async def replaced_workers(stage: Stage) -> None:
    serving = await several(stage, 3)
    alice = stage.at(serving)
    before = set(serving.workers)
    enough = asyncio.Event()
    talkers = stage.talkers(6, [serving], TALK, enough)
    await until(lambda: all(talker.said for talker in talkers))

    async def are_replaced() -> bool:
        now = serving.workers
        assert (await alice.ask("GET", "/healthz")).status == 200
        assert {3, 4} >= {len(now)}, "a new worker is there before an old one goes"
        return len(now) == 3 and not before.intersection(now)

    serving.tell(signal.SIGHUP)
    await until(are_replaced, every_s=POLL_S)
    said_before = [len(talker.said) for talker in talkers]
    await until(lambda: all(len(talker.said) > count for talker, count in zip(talkers, said_before, strict=True)))
    enough.set()
    await stage.all_is_over()

    for talker in talkers:
        await talker.was_kept_whole()
    said = [said for talker in talkers for said in talker.said]
    assert all(said.after.within(TAKEN_WITHIN_S) for said in said), "somebody always takes a message"
    assert sum(said.follower.streams > 1 for said in said) > 0, "no viewer was sent elsewhere, so this showed nothing"
    for worker in serving.workers:
        await answers_alone(stage, serving, worker)
    assert serving.out.count("\n") == 1
    await ends_in_order(serving, signal.SIGINT)


async def killed_while_replaced(stage: Stage) -> None:
    serving = await several(stage, 3)
    alice = stage.at(serving)
    before = serving.workers
    serving.tell(signal.SIGHUP)
    await until(lambda: len(serving.workers) > len(before))
    os.kill(before[1], signal.SIGKILL)
    await are_workers(serving, 3, set(before))
    await asyncio.sleep(SETTLED_S)
    assert len(serving.workers) == 3, "as many as were asked for"
    conversation = await alice.create()
    assert (await alice.say(conversation, TALK.question("a"))).end["status"] == "done"
    serving.met_no_bug()


async def refused_replacement(stage: Stage) -> None:
    serving = await several(stage, 2)
    alice = stage.at(serving)
    before = serving.workers
    script = stage.folder / "script.toml"
    fine = script.read_text("utf-8")
    script.write_text("[[reply]")
    serving.tell(signal.SIGHUP)
    await until(lambda: "the workers are not all replaced" in serving.log)
    assert "LIANHUA_SCRIPT" in serving.log
    conversation = await alice.create()
    assert (await alice.say(conversation, TALK.question("a"))).end["status"] == "done"
    script.write_text(fine)
    await asyncio.sleep(SETTLED_S)
    assert serving.workers == before, f"those that serve go on, and no others: {serving.log[-3_000:]}"
    serving.tell(signal.SIGHUP)
    await are_workers(serving, 2, set(before))
    assert (await alice.say(conversation, TALK.question("b"))).end["status"] == "done"
    serving.met_no_bug()


async def asked_twice(stage: Stage) -> None:
    serving = await several(stage, 2)
    alice = stage.at(serving)
    running = [
        (conversation := await alice.create(), await alice.begin(conversation, LONG.question("a"))) for _ in range(4)
    ]
    followers = [stage.follow([alice], *where) for where in running]
    await asyncio.gather(*(follower.sees_text() for follower in followers))
    serving.tell(signal.SIGTERM)

    async def is_on_its_way_out() -> bool:
        return (await alice.ask("GET", "/readyz")).status != 200

    await until(is_on_its_way_out)
    texts = [follower.text for follower in followers]
    serving.tell(signal.SIGTERM)
    assert await serving.ended(within_s=8) == 0
    await serving.nothing_is_left(within_s=0)

    await serving.start()
    await stage.all_is_over()
    for (conversation, _), follower, seen in zip(running, followers, texts, strict=True):
        assert follower.whole.text.startswith(seen) and seen
        await is_kept(alice, conversation, follower.whole.text, code="server_stopping")
    serving.met_no_bug()


async def killed_supervisor(stage: Stage) -> None:
    serving = await several(stage, 2)
    alice = stage.at(serving)
    spoken, silent = await alice.create(), await alice.create()
    spoken_turn = await alice.begin(spoken, LONG.question("a"))
    silent_turn = await alice.begin(silent, LATER.question("b"))
    follower, waiting = stage.follow([alice], spoken, spoken_turn), stage.follow([alice], silent, silent_turn)
    await asyncio.gather(follower.sees(lambda frames: len(frames) > 20), waiting.joined.wait())
    store = store_pid(stage.folder / "data")
    assert set(processes_of(serving.data_dir)) == {serving.pid, store, *serving.workers}
    serving.tell(signal.SIGKILL)
    await serving.nothing_is_left(within_s=8)
    seen = follower.text

    await serving.start()
    whole = await follower.ends()
    assert whole.end["status"] == "interrupted"
    assert whole.text.startswith(seen) and seen
    await is_kept(alice, spoken, whole.text, code=whole.end["code"])
    again = await waiting.ends()
    assert (again.end["status"], again.text) == ("done", LATER.reply(LATER.question("b")))
    # Two, or three where a worker that was on its way out had handed it to another one.
    assert (await alice.get(f"{turns(silent)}/{silent_turn}"))["attempts"] in (2, 3)
    assert (await alice.say(spoken, TALK.question("c"))).end["status"] == "done"
    await ends_in_order(serving, signal.SIGTERM)


async def asked_to_end(stage: Stage) -> None:
    serving = await several(stage, 3)
    alice = stage.at(serving)
    running: list[tuple[str, str]] = []
    for worker in serving.workers:
        conversation = await alice.create()
        with alone(serving, worker):
            running.append((conversation, await alice.begin(conversation, LONG.question("a"))))
    followers = [stage.follow([alice], *where) for where in running]
    await asyncio.gather(*(follower.sees_text() for follower in followers))
    short = await alice.create()
    short_turn = await alice.begin(short, TALK.question("b"))
    followers.append(stage.follow([alice], short, short_turn))
    await followers[-1].sees_text()

    serving.tell(signal.SIGTERM)
    took = await serving.took_to_end(within_s=30)
    assert await serving.ended(within_s=30) == 0
    assert took.s > 20, "a running reply is given its time"
    await serving.nothing_is_left(within_s=0)
    assert serving.out.count("\n") == 1
    texts = [follower.text for follower in followers]

    await serving.start()
    await stage.all_is_over()
    *cut, done = followers
    for (conversation, _), follower, seen in zip(running, cut, texts, strict=False):
        assert follower.whole.text.startswith(seen) and seen
        await is_kept(alice, conversation, follower.whole.text, code="server_stopping")
    assert (done.whole.end["status"], done.whole.text) == ("done", TALK.reply(TALK.question("b")))
    serving.met_no_bug()


async def wrong_settings(stage: Stage) -> None:
    broken = stage.folder / "broken.toml"
    broken.write_text("[[reply]")
    for number, (name, arguments, environment) in enumerate(
        (
            ("LIANHUA_WORKERS", ["--workers", "0"], {}),
            ("LIANHUA_WORKERS", ["--workers", "many"], {}),
            ("LIANHUA_PROT", ["--workers", "3"], {"LIANHUA_PROT": "8000"}),
            ("REDIS_URL", ["--workers", "3"], {"REDIS_URL": "http://127.0.0.1:6379"}),
            ("LIANHUA_ALLOW_OPEN", ["--workers", "3", "--host", "0.0.0.0"], {}),
        )
    ):
        serving = stage.serving(f"wrong {number}", *arguments, LIANHUA_LOG_LEVEL="error", **environment)
        await is_refused(serving, name)
        assert not (serving.data_dir / "store").exists()


async def found_by_a_worker(stage: Stage) -> None:
    broken = stage.folder / "broken.toml"
    broken.write_text("[[reply]")
    gone = f"127.0.0.1:{free_port()}"
    for number, (code, name, environment) in enumerate(
        (
            (2, "LIANHUA_SCRIPT", {"LIANHUA_SCRIPT": str(broken)}),
            (2, "LIANHUA_PERSONAS", {"LIANHUA_PERSONAS": str(broken)}),
            (1, gone, {"REDIS_URL": f"redis://{gone}/0"}),
        )
    ):
        serving = stage.serving(f"wrong {number}", "--workers", "3", LIANHUA_LOG_LEVEL="error", **environment)
        await is_refused(serving, name, code=code)


async def taken_port(stage: Stage) -> None:
    serving = stage.serving("data", "--workers", "3", LIANHUA_LOG_LEVEL="error")
    with socket.create_server(("127.0.0.1", serving.port)):
        await is_refused(serving, f"127.0.0.1:{serving.port}")
    assert not (serving.data_dir / "store").exists()


async def is_refused(serving: ServingProcess, name: str, *, code: int = 2) -> None:
    """It ends with this code and one line, which names what is wrong, and leaves nothing running."""
    serving.launch()
    assert await serving.ended(within_s=30) == code, serving.log
    assert serving.out == ""
    assert serving.log.startswith("lianhua: ") and name in serving.log, serving.log
    assert serving.log.count("\n") == 1, serving.log
    await serving.nothing_is_left(within_s=2)
