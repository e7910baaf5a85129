"""Servers that go and come back, or seem to be gone: replies are made to their end, elsewhere if need be, and who talks
or watches is not left waiting.
"""

import asyncio
import signal
from collections.abc import Sequence
from typing import Final

from redis import Redis

from tests.chaos.script import MARKED, Talk
from tests.server import supervised
from tests.support.client import events, turns
from tests.support.follower import Follower
from tests.support.servers.redis_server import HOST, RedisServer
from tests.support.serving_process import ServingProcess, frozen
from tests.support.side_by_side import Begun, Scenario, Stage
from tests.support.stillness import Stopwatch, Took
from tests.support.store_dump import dump_of
from tests.support.talker import Talker
from tests.support.waiting import until

LONG: Final = Talk("[long]", MARKED, repeat=20_000, interval_s=0.05)  # longer than a server that ends gives it
TALK: Final = Talk("[talk]", MARKED, repeat=5, interval_s=0.1)  # two seconds
# One model never comes to it, another one answers.
SILENT: Final = Talk("[silent]", ("never",), repeat=1, interval_s=0.0, first_s=600.0)
ANSWERED: Final = Talk("[silent]", MARKED, repeat=2, interval_s=0.02)
# What a frozen server's model begins to say when nobody asks it any more, and what another one says meanwhile.
ZOMBIE: Final = Talk("[late]", ("braaains ",), repeat=200, interval_s=0.02, first_s=18.0)
LATE: Final = Talk("[late]", MARKED, repeat=25, interval_s=0.12)  # twelve seconds

TALKERS: Final = 6
EXITED_WITHIN_S: Final = 30.0
GRACE_S: Final = 25.0
QUICK_S: Final = 8.0
WAIT_S: Final = 5.0  # of a viewer, and of somebody who sends
FROZEN_S: Final = 20.0
KNOWN_WITHIN_S: Final = 20.0


async def rolling_restart(stage: Stage) -> None:
    store = stage.redis()
    answers, is_silent = stage.script("answers", LONG, TALK, ANSWERED), stage.script("silent", LONG, TALK, SILENT)
    first, second, last = servings = await asyncio.gather(
        *(
            stage.serving(f"server {number}", REDIS_URL=store.url, LIANHUA_SCRIPT=script).start()
            for number, script in enumerate((answers, answers, is_silent))
        )
    )
    enough = asyncio.Event()
    talkers = stage.talkers(TALKERS, servings, TALK, enough)
    await until(lambda: all(talker.said for talker in talkers))

    for serving in (first, second):
        await restart(serving)
    here, *elsewhere = doors = [stage.at(serving) for serving in (last, first, second)]
    spoken, silent = await here.create(), await here.create()
    spoken_turn = await here.begin(spoken, LONG.question("a"))
    silent_turn = await here.begin(silent, SILENT.question("b"))
    cut, waiting = stage.follow(doors, spoken, spoken_turn), stage.follow(doors, silent, silent_turn)
    await asyncio.gather(cut.sees_text(), waiting.joined.wait())
    assert (await restart(last)).s > GRACE_S - 1, "a running reply is given its time"
    enough.set()
    await stage.all_is_over()

    assert (cut.whole.end["status"], cut.whole.end["code"]) == ("interrupted", "server_stopping")
    assert cut.seen_at[-1] - cut.seen_at[0] > GRACE_S - 1
    assert LONG.reply(LONG.question("a")).startswith(cut.whole.text)
    assert (await elsewhere[0].messages(spoken))[1]["content"] == cut.whole.text
    assert (waiting.whole.end["status"], waiting.whole.text) == ("done", ANSWERED.reply(SILENT.question("b")))
    assert (await here.get(f"{turns(silent)}/{silent_turn}"))["attempts"] == 2
    await nobody_noticed(talkers)
    for follower in (cut, *(said.follower for talker in talkers for said in talker.said)):
        assert all(took.within(WAIT_S) for took in follower.resumed_after), follower.resumed_after
    assert waiting.joined_after and all(took.within(WAIT_S) for took in waiting.joined_after), waiting.joined_after
    for serving in servings:
        serving.met_no_bug()


async def nobody_noticed(talkers: Sequence[Talker]) -> None:
    """All that was said was taken at once and is there, although servers went and viewers were sent elsewhere."""
    for talker in talkers:
        await talker.was_kept_whole()
    said = [said for talker in talkers for said in talker.said]
    assert all(said.after.within(WAIT_S) for said in said), "somebody always takes a message"
    assert sum(talker.refusals for talker in talkers) > 0, "nobody met a server on its way out"
    assert sum(said.follower.streams > 1 for said in said) > 0, "no viewer was sent elsewhere"


async def restart(serving: ServingProcess) -> Took:
    """Tells it to end, and starts it again; how long the end took."""
    serving.tell(signal.SIGTERM)
    took = await serving.took_to_end(EXITED_WITHIN_S)
    assert await serving.ended(EXITED_WITHIN_S) == 0
    await serving.start()
    return took


