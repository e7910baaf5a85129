"""Retry, edit and continue when their workers are lost, and the titles that are made when a conversation rests."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from lianhua.api.services import Services
from lianhua.chat.prompt import GO_ON, Prompt
from lianhua.chat.turn import TurnRef
from lianhua.errors import StoreUnavailable
from lianhua.models.demo import DemoModel
from lianhua.models.port import Delta, Finish, GenerationOptions, ModelInfo, ModelKind, TextDelta
from lianhua.models.scripted import Rule
from lianhua.store.client.topology import Nodes
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import Fate
from lianhua.turns.finalize import Finalizer
from lianhua.turns.periodic import Intervals
from lianhua.turns.planner import Ask
from lianhua.turns.request import Act, Continue, Edit, Retry, Send
from lianhua.turns.titles import clean_title
from tests.support.services import end_of, follow, open_service, reply_of, start, text_of
from tests.support.waiting import stays, until


async def act(service: Services, conversation: str, what: Act, key: str) -> TurnRef:
    accepted = await service.turns.start("ann", conversation, Ask(what, "en", key))
    return TurnRef(conversation, accepted.turn_id)


async def lose(client: Redis, ref: TurnRef) -> None:
    """What a killed worker leaves: a lease that has run out."""
    await client.hset(f"lianhua:{{{ref.conversation_id}}}", mapping={"t.lease": "1", "t.worker": "lost"})


# Lost turns are met by their readers only.
open_unswept = partial(open_service, intervals=Intervals(renew_s=600.0, sweep_s=600.0))


CUT = Rule("poem", pieces=("Roses are red, ", "violets "), finish="")


async def test_going_on_survives_the_loss_of_its_worker(client: Redis, nodes: Nodes) -> None:
    rest = Rule(GO_ON["en"], pieces=("are blue.",), first_s=60)
    async with (
        open_unswept(nodes, CUT, rest) as one,
        open_unswept(nodes, Rule(GO_ON["en"], pieces=("violets are blue.",)), worker="two") as two,
    ):
        ref = await start(one, "poem")
        await follow(one, ref)
        kept = (await one.conversations.messages("ann", ref.conversation_id, None, 1)).messages[0].message
        ref = await act(one, ref.conversation_id, Continue(kept.id), "go on")
        first = await follow(one, ref, limit=2)
        assert text_of(first) == "Roses are red, violets ", "what is kept is seen at once"
        await lose(client, ref)
        seen = await follow(two, ref)
        assert [
            json.loads(data)["code"] for name, data in zip(seen.names, seen.data, strict=True) if name == "notice"
        ] == ["restarted"]
        assert (text_of(seen), end_of(seen)["status"]) == ("Roses are red, violets are blue.", "done")
        assert await reply_of(two, ref) == (text_of(seen), "done")


async def test_what_went_on_and_was_lost_is_kept(client: Redis, nodes: Nodes) -> None:
    rest = Rule(GO_ON["en"], pieces=("bloom ", "never"), interval_s=60)
    async with open_unswept(nodes, CUT, rest) as one, open_unswept(nodes, worker="two") as two:
        ref = await start(one, "poem")
        await follow(one, ref)
        kept = (await one.conversations.messages("ann", ref.conversation_id, None, 1)).messages[0].message
        ref = await act(one, ref.conversation_id, Continue(kept.id), "go on")
        await follow(one, ref, limit=3)
        await lose(client, ref)
        assert (await two.turns.turn("ann", ref)).status == "interrupted"
        assert await reply_of(two, ref) == ("Roses are red, violets bloom ", "interrupted")


async def test_a_retry_and_an_edit_that_are_lost_are_made_again(client: Redis, nodes: Nodes) -> None:
    silent = Rule("again", first_s=60, pieces=("never",))
    async with open_unswept(nodes, silent) as one, open_unswept(nodes, Rule(pieces=("made",)), worker="two") as two:
        ref = await start(one, "hello")
        await follow(one, ref)
        question, _ = (
            placed.message
            for placed in (await one.conversations.messages("ann", ref.conversation_id, None, 2)).messages
        )
        acts: list[Act] = [Edit(question.id, "again"), Send("again", parent_id="")]
        for number, what in enumerate(acts):
            edited = await act(one, ref.conversation_id, what, f"edit {number}")
            await lose(client, edited)
            assert text_of(await follow(two, edited)) == "made"
        newest = (await two.conversations.messages("ann", ref.conversation_id, None, 1)).messages[0].message
        retried = await act(one, ref.conversation_id, Retry(newest.id), "retry")
        await lose(client, retried)
        assert text_of(await follow(two, retried)) == "made"
        page = await two.conversations.messages("ann", ref.conversation_id, None, 10)
        assert [len(placed.siblings) for placed in page.messages] == [3, 2]


async def test_the_demo_goes_on_where_it_was_stopped(client: Redis, nodes: Nodes) -> None:
    async with open_service(nodes, model=DemoModel(interval_s=0.005)) as service:
        ref = await start(service, "hello")
        await follow(service, ref, limit=4)
        await service.turns.stop("ann", ref)
        cut = (await service.conversations.messages("ann", ref.conversation_id, None, 1)).messages[0].message
        whole = await follow(service, await act(service, ref.conversation_id, Continue(cut.id), "go on"))
        again = await follow(service, await act(service, ref.conversation_id, Retry(cut.id), "again"))
        assert cut.status == "stopped"
        assert text_of(whole) == text_of(again) != cut.content


async def test_an_end_whose_answer_was_lost_is_counted_and_shown(
    client: Redis, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = TurnJournal.finish
    lost: list[str] = []

    async def finish_and_lose(journal: TurnJournal, ref: TurnRef, *rest: Any) -> Fate:
        fate = await finish(journal, ref, *rest)
        if ref.turn_id not in lost:
            lost.append(ref.turn_id)
            raise StoreUnavailable("the answer was lost")
        return fate

    monkeypatch.setattr(TurnJournal, "finish", finish_and_lose)
    async with open_service(nodes, Rule(pieces=("whole",))) as service:
        ref = await start(service, "go")
        assert end_of(await follow(service, ref))["status"] == "done"
        await until(lambda: client.zscore("lianhua:{user:ann}:counted", ref.turn_id))
        assert lost == [ref.turn_id]


async def test_a_turn_whose_worker_died_right_after_its_end_is_counted_once(
    client: Redis, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        """What comes after the end is never reached."""

    with monkeypatch.context() as dying:
        dying.setattr(Finalizer, "note_job", die)
        async with open_service(nodes, Rule(pieces=("whole",))) as service:
            ref = await start(service, "go")
            await follow(service, ref)
            assert await client.smembers("lianhua:{running}")
    async with open_service(nodes, worker="two", intervals=Intervals(sweep_s=0.05, forget_s=0.05)):

        async def is_forgotten() -> bool:
            return not await client.smembers("lianhua:{running}")

        await until(is_forgotten)
    (day,) = [key async for key in client.scan_iter("lianhua:{user:ann}:usage:*")]
    figures = await client.hgetall(day)
    assert figures[b"turns scripted"] == b"1"
    assert await client.zscore("lianhua:{user:ann}:counted", ref.turn_id) is not None


class Titling:
    """Behind the port: a model that says hello, and has a title where it is asked for one, once its `gate` is open."""

    def __init__(
        self, title: str, kind: ModelKind = "openai", gate: asyncio.Event | None = None, finish: str | None = "stop"
    ) -> None:
        self.info = ModelInfo("titling", "Titling", kind, 8_192, serial=kind == "local")
        self.prompts: list[Prompt] = []
        self._title = title
        self._gate = gate
        self._finish = [Finish(finish)] if finish else []

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        self.prompts.append(prompt)
        if "name conversations" in prompt.messages[0].content:
            if self._gate:
                await self._gate.wait()
            yield [TextDelta(self._title), *self._finish]
        else:
            yield [TextDelta("Hello."), Finish("stop")]

    async def close(self) -> None:
        pass

    @property
    def asked(self) -> int:
        return sum("name conversations" in prompt.messages[0].content for prompt in self.prompts)


open_quick = partial(open_service, title_rest_s=0.1)


async def title_of(service: Services, ref: TurnRef) -> str:
    return (await service.conversations.get("ann", ref.conversation_id)).title


async def until_title(service: Services, ref: TurnRef, title: str) -> None:
    async def is_given() -> bool:
        return await title_of(service, ref) == title

    await until(is_given)


async def until_counted(client: Redis, count: int) -> None:
    """Until so many turns and titles are paid for."""

    async def are_counted() -> bool:
        return bool(await client.zcard("lianhua:{user:ann}:counted") == count)

    await until(are_counted)


async def test_a_model_improves_the_title_once_and_pays_for_it(client: Redis, nodes: Nodes) -> None:
    model = Titling('Title: "Greetings."\nand more')
    async with open_quick(nodes, model=model, titles=True) as service:
        ref = await start(service, "hello   there\nfriend")
        await follow(service, ref)
        assert await title_of(service, ref) == "hello there friend"
        await until_title(service, ref, "Greetings")
        await follow(service, await start(service, "more", conversation=ref.conversation_id))
        await stays(lambda: model.asked == 1, 0.3)
        assert await title_of(service, ref) == "Greetings"
        counted = await client.zrange("lianhua:{user:ann}:counted", 0, -1)
        assert sum(turn.startswith(f"title:{ref.conversation_id}".encode()) for turn in counted) == 1


@pytest.mark.parametrize("finish", ["length", "content_filter", None])
async def test_an_answer_that_was_cut_is_no_title(client: Redis, nodes: Nodes, finish: str | None) -> None:
    model = Titling("Okay, the user wants", finish=finish)
    async with open_quick(nodes, model=model, titles=True) as service:
        ref = await start(service, "hello")
        await follow(service, ref)
        await until_counted(client, 2)  # it was paid for all the same
        assert await title_of(service, ref) == "hello"


async def test_a_turn_comes_before_a_title(client: Redis, nodes: Nodes) -> None:
    gate = asyncio.Event()
    model = Titling("Late", gate=gate, kind="local")
    async with open_quick(nodes, model=model, titles=True) as service:
        ref = await start(service, "hello")
        await follow(service, ref)
        await until(lambda: model.asked)
        elsewhere = await start(service, "another talk, the same model")  # it makes one reply at a time
        assert text_of(await follow(service, elsewhere)) == "Hello."
        assert await title_of(service, ref) == "hello"
        gate.set()
        await until_title(service, ref, "Late")
        await until_title(service, elsewhere, "Late")


async def test_a_title_that_somebody_chose_stays(client: Redis, nodes: Nodes) -> None:
    gate = asyncio.Event()
    model = Titling("Late", gate=gate)
    async with open_quick(nodes, model=model, titles=True) as service:
        ref = await start(service, "hello")
        await follow(service, ref)
        await until(lambda: model.asked)
        await service.conversations.update("ann", ref.conversation_id, title="Mine")
        gate.set()
        await until_counted(client, 2)
        assert await title_of(service, ref) == "Mine"


async def test_what_was_erased_goes_to_no_model(client: Redis, nodes: Nodes) -> None:
    model = Titling("Secret")
    async with (
        open_quick(nodes, model=model, titles=True) as service,
        open_quick(nodes, worker="two") as elsewhere,
    ):
        for eraser in (service, elsewhere):
            ref = await start(service, "my secret plan")
            await follow(service, ref)
            await eraser.conversations.erase("ann", ref.conversation_id, keep_conversation=eraser is service)
        await stays(lambda: model.asked == 0, 0.4)


async def test_no_title_is_made_by_what_is_no_model(client: Redis, nodes: Nodes) -> None:
    model = Titling("Demo", kind="demo")
    async with open_quick(nodes, model=model, titles=True) as service:
        ref = await start(service, "hello")
        await follow(service, ref)
        await stays(lambda: model.asked == 0, 0.4)
        assert await title_of(service, ref) == "hello"


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("", ""),
        ("\n \n", ""),
        ("《静夜思》的赏析。", "静夜思》的赏析"),
        ("标题：如何学 Python", "如何学 Python"),
        ('"Redis streams"', "Redis streams"),
        ("**Trip to Rome**\n\nBecause you asked", "Trip to Rome"),
        ("x" * 80, "x" * 59 + "…"),
        ("<think>They want\na title</think>\nParis", "Paris"),
        ("<think>They want", ""),
        ("They want a title\n</think>\n\nParis", "Paris"),
        ("<thinking>They want\na title</thinking>Paris", "Paris"),
        ("<thinking>They want", ""),
        ("[THINK]They want[/THINK]Paris", "Paris"),
        ("<|channel|>analysis<|message|>They want<|end|><|start|>assistant<|channel|>final<|message|>Paris", "Paris"),
        ("<|channel|>analysis<|message|>They want", ""),
        ("analysisThey want a title.assistantfinalParis", "Paris"),
        ("analysisThey want a title.", ""),
        ("Okay, the user wants a title. " * 10, ""),
        ("Using `<think>` tags", "Using `<think>` tags"),
        ("T\x1bitle \x07one\ud800", "Title one"),
    ],
)
def test_a_title_is_one_bare_line(answer: str, title: str) -> None:
    assert clean_title(answer) == title
