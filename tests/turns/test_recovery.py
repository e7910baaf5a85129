"""Turns whose worker is lost: run again, kept, or gone on with; and a zombie that writes nothing."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from redis.asyncio import Redis

from lianhua.api.services import Services
from lianhua.chat.prompt import GO_ON, Prompt
from lianhua.chat.turn import TurnRef
from lianhua.models.port import Delta, Finish, GenerationOptions, ModelInfo, ReasoningDelta, TextDelta
from lianhua.models.scripted import Rule
from lianhua.store.client.topology import Nodes
from lianhua.turns.periodic import Intervals
from tests.support.services import (
    Seen,
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

SILENT = Rule(pieces=("too late",), first_s=60)


# Workers that no longer renew their leases, as when they are stopped in their tracks.
open_frozen = partial(open_service, intervals=Intervals(renew_s=600))


async def lose(client: Redis, ref: TurnRef) -> None:
    """The lease runs out by the store's clock; the worker itself notices nothing."""
    await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.lease", "1")


async def test_a_turn_whose_worker_was_lost_is_sealed_with_what_was_shown(client: Redis, nodes: Nodes) -> None:
    async with open_frozen(nodes, worker="two") as two:
        async with open_frozen(nodes, Rule(pieces=("shown", "never"), interval_s=30)) as one:
            ref = await start(one, "go")
            viewer = asyncio.create_task(follow(two, ref))
            await follow(one, ref, limit=2)
            # The lease runs out by the store's clock; the worker itself notices nothing.
            await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.lease", "1")
            seen = await viewer
            end = end_of(seen)
            assert (end["status"], end["code"], text_of(seen)) == ("interrupted", "worker_lost", "shown")
            assert seen.cursors == sorted(set(seen.cursors))
        assert await reply_of(two, ref) == ("shown", "interrupted")
        assert (await two.conversations.messages("ann", ref.conversation_id, None, 10)).total == 2


async def test_a_lost_turn_is_sealed_although_nobody_looks(client: Redis, nodes: Nodes) -> None:
    times = Intervals(renew_s=600, sweep_s=0.05)
    async with open_service(nodes, Rule(pieces=("shown", "never"), interval_s=30), intervals=times) as one:
        ref = await start(one, "go")
        await follow(one, ref, limit=2)
        await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.lease", "1")
        async with open_service(nodes, worker="two", intervals=times) as two:
            assert await ended(two, ref) == "interrupted"
            assert await reply_of(two, ref) == ("shown", "interrupted")


async def test_a_new_question_after_a_lost_worker_is_taken(client: Redis, nodes: Nodes) -> None:
    rule = Rule(pieces=("a", "b"), interval_s=30)
    async with open_frozen(nodes, rule) as one, open_frozen(nodes, worker="two") as two:
        ref = await start(one, "go")
        await follow(one, ref, limit=2)
        await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.lease", "1")
        following = await start(two, "and now?", conversation=ref.conversation_id)
        assert end_of(await follow(two, following))["status"] == "done"


def notices(seen: Seen) -> list[str]:
    return [json.loads(data)["code"] for name, data in zip(seen.names, seen.data, strict=True) if name == "notice"]


async def attempts(service: Services, ref: TurnRef) -> int:
    return (await service.turns.turn("ann", ref)).record.attempts


async def is_tried_again(client: Redis, service: Services, ref: TurnRef, times: int) -> bool:
    """Whether it is, and its viewers have heard so."""
    said = await client.xlen(f"lianhua:{{{ref.conversation_id}}}:log:{ref.turn_id}")
    return await attempts(service, ref) == said == times