async def frozen_server(stage: Stage) -> None:
    store = stage.redis()
    zombie, other = await asyncio.gather(
        stage.serving("zombie", REDIS_URL=store.url, LIANHUA_SCRIPT=stage.script("zombie", LONG, TALK, ZOMBIE)).start(),
        stage.serving("other", REDIS_URL=store.url, LIANHUA_SCRIPT=stage.script("other", LONG, TALK, LATE)).start(),
    )
    near, far = stage.at(zombie), stage.at(other)
    spoken, silent = await near.create(), await near.create()
    spoken_turn = await near.begin(spoken, LONG.question("a"))
    silent_turn = await near.begin(silent, ZOMBIE.question("b"))
    nearby = [stage.follow([near], spoken, spoken_turn), stage.follow([near], silent, silent_turn)]
    faraway = [stage.follow([far], spoken, spoken_turn), stage.follow([far], silent, silent_turn)]
    for follower in (nearby[0], faraway[0]):
        await follower.sees(lambda frames: len(frames) > 10)
    await asyncio.gather(nearby[1].joined.wait(), faraway[1].joined.wait())

    with frozen(zombie.pid):
        watch = Stopwatch()
        seen = nearby[0].text
        sealed = await faraway[0].ends()
        await faraway[1].sees_text()
        assert watch.within(KNOWN_WITHIN_S), watch.took()
        written = written_of(store, spoken)
        kept = await far.messages(spoken)
        await asyncio.sleep(FROZEN_S - watch.s)
        assert not faraway[1].over, "it is made while the zombie wakes up"
    assert (sealed.end["status"], sealed.end["code"]) == ("interrupted", "worker_lost")
    assert sealed.text.startswith(seen) and seen

    await stage.all_is_over()
    all_saw_the_same(nearby, faraway, sealed.text)
    assert written_of(store, spoken) == written, "the zombie writes nothing"
    assert await near.messages(spoken) == kept
    assert kept[1]["content"] == sealed.text
    for client in (near, far):
        late = await client.read(events(silent, silent_turn))
        assert "braaains" not in repr(late)
        assert (await client.say(spoken, TALK.question("c"))).text == TALK.reply(TALK.question("c"))
    for serving in (zombie, other):
        serving.met_no_bug()


def all_saw_the_same(nearby: Sequence[Follower], faraway: Sequence[Follower], sealed: str) -> None:
    """Who was with the frozen server saw what everybody saw: one reply sealed, the other made elsewhere."""
    assert nearby[0].whole.text == sealed
    for follower in (nearby[1], faraway[1]):
        assert (follower.whole.end["status"], follower.whole.text) == ("done", LATE.reply(ZOMBIE.question("b")))
        assert [notice["code"] for notice in follower.whole.notices] == ["restarted"]
    assert all(follower.streams == 1 for follower in (*nearby, *faraway)), "no line was cut"


async def server_of_viewers(stage: Stage) -> None:
    store = stage.redis()
    script = stage.script("script", LONG)
    makes, shows = await asyncio.gather(
        *(stage.serving(name, REDIS_URL=store.url, LIANHUA_SCRIPT=script).start() for name in ("makes", "shows"))
    )
    conversation = await stage.at(makes).create()
    turn = await stage.at(makes).begin(conversation, LONG.question("a"))
    # With nowhere else to go they come back to the same server again and again, as a browser does.
    followers = [stage.follow([stage.at(shows)], conversation, turn) for _ in range(20)]
    await asyncio.gather(*(follower.sees_text() for follower in followers))
    assert (await restart(shows)).within(QUICK_S), "no reply is made there, so nothing is waited for"
    seen = [len(follower.frames) for follower in followers]
    for follower, events_before in zip(followers, seen, strict=True):
        await follower.sees(lambda frames, before=events_before: len(frames) > before)  # type: ignore[misc]
    await stage.at(makes).stop(conversation, turn)
    await stage.all_is_over()
    first = followers[0].whole
    assert first.end["status"] == "stopped"
    assert all(follower.whole.text == first.text for follower in followers)
    for serving in (makes, shows):
        serving.met_no_bug()


def written_of(store: RedisServer, conversation: str) -> list[str]:
    """Everything that the store holds of a conversation."""
    with Redis(host=HOST, port=store.port) as redis:
        return sorted(line for line in dump_of(redis).splitlines() if f"{{{conversation}}}" in line)


SCENARIOS: Final[list[Scenario]] = [
    rolling_restart,
    frozen_server,
    server_of_viewers,
    supervised.killed_worker,
    supervised.asked_to_end,
]


def test_servers_are_restarted_one_after_another_while_users_talk(begun: Begun) -> None:
    begun[rolling_restart].result()


def test_a_frozen_server_wakes_up_to_turns_of_others_and_writes_nothing(begun: Begun) -> None:
    begun[frozen_server].result()


def test_a_server_that_only_shows_replies_ends_quickly_and_without_an_error(begun: Begun) -> None:
    begun[server_of_viewers].result()


def test_a_killed_worker_is_started_again_and_its_turns_are_taken_care_of(begun: Begun) -> None:
    begun[supervised.killed_worker].result()


def test_asked_to_end_all_workers_give_replies_their_time_and_leave_nothing_running(begun: Begun) -> None:
    begun[supervised.asked_to_end].result()
