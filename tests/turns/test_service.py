"""Turns through the service: one model call, one end, the same for every viewer."""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Sequence

import pytest
from redis.asyncio import Redis

from lianhua.chat.events import Cursor
from lianhua.chat.prompt import Prompt
from lianhua.chat.turn import TurnRef
from lianhua.errors import (
    ContextTooLong,
    Draining,
    InvalidRequest,
    MessageTooLong,
    StoreUnavailable,
    TurnInProgress,
)
from lianhua.models.port import (
    Corrected,
    Delta,
    Finish,
    GenerationOptions,
    ModelInfo,
    PictureLeftOut,
    Queued,
    ReasoningDelta,
    TextDelta,
)
from lianhua.models.scripted import Rule
from lianhua.store.client.topology import Nodes
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import Accepted, Busy, Moved, NewTurn
from lianhua.streams.live import VIEWER_BACKLOG_EVENTS
from lianhua.turns.planner import title_of
from lianhua.turns.runner import ReplyLimits
from tests.support.services import (
    Seen,
    ask,
    end_of,
    ended,
    follow,
    open_service,
    reply_of,
    start,
    tasks_named,
    text_of,
)
from tests.support.waiting import until


async def test_what_a_viewer_saw_is_what_is_kept(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("你好，", "小明", "。"), interval_s=0.001)) as service:
        ref = await start(service, "我叫小明")
        seen = await follow(service, ref)
        end = end_of(seen)
        assert text_of(seen) == "你好，小明。"
        assert await reply_of(service, ref) == ("你好，小明。", "done")
        assert end["length"] == 6
        assert end["sha256"] == hashlib.sha256("你好，小明。".encode()).hexdigest()
        assert seen.cursors == sorted(set(seen.cursors))


async def test_the_model_is_given_the_conversation_so_far(nodes: Nodes) -> None:
    async with open_service(nodes) as service:
        ref = await start(service, "one")
        await follow(service, ref)
        ref = await start(service, "two", conversation=ref.conversation_id)
        seen = await follow(service, ref)
        assert text_of(seen) == "echo: two (turn 2: 4 messages)"
        account = await service.turns.context(ref, (await service.turns.turn("ann", ref)).record)
        assert [entry.reason for entry in account.messages] == ["persona", "fits", "fits", "last_message"]