async def test_a_turn_that_has_shown_nothing_is_run_again_elsewhere(client: Redis, nodes: Nodes) -> None:
    async with (
        open_frozen(nodes, SILENT) as one,
        open_frozen(nodes, Rule(pieces=("made ", "elsewhere")), worker="two") as two,
        open_frozen(nodes, Rule(pieces=("made ", "elsewhere")), worker="three") as three,
    ):
        ref = await start(one, "go")
        viewers = [asyncio.create_task(follow(service, ref)) for service in (two, three)]
        await until(lambda: tasks_named(f"tail {ref.turn_id}") == len(viewers))
        await lose(client, ref)
        for viewer in viewers:
            seen = await viewer
            assert (seen.names[:2], notices(seen)) == (["turn", "notice"], ["restarted"])
            assert (text_of(seen), end_of(seen)["status"]) == ("made elsewhere", "done")
            assert seen.cursors == sorted(set(seen.cursors))
        assert await attempts(three, ref) == 2
        assert (await three.conversations.messages("ann", ref.conversation_id, None, 10)).total == 2


async def test_the_second_prompt_is_the_first_one(client: Redis, nodes: Nodes) -> None:
    first, second = Listening(), Listening()
    async with open_frozen(nodes, model=first) as one, open_frozen(nodes, model=second, worker="two") as two:
        ref = await start(one, "remember 7")
        await follow(one, ref)
        first.silent = True
        ref = await start(one, "what was it?", conversation=ref.conversation_id)
        await until(lambda: len(first.prompts) == 2)
        await lose(client, ref)
        await follow(two, ref)
    assert len(second.prompts) == 1
    assert second.prompts[0].messages == first.prompts[1].messages
    assert second.prompts[0].context == first.prompts[1].context


async def test_a_turn_that_has_taken_three_workers_is_given_up(client: Redis, nodes: Nodes) -> None:
    async with open_frozen(nodes, SILENT) as one, open_frozen(nodes, SILENT, worker="watching") as watching:
        watching.lifecycle.drain()  # it takes over nothing itself
        ref = await start(one, "go")
        viewer = asyncio.create_task(follow(watching, ref))
        for loss in range(3):
            await lose(client, ref)
            async with open_frozen(nodes, SILENT, worker=f"worker {loss}") as next_one:
                await next_one.turns.turn("ann", ref)  # a reader takes care of it
                if loss < 2:
                    await until(lambda wanted=loss + 2: is_tried_again(client, one, ref, wanted))  # type: ignore[misc]
                    # It is lost as well, and not closed in order.
                    await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.epoch", 100 + loss)
        seen = await viewer
        assert notices(seen) == ["restarted", "restarted"]
        assert (end_of(seen)["status"], end_of(seen)["code"]) == ("failed", "worker_lost")


async def test_reasoning_that_was_seen_stays_when_the_turn_is_run_again(client: Redis, nodes: Nodes) -> None:
    first, second = Listening(silent=True, reasoning="hm"), Listening(reasoning="aha")
    async with open_frozen(nodes, model=first) as one, open_frozen(nodes, model=second, worker="two") as two:
        ref = await start(one, "go")
        await follow(one, ref, limit=2)
        await lose(client, ref)
        seen = await follow(two, ref)
        assert (seen.names, notices(seen)) == (
            ["turn", "reasoning", "notice", "reasoning", "reasoning", "piece", "end"],
            ["restarted"],
        )
        message = (await two.conversations.messages("ann", ref.conversation_id, None, 1)).messages[0].message
        assert (message.content, message.reasoning) == ("Heard.", "hm\n\naha")


async def test_a_lost_turn_that_was_to_stop_is_stopped(client: Redis, nodes: Nodes) -> None:
    async with open_frozen(nodes, SILENT) as one, open_frozen(nodes, worker="two") as two:
        ref = await start(one, "go")
        await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.stop", "1")
        await lose(client, ref)
        assert (await two.turns.turn("ann", ref)).status == "stopped"


