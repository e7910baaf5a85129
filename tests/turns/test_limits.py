"""Turns within limits: reserved before the model is asked, charged once, given back when nothing was used."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from redis.asyncio import Redis

from lianhua.api.services import Services
from lianhua.chat.messages import Usage
from lianhua.chat.prompt import Prompt
from lianhua.chat.turn import TurnRef
from lianhua.config.limits import Budget
from lianhua.errors import LianhuaError, Overloaded, QuotaExhausted, TurnInProgress, TurnsRunning
from lianhua.limits.admission import Bounds
from lianhua.limits.budget import Budgets
from lianhua.models.port import Delta, Finish, GenerationOptions, ModelInfo, TextDelta
from lianhua.models.scripted import Rule
from lianhua.store.client.topology import Nodes
from lianhua.store.spending import Standing
from lianhua.turns.periodic import Intervals
from lianhua.turns.planner import Ask
from lianhua.turns.request import Continue, Edit, Retry
from lianhua.wiring import Limits
from tests.support.services import ask, end_of, ended, follow, open_service, start
from tests.support.waiting import until

UTC = ZoneInfo("UTC")
SLOW = Rule(pieces=("a",), repeat=100_000, interval_s=0.01)
SILENT = Rule(pieces=("too late",), first_s=60)


def a_day(tokens: int) -> Limits:
    return Limits(budgets=Budgets([Budget("tokens", "day", tokens)]))


PLENTY = a_day(1_000_000)
# A window of 8,192 tokens reserves 2,048 for a reply; a first prompt here has some 150.
ENOUGH_FOR_ONE = a_day(3_000)
open_frozen = partial(open_service, intervals=Intervals(renew_s=600))


@pytest.fixture(autouse=True)
def _empty(client: Redis) -> None:
    """What was spent in one test is not missing in the next."""


async def stands(service: Services) -> Standing:
    assert service.admission
    (standing,) = await service.admission.standing("ann")
    return standing


async def settled(service: Services, spent: int | None = None) -> Standing:
    """How the budget stands when nothing is reserved any more."""

    async def still() -> Standing | None:
        standing = await stands(service)
        return standing if standing.reserved == 0 and spent in (None, standing.spent) else None

    return await until(still)


async def used(service: Services, ref: TurnRef) -> int:
    end = (await service.turns.turn("ann", ref)).record.end
    assert end and end.usage
    return end.usage.prompt_tokens + end.usage.completion_tokens


async def test_the_most_that_a_turn_may_use_is_reserved_and_what_it_used_is_charged(nodes: Nodes) -> None:
    async with open_service(nodes, SLOW, limits=PLENTY) as service:
        ref = await start(service, "go")
        await follow(service, ref, limit=3)
        standing = await stands(service)
        assert standing.spent == 0
        assert 2_048 < standing.reserved < 2_500
        await service.turns.stop("ann", ref)
        assert (await settled(service)).spent == await used(service, ref)


async def test_of_two_turns_at_once_for_the_last_of_a_budget_one_runs(nodes: Nodes) -> None:
    async with open_service(nodes, SLOW, limits=ENOUGH_FOR_ONE) as service:
        for number in range(10):
            names = [(await service.conversations.create(f"ann{number}", None, None)).id for _ in range(2)]
            asks = [service.turns.start(f"ann{number}", name, ask("go")) for name in names]
            met = await asyncio.gather(*asks, return_exceptions=True)
            assert sorted(type(each).__name__ for each in met) == ["Accepted", "QuotaExhausted"]


async def test_a_refused_turn_leaves_nothing_behind(client: Redis, nodes: Nodes) -> None:
    async with open_service(nodes, limits=a_day(100)) as service:
        conversation = (await service.conversations.create("ann", None, None)).id
        with pytest.raises(QuotaExhausted) as refusal:
            await service.turns.start("ann", conversation, ask("go"))
        assert (refusal.value.unit, refusal.value.period, refusal.value.left) == ("tokens", "day", 100)
        assert 2_048 < refusal.value.needed < 2_500
        assert (await service.conversations.messages("ann", conversation, None, 10)).total == 0
        standing = await stands(service)
        assert (standing.spent, standing.reserved) == (0, 0)
        assert not await client.exists(f"lianhua:{{{conversation}}}:turns")


async def test_the_same_key_again_is_the_same_turn_although_the_budget_is_gone(nodes: Nodes) -> None:
    async with open_service(nodes, SLOW, limits=ENOUGH_FOR_ONE) as service:
        ref = await start(service, "go")
        again = await service.turns.start("ann", ref.conversation_id, ask("go"))
        assert (again.turn_id, again.repeated) == (ref.turn_id, True)
        with pytest.raises(TurnInProgress):
            await service.turns.start("ann", ref.conversation_id, ask("something else"))
        joined = await service.turns.start_or_join("ann", ref.conversation_id, ask("go", "another key"))
        assert joined.turn_id == ref.turn_id
        standing = await stands(service)
        assert 2_048 < standing.reserved < 2_500


async def test_retry_edit_and_continue_each_count_once(nodes: Nodes) -> None:
    async with open_service(nodes, Rule(pieces=("a", "b")), limits=PLENTY) as service:
        refs = [await start(service, "go")]
        name = refs[0].conversation_id
        await follow(service, refs[0])
        record = (await service.turns.turn("ann", refs[0])).record
        acts = (
            Retry(record.reply_message_id),
            Edit(record.user_message_id, "go on"),
            Continue(record.reply_message_id),
        )
        for act in acts:
            accepted = await service.turns.start("ann", name, Ask(act, "en", f"key of {act}"))
            refs.append(TurnRef(name, accepted.turn_id))
            await ended(service, refs[-1])
        await settled(service, sum([await used(service, ref) for ref in refs]))


async def test_a_turn_that_fails_before_the_model_has_said_anything_costs_nothing(nodes: Nodes) -> None:
    broken = Rule(fail="model_unavailable")
    async with open_service(nodes, broken, limits=PLENTY) as service:
        ref = await start(service, "go")
        assert end_of(await follow(service, ref))["status"] == "failed"
        assert (await settled(service)).spent == 0


async def test_a_turn_that_is_taken_over_counts_once(client: Redis, nodes: Nodes) -> None:
    async with (
        open_frozen(nodes, SILENT, limits=ENOUGH_FOR_ONE) as one,
        open_frozen(nodes, Rule(pieces=("made",)), worker="two", limits=ENOUGH_FOR_ONE) as two,
    ):
        ref = await start(one, "go")
        await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.lease", "1")
        assert end_of(await follow(two, ref))["status"] == "done"
        await settled(two, await used(two, ref))


async def test_a_lost_turn_whose_budget_was_given_to_another_is_not_run_again(client: Redis, nodes: Nodes) -> None:
    async with (
        open_frozen(nodes, SILENT, limits=ENOUGH_FOR_ONE) as one,
        open_frozen(nodes, SLOW, worker="two", limits=ENOUGH_FOR_ONE) as two,
    ):
        ref = await start(one, "go")
        key = "lianhua:{user:ann}:spending"
        value = (await client.hget(key, f"r:{ref.turn_id}") or b"").split()
        await client.hset(key, f"r:{ref.turn_id}", b" ".join([b"1", *value[1:]]))  # nobody has kept it for too long
        other = await start(two, "and this?")
        await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.lease", "1")
        assert end_of(await follow(two, ref))["code"] == "worker_lost"
        await two.turns.stop("ann", other)
        await settled(two, await used(two, other))


async def test_more_turns_than_may_run_are_refused_until_one_ends(nodes: Nodes) -> None:
    limits = Limits(bounds=Bounds(of_user=2))
    async with open_service(nodes, SLOW, limits=limits) as service:
        refs = [await start(service, "go") for _ in range(2)]
        with pytest.raises(TurnsRunning) as refusal:
            await start(service, "go")
        assert refusal.value.running == 2
        await service.turns.stop("ann", refs[0])

        async def begun() -> bool:
            try:
                return bool(await start(service, "go"))
            except TurnsRunning:
                return False

        await until(begun)


async def test_the_server_runs_so_many_turns_in_all(client: Redis, nodes: Nodes) -> None:
    limits = Limits(bounds=Bounds(in_all=2))
    async with (
        open_service(nodes, SLOW, limits=limits) as one,
        open_service(nodes, SLOW, worker="two", limits=limits) as two,
    ):
        met = await asyncio.gather(*(start(each, "go") for each in (one, two) * 3), return_exceptions=True)
        refused = [each for each in met if isinstance(each, LianhuaError)]
        assert [type(each) for each in refused] == [Overloaded] * 4
        assert await client.scard("lianhua:{running}") == 2
        (running, *_) = (each for each in met if isinstance(each, TurnRef))
        await one.turns.stop("ann", running)

        async def begun() -> bool:
            try:
                return bool(await start(two, "go"))
            except Overloaded:
                return False

        await until(begun)


async def test_without_limits_nothing_is_written_for_them(client: Redis, nodes: Nodes) -> None:
    async with open_service(nodes) as service:
        await follow(service, await start(service, "go"))
        assert service.admission is None and service.rate is None
        assert not await client.exists("lianhua:{user:ann}:spending")


class Dear:
    """Behind the port: a model that says of each reply that it has cost so much, and of each title that it cost ten."""

    info = ModelInfo("dear", "Dear", "openai", 8_192)

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self.most: list[int | None] = []

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        self.most.append(options.max_tokens)
        is_title = "name conversations" in prompt.messages[0].content
        yield [TextDelta("Hello"), Finish("stop", Usage(10 if is_title else self._tokens, 0))]

    async def close(self) -> None:
        pass


async def test_a_title_is_paid_for_too(nodes: Nodes) -> None:
    model = Dear(500)
    async with open_service(nodes, model=model, titles=True, title_rest_s=0.0, limits=PLENTY) as service:
        await follow(service, await start(service, "hello there"))
        await settled(service, 510)
        assert model.most == [2_048, 400]


async def test_where_nothing_is_left_the_first_message_stays_the_title(
    nodes: Nodes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    model = Dear(5_000)  # more than it was asked for
    async with open_service(nodes, model=model, titles=True, title_rest_s=0.0, limits=ENOUGH_FOR_ONE) as service:
        ref = await start(service, "hello there")
        await follow(service, ref)
        await until(lambda: "keeps its first title: QuotaExhausted" in caplog.text)
        assert (await service.conversations.get("ann", ref.conversation_id)).title == "hello there"
        standing = await stands(service)
        assert (standing.spent, standing.left) == (5_000, 0)
        with pytest.raises(QuotaExhausted):
            await start(service, "and more")