async def test_viewers_that_come_at_any_time_see_the_same(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a", "b", "c", "d", "e", "f"), repeat=5, interval_s=0.005)) as service:
        ref = await start(service, "go")
        first = asyncio.create_task(follow(service, ref))
        others = []
        for number in range(6):
            await follow(service, ref, limit=1 + 4 * number)
            others.append(asyncio.create_task(follow(service, ref)))
        seen = await first
        assert text_of(seen) == "abcdef" * 5
        for other in others:
            assert await other == seen
        assert await follow(service, ref) == seen


async def test_a_dropped_viewer_resumes_without_gap_or_double(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a", "b", "c"), repeat=8, interval_s=0.003)) as service:
        ref = await start(service, "go")
        joined = Seen([], [], [])
        cursor = Cursor.START
        while True:
            part = await follow(service, ref, cursor, limit=3)
            joined.names.extend(part.names)
            joined.data.extend(part.data)
            joined.cursors.extend(part.cursors)
            if not part.names or part.names[-1] == "end":
                break
            cursor = part.cursors[-1]
        assert joined == await follow(service, ref)
        assert await service.turns.view("ann", ref, joined.cursors[-1]) is None


async def test_a_viewer_far_behind_reads_the_journal_again(nodes: Nodes) -> None:
    pieces = tuple(f"{number}," for number in range(VIEWER_BACKLOG_EVENTS + 900))
    async with open_service(nodes, Rule(pieces=pieces)) as service:
        ref = await start(service, "go")
        viewer = await service.turns.view("ann", ref)
        assert viewer is not None
        frames = viewer.frames()
        early = await anext(frames)
        await ended(service, ref)
        late = early + b"".join([part async for part in frames])
        assert late.count(b"event: end") == 1
        snapshot = late.index(b"event: snapshot")
        data = late[snapshot:].split(b"\n")[1].removeprefix(b"data: ")
        assert json.loads(data)["content"] == "".join(pieces)


async def test_a_snapshot_comes_after_the_start_and_before_the_rest(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a", "b", "c"), interval_s=0.05)) as service:
        ref = await start(service, "go")
        await follow(service, ref, limit=2)
        seen = await follow(service, ref, Cursor.SNAPSHOT)
        assert seen.names[:2] == ["turn", "snapshot"]
        assert json.loads(seen.data[1])["content"] + text_of(seen) == "abc"
        assert seen.cursors == sorted(set(seen.cursors))
        again = await follow(service, ref, Cursor.SNAPSHOT)
        assert (again.names, json.loads(again.data[1])["content"]) == (["turn", "snapshot", "end"], "abc")


async def test_the_turn_goes_on_without_any_viewer(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a", "b"), interval_s=0.01)) as service:
        ref = await start(service, "go")
        await ended(service, ref)
        assert await reply_of(service, ref) == ("ab", "done")


async def test_a_stop_keeps_what_came_and_is_harmless_twice(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a",), repeat=100_000, interval_s=0.01)) as service:
        ref = await start(service, "go")
        viewer = asyncio.create_task(follow(service, ref))
        await follow(service, ref, limit=5)
        first = await service.turns.stop("ann", ref)
        second = await service.turns.stop("ann", ref)
        assert first.status == second.status == "stopped"
        seen = await viewer
        assert end_of(seen)["status"] == "stopped"
        assert await reply_of(service, ref) == (text_of(seen), "stopped")
        assert 3 <= len(text_of(seen)) < 100_000


async def test_many_stops_at_once_are_one(nodes: Nodes) -> None:
    model = Stubborn("slow to close")
    async with open_service(nodes, model=model) as service:
        ref = await start(service, "go")
        await follow(service, ref, limit=2)
        stops = [asyncio.create_task(service.turns.stop("ann", ref)) for _ in range(5)]
        await model.closing.wait()
        stops.append(asyncio.create_task(service.turns.stop("ann", ref)))
        assert {(await stop).status for stop in stops} == {"stopped"}
        assert await reply_of(service, ref) == ("on and on", "stopped")


async def test_a_stop_in_the_moment_of_the_time_limit_is_harmless(nodes: Nodes) -> None:
    model = Stubborn("slow to close")
    async with open_service(nodes, model=model, reply=ReplyLimits(0.5, 20_000)) as service:
        ref = await start(service, "go")
        await model.closing.wait()  # the limit has passed, and the model takes its time to close
        assert (await service.turns.stop("ann", ref)).status == "stopped"
        assert await reply_of(service, ref) == ("on and on", "stopped")


async def test_a_stop_before_the_first_piece(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a",), first_s=30)) as service:
        ref = await start(service, "go")
        assert (await service.turns.stop("ann", ref)).status == "stopped"
        seen = await follow(service, ref)
        assert (seen.names, end_of(seen)["length"]) == (["turn", "end"], 0)


async def test_another_workers_stop_ends_the_turn(nodes: Nodes) -> None:
    async with (
        open_service(nodes, Rule(pieces=("a",), repeat=100_000, interval_s=0.01)) as one,
        open_service(nodes, worker="two") as two,
    ):
        ref = await start(one, "go")
        await follow(one, ref, limit=2)
        await two.turns.stop("ann", ref)
        assert await ended(two, ref) == "stopped"


async def test_a_viewer_on_another_worker_sees_it_all(nodes: Nodes) -> None:
    async with (
        open_service(nodes, Rule(pieces=("a",), repeat=40, interval_s=0.01)) as one,
        open_service(nodes, worker="two") as two,
    ):
        ref = await start(one, "go")
        here, there = await asyncio.gather(follow(one, ref), follow(two, ref))
        assert here == there


@pytest.mark.parametrize(
    ("rule", "names", "status", "code"),
    [
        (Rule(fail="model_auth_failed"), ["turn", "end"], "failed", "model_auth_failed"),
        (Rule(fail="model_timeout", pieces=("half",)), ["turn", "piece", "end"], "interrupted", "model_timeout"),
        (Rule(pieces=("half",), finish=""), ["turn", "piece", "end"], "interrupted", "model_unavailable"),
        (Rule(pieces=("",), finish=""), ["turn", "end"], "failed", "model_bad_response"),
        (Rule(pieces=("all",), retry_s=(0.01,)), ["turn", "notice", "piece", "end"], "done", None),
        (Rule(pieces=("cut",), finish="length"), ["turn", "piece", "end"], "done", None),
    ],
)
async def test_every_fault_of_a_model_ends_in_one_typed_end(
    nodes: Nodes, rule: Rule, names: list[str], status: str, code: str | None
) -> None:
    async with open_service(nodes, rule) as service:
        ref = await start(service, "go")
        seen = await follow(service, ref)
        end = end_of(seen)
        assert (seen.names, end["status"], end.get("code")) == (names, status, code)
        assert await reply_of(service, ref) == (text_of(seen), status)
        assert (code is None) or end["message"]
        retried = await start(service, "again", conversation=ref.conversation_id)
        assert end_of(await follow(service, retried))["status"] == status


class Stubborn:
    """Behind the port: a model whose window is smaller than it says, and one that never ends, and one with a bug."""

    def __init__(self, behaviour: str) -> None:
        self.info = ModelInfo("stubborn", "Stubborn", "scripted", 8_192)
        self.closing = asyncio.Event()
        self._behaviour = behaviour
        self.prompts: list[Prompt] = []

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        self.prompts.append(prompt)
        match self._behaviour:
            case "small window" if len(prompt.messages) > 7:
                raise ContextTooLong("8192")
            case "smaller window":
                raise ContextTooLong("8192")
            case "endless":
                while True:
                    yield [TextDelta("x" * 1_000)]
            case "bug":
                yield [TextDelta("fine so far")]
                raise ZeroDivisionError
            case "slow to close":
                try:
                    yield [TextDelta("on and on")]
                    await asyncio.sleep(30)
                finally:
                    self.closing.set()
                    await asyncio.sleep(0.2)
            case "thinking":
                yield [Queued(2)]
                yield [ReasoningDelta("hm, "), ReasoningDelta("yes")]
                yield [ReasoningDelta("!"), TextDelta("So "), TextDelta("be it")]
        yield [TextDelta("."), Finish("stop")]

    async def close(self) -> None:
        pass


async def test_a_context_that_is_too_long_gets_one_smaller_try(nodes: Nodes) -> None:
    model = Stubborn("small window")
    async with open_service(nodes, model=model) as service:
        ref = await start(service, "q0 " + "word " * 40)
        await follow(service, ref)
        for number in range(1, 6):
            ref = await start(service, f"q{number} " + "word " * 40, conversation=ref.conversation_id)
            seen = await follow(service, ref)
        assert seen.names == ["turn", "notice", "piece", "end"]
        record = (await service.turns.turn("ann", ref)).record
        assert record.attempts == 2
        account = await service.turns.context(ref, record)
        reasons = [entry.reason for entry in account.messages]
        assert "retry_smaller" in reasons
        given = [part.content for part in model.prompts[-1].messages]
        assert len(given) == sum(entry.included for entry in account.messages) <= 7


async def test_a_context_that_stays_too_long_ends_the_turn(nodes: Nodes) -> None:
    async with open_service(nodes, model=Stubborn("smaller window")) as service:
        end = end_of(await follow(service, await start(service, "go")))
        assert (end["status"], end["code"]) == ("failed", "context_too_long")


async def test_an_endless_reply_is_stopped_at_its_cap(nodes: Nodes) -> None:
    async with open_service(nodes, model=Stubborn("endless"), reply=ReplyLimits(60, 20_000)) as service:
        ref = await start(service, "go")
        end = end_of(await follow(service, ref))
        assert (end["status"], end["finish_reason"], end["length"]) == ("stopped", "length", 20_000)


async def test_a_reply_that_takes_too_long_ends_with_its_text(nodes: Nodes) -> None:
    rule = Rule(pieces=("a", "b"), interval_s=20)
    async with open_service(nodes, rule, reply=ReplyLimits(1.0, 20_000)) as service:
        end = end_of(await follow(service, await start(service, "go")))
        assert (end["status"], end["code"], end["length"]) == ("interrupted", "model_timeout", 1)


async def test_a_bug_of_the_server_still_ends_the_turn(nodes: Nodes, caplog: pytest.LogCaptureFixture) -> None:
    async with open_service(nodes, model=Stubborn("bug")) as service:
        ref = await start(service, "go")
        end = end_of(await follow(service, ref))
        assert (end["status"], end["code"]) == ("interrupted", "internal")
        assert await reply_of(service, ref) == ("fine so far", "interrupted")
    assert "ZeroDivisionError" in caplog.text


class Rethinking:
    """Behind the port: a model whose first text turns out to be thoughts."""

    def __init__(self) -> None:
        self.info = ModelInfo("rethinking", "Rethinking", "scripted", 8_192)
        self.gates = [asyncio.Event(), asyncio.Event()]

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        yield [TextDelta("hm, ")]
        await self.gates[0].wait()
        yield [TextDelta("yes"), Corrected("", "hm, yes"), TextDelta("So ")]
        await self.gates[1].wait()
        yield [TextDelta("be it"), PictureLeftOut(), Finish("length")]

    async def close(self) -> None:
        pass


async def test_a_correction_reaches_every_viewer_here_and_elsewhere(nodes: Nodes) -> None:
    model = Rethinking()
    async with open_service(nodes, model=model) as service, open_service(nodes, worker="two") as elsewhere:
        ref = await start(service, "go")
        await follow(service, ref, limit=2)
        early = [asyncio.create_task(follow(place, ref)) for place in (service, elsewhere)]
        at = (await follow(elsewhere, ref, limit=2)).cursors[-1]
        model.gates[0].set()
        assert (await follow(service, ref, limit=4)).names[-1] == "snapshot"
        late = [asyncio.create_task(follow(place, ref)) for place in (service, elsewhere)]
        resumed = asyncio.create_task(follow(elsewhere, ref, at))
        model.gates[1].set()
        for seen in await asyncio.gather(*early, *late, resumed):
            (snapshot,) = [
                json.loads(data) for name, data in zip(seen.names, seen.data, strict=True) if name == "snapshot"
            ]
            after = seen.names[seen.names.index("snapshot") :]
            pieces = [json.loads(data)["content"] for data in seen.data[-len(after) + 1 :] if b"content" in data]
            assert snapshot["content"] + "".join(pieces) == "So be it"
            assert snapshot["reasoning"] == "hm, yes"
            assert end_of(seen)["sha256"] == hashlib.sha256(b"So be it").hexdigest()
        assert after[-2:] == ["notice", "end"]
        message = (await service.conversations.messages("ann", ref.conversation_id, None, 10)).messages[-1].message
        assert (message.content, message.reasoning, message.finish_reason) == ("So be it", "hm, yes", "length")


async def test_a_stop_right_behind_a_correction_keeps_it(nodes: Nodes) -> None:
    model = Rethinking()
    async with open_service(nodes, model=model) as service:
        for _ in range(5):  # whether the stop comes before, in or behind the writing is chance
            model.gates[0].clear()
            ref = await start(service, "go")
            await follow(service, ref, limit=2)
            model.gates[0].set()
            await asyncio.sleep(0)
            assert (await service.turns.stop("ann", ref)).status == "stopped"
            message = (await service.conversations.messages("ann", ref.conversation_id, None, 10)).messages[-1].message
            assert (message.content, message.reasoning) in (
                ("hm, ", ""),
                ("hm, yes", ""),
                ("", "hm, yes"),
                ("So ", "hm, yes"),
            )
            end = end_of(await follow(service, ref))
            assert end["sha256"] == hashlib.sha256(message.content.encode()).hexdigest()


async def test_reasoning_and_text_arrive_in_order_and_joined(nodes: Nodes) -> None:
    async with open_service(nodes, model=Stubborn("thinking")) as service:
        ref = await start(service, "go")
        seen = await follow(service, ref)
        assert seen.names == ["turn", "notice", "reasoning", "reasoning", "piece", "piece", "end"]
        assert [json.loads(data)["content"] for data in seen.data[2:6]] == ["hm, yes", "!", "So be it", "."]
        message = (await service.conversations.messages("ann", ref.conversation_id, None, 1)).messages[0].message
        assert (message.content, message.reasoning) == ("So be it.", "hm, yes!")


async def test_joining_the_same_question_and_refusing_another(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a",), first_s=60)) as service:
        conversation = (await service.conversations.create("ann", None, None)).id
        first = await service.turns.start_or_join("ann", conversation, ask("same", "k1"))
        joined = await service.turns.start_or_join("ann", conversation, ask("same", "k2"))
        assert (joined.turn_id, joined.repeated) == (first.turn_id, True)
        with pytest.raises(TurnInProgress) as refusal:
            await service.turns.start_or_join("ann", conversation, ask("other", "k3"))
        assert refusal.value.turn_id == first.turn_id
        with pytest.raises(TurnInProgress):
            await service.turns.start_or_join("ann", conversation, ask("same", "k4", role="teacher"))
        assert (await service.conversations.get("ann", conversation)).message_count == 1


async def test_a_persona_given_with_a_message_stays_with_the_conversation(nodes: Nodes) -> None:
    async with open_service(nodes) as service:
        conversation = (await service.conversations.create("ann", None, None)).id
        accepted = await service.turns.start("ann", conversation, ask("hello", role="teacher"))
        await follow(service, TurnRef(conversation, accepted.turn_id))
        assert (await service.conversations.get("ann", conversation)).role == "teacher"
        assert (await service.conversations.messages("ann", conversation, None, 1)).messages[
            0
        ].message.persona == "teacher"


async def test_what_cannot_be_asked_is_refused_and_nothing_stored(nodes: Nodes) -> None:
    async with open_service(nodes, context_tokens=1_000) as service:
        conversation = (await service.conversations.create("ann", None, None)).id
        for message, error in (("", InvalidRequest), (" \n", InvalidRequest), ("x" * 32_001, MessageTooLong)):
            with pytest.raises(error):
                await service.turns.start("ann", conversation, ask(message, "k"))
        with pytest.raises(MessageTooLong) as refusal:
            await service.turns.start("ann", conversation, ask("word " * 2_000, "k"))
        assert refusal.value.unit == "tokens"
        service.lifecycle.drain()
        with pytest.raises(Draining):
            await service.turns.start("ann", conversation, ask("hello", "k"))
        assert (await service.conversations.get("ann", conversation)).message_count == 0


async def test_closing_keeps_the_text_of_running_turns(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a",), repeat=100_000, interval_s=0.02)) as service:
        ref = await start(service, "go")
        viewer = asyncio.create_task(follow(service, ref))
        await follow(service, ref, limit=4)
    seen = await viewer
    assert (end_of(seen)["status"], end_of(seen)["code"]) == ("interrupted", "server_stopping")
    assert len(text_of(seen)) >= 3


async def test_what_is_accepted_while_closing_is_ended_too(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a",), repeat=100_000, interval_s=0.05)) as service:
        conversations = [(await service.conversations.create("ann", None, None)).id for _ in range(20)]
        starts = [asyncio.create_task(service.turns.start("ann", name, ask("go"))) for name in conversations]
        await asyncio.sleep(0.001)
    answers = await asyncio.gather(*starts, return_exceptions=True)
    accepted = [answer for answer in answers if isinstance(answer, Accepted)]
    assert all(isinstance(answer, Accepted | Draining) for answer in answers)
    # With nothing shown they were handed over: the next worker runs them.
    async with open_service(nodes, worker="next") as following:

        async def at_rest() -> bool:
            return not any([(await following.conversations.get("ann", name)).running_turn_id for name in conversations])

        await until(at_rest)
        states = [await following.conversations.get("ann", name) for name in conversations]
    assert sum(state.message_count for state in states) == 2 * len(accepted)


async def test_a_turn_whose_acceptance_was_answered_late_is_run(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = TurnJournal.accept
    calls = 0

    async def lossy(journal: TurnJournal, turn: NewTurn) -> Accepted | Busy | Moved:
        nonlocal calls
        calls += 1
        answer = await accept(journal, turn)
        if calls == 1:
            raise StoreUnavailable("the answer was lost on the way")
        return answer

    monkeypatch.setattr(TurnJournal, "accept", lossy)
    async with open_service(nodes, Rule(pieces=("here",))) as service:
        ref = await start(service, "go")
        assert text_of(await follow(service, ref)) == "here"
        assert (await service.conversations.messages("ann", ref.conversation_id, None, 10)).total == 2


async def test_a_turn_that_opens_after_the_grace_is_handed_over(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = TurnJournal.accept

    opened = asyncio.Event()

    async def slow(journal: TurnJournal, turn: NewTurn) -> Accepted | Busy | Moved:
        answer = await accept(journal, turn)
        opened.set()
        await asyncio.sleep(0.3)
        return answer

    monkeypatch.setattr(TurnJournal, "accept", slow)
    async with open_service(nodes, Rule(pieces=("a",), repeat=100, interval_s=0.1)) as service:
        conversation = (await service.conversations.create("ann", None, None)).id
        starting = asyncio.create_task(service.turns.start("ann", conversation, ask("go")))
        await opened.wait()
    assert isinstance(await starting, Accepted)
    async with open_service(nodes, Rule(pieces=("made ", "elsewhere")), worker="next") as following:
        ref = TurnRef(conversation, (await starting).turn_id)
        seen = await follow(following, ref)
        assert (seen.names[:2], text_of(seen), end_of(seen)["status"]) == (["turn", "notice"], "made elsewhere", "done")


async def test_a_caller_that_goes_away_leaves_its_turn_running(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("here",), first_s=0.1)) as service:
        conversation = (await service.conversations.create("ann", None, None)).id
        caller = asyncio.create_task(service.turns.start("ann", conversation, ask("go")))
        await asyncio.sleep(0)
        caller.cancel()

        async def is_made() -> bool:
            return (await service.conversations.get("ann", conversation)).message_count == 2

        await until(is_made)
        assert (await service.conversations.messages("ann", conversation, None, 1)).messages[
            0
        ].message.content == "here"


async def test_nothing_is_left_of_a_turn_that_the_store_forgot(client: Redis, nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a",), repeat=100_000, interval_s=0.02)) as service:
        ref = await start(service, "go")
        await follow(service, ref, limit=3)
        await client.flushall()
        await until(lambda: not tasks_named(f"turn {ref.turn_id}"))


async def test_clearing_stops_the_reply_and_leaves_nothing(client: Redis, nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a",), repeat=100_000, interval_s=0.01)) as service:
        ref = await start(service, "go")
        viewer = asyncio.create_task(follow(service, ref))
        await follow(service, ref, limit=3)
        await service.conversations.erase("ann", ref.conversation_id, keep_conversation=True)
        assert end_of(await viewer)["status"] == "stopped"
        assert (await service.conversations.messages("ann", ref.conversation_id, None, 10)).total == 0
        await until(lambda: not tasks_named(f"turn {ref.turn_id}"))
        left = {key async for key in client.scan_iter("*")}
        lists = {b"lianhua:{user:ann}:conversations", b"lianhua:{user:ann}:feed"}
        left = {key for key in left if b":usage:" not in key and not key.endswith(b":counted")}  # numbers
        meta = f"lianhua:{{{ref.conversation_id}}}"
        assert left == {meta.encode(), f"{meta}:erased".encode(), *lists}  # the latter are hashes, for a day


async def test_a_bad_cursor_costs_one_snapshot(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a", "b"))) as service:
        ref = await start(service, "go")
        whole = await follow(service, ref)
        seen = await follow(service, ref, Cursor(4, 4))
        assert seen.names == ["snapshot", "end"]
        assert json.loads(seen.data[0])["content"] == text_of(whole)


@pytest.mark.parametrize(
    ("message", "title"),
    [("hello", "hello"), ("  two\nlines ", "two lines"), ("字" * 50, "字" * 39 + "…")],
)
def test_a_title_is_the_beginning_of_the_first_message(message: str, title: str) -> None:
    assert title_of(message) == title