async def test_a_zombie_writes_nothing_and_notices(client: Redis, nodes: Nodes) -> None:
    async with (
        open_frozen(nodes, Rule(pieces=("a", "b", "c", "d"), repeat=5_000, interval_s=0.1)) as one,
        open_frozen(nodes, worker="two") as two,
    ):
        ref = await start(one, "go")
        await follow(one, ref, limit=4)
        await lose(client, ref)
        assert (await two.turns.turn("ann", ref)).status == "interrupted"
        kept, _ = await reply_of(two, ref)
        await until(lambda: not tasks_named(f"turn {ref.turn_id}"))
        assert await reply_of(one, ref) == (kept, "interrupted")
        assert text_of(await follow(one, ref)) == kept


async def test_a_lost_reply_goes_on_by_itself_where_that_is_wanted(client: Redis, nodes: Nodes) -> None:
    rest = Listening(text="and twenty blackbirds")  # it says the last word of the first part again
    async with (
        open_frozen(nodes, Rule(pieces=("Four and ", "never"), interval_s=60)) as one,
        open_frozen(nodes, model=rest, worker="two", on_loss="continue") as two,
    ):
        ref = await start(one, "go")
        viewer = asyncio.create_task(follow(two, ref))
        await follow(one, ref, limit=2)
        await lose(client, ref)
        seen = await viewer
        assert (notices(seen), end_of(seen)["status"]) == (["continued"], "done")
        assert text_of(seen) == "Four and and twenty blackbirds"  # too short to be taken for a repetition
        assert await reply_of(two, ref) == (text_of(seen), "done")
        assert [m.content for m in rest.prompts[0].messages[-2:]] == ["Four and ", GO_ON["en"]]
        account = await two.turns.context(ref, (await two.turns.turn("ann", ref)).record)
        assert [(e.role, e.reason) for e in account.messages[-2:]] == [("assistant", "kept"), ("user", "go_on")]
        assert account.used_tokens == sum(entry.tokens for entry in account.messages if entry.included)


class Listening:
    """Behind the port: a model that keeps the prompts it was given, and may fall silent after its reasoning."""

    def __init__(self, *, silent: bool = False, reasoning: str = "", text: str = "Heard.") -> None:
        self.info = ModelInfo("scripted", "Scripted", "scripted", 8_192)
        self.silent = silent
        self.prompts: list[Prompt] = []
        self._reasoning = reasoning
        self._text = text

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        self.prompts.append(prompt)
        if self._reasoning:
            yield [ReasoningDelta(self._reasoning)]
        if self.silent:
            await asyncio.sleep(60)
        yield [TextDelta(self._text), Finish("stop")]

    async def close(self) -> None:
        pass


async def test_a_worker_that_was_frozen_goes_on_where_nobody_has_taken_its_turn(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("before", " after"), interval_s=2.5), patience_s=0.5) as service:
        ref = await start(service, "go")
        viewer = asyncio.create_task(follow(service, ref))
        await follow(service, ref, limit=2)
        await asyncio.sleep(0.2)  # until it waits for the model
        time.sleep(2.0)  # nothing in this process runs, and the store is not asked
        seen = await viewer
        assert (end_of(seen)["status"], text_of(seen)) == ("done", "before after")
        assert await reply_of(service, ref) == ("before after", "done")


async def test_a_worker_that_was_frozen_writes_nothing_where_its_turn_was_taken(client: Redis, nodes: Nodes) -> None:
    words = tuple(f"{number} " for number in range(2_000))
    async with open_service(nodes, worker="two") as two:
        async with open_service(nodes, Rule(pieces=words, interval_s=0.05), patience_s=1.0) as one:
            ref = await start(one, "go")
            shown = text_of(await follow(one, ref, limit=3))
            key = f"lianhua:{{{ref.conversation_id}}}"
            await client.hset(key, mapping={"t.epoch": "2", "t.worker": "two", "t.lease": "1"})  # while it was frozen
            time.sleep(2.0)
            end = end_of(await follow(two, ref))
            assert (end["status"], end["code"]) == ("interrupted", "worker_lost")
            kept, status = await reply_of(two, ref)
            assert (kept.startswith(shown), status) == (True, "interrupted")
        assert await reply_of(two, ref) == (kept, status)
