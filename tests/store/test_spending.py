"""What turns reserve and use of a budget, on every kind of store: never more than there is, and never lost."""

import asyncio
import itertools
import time

import pytest
from redis.asyncio import Redis

from lianhua.chat.messages import Usage
from lianhua.config.limits import Budget
from lianhua.store.client.client import StoreClient
from lianhua.store.client.topology import Nodes
from lianhua.store.spending import (
    RESERVED_S,
    Calendar,
    Cost,
    Exhausted,
    Reserved,
    Spending,
    Standing,
    TooManyTurns,
    spending_key,
)
from lianhua.store.usage import UsageLedger

DAY_S = 86_400
TEN_A_DAY = (Budget("tokens", "day", 10),)
KEY = spending_key("ann")


class Days:
    """A calendar whose days begin where a test wants, and whose months have ten."""

    def __init__(self) -> None:
        self.began = self.month_began = int(time.time()) - 3_600

    def __call__(self, at: float) -> Calendar:
        today = self.began + int((at - self.began) // DAY_S) * DAY_S
        days = tuple(today + number * DAY_S for number in (-1, 0, 1, 2))
        return Calendar(days, tuple(self.month_began + number * 10 * DAY_S for number in (-1, 0, 1, 2)))


class Person:
    """One user of a store, and what they do."""

    def __init__(self, nodes: Nodes) -> None:
        self.days = Days()
        self.skew_s = 0.0
        database = StoreClient(nodes)
        self.spending = Spending(database, self.days, lambda: time.time() + self.skew_s)
        self.ledger = UsageLedger(database)

    async def reserve(self, turn: str, tokens: int, money: int = 0, budgets: tuple[Budget, ...] = TEN_A_DAY) -> object:
        return await self.spending.reserve("ann", turn, Cost(tokens, money), budgets)

    async def charge(self, turn: str, tokens: int, money: int = 0) -> None:
        charged = (Cost(tokens, money), self.spending.calendar)
        await self.ledger.count("ann", turn, "m", Usage(tokens, 0), time.time(), charged)

    async def stands(self, budget: Budget = TEN_A_DAY[0]) -> Standing:
        (standing,) = await self.spending.standing("ann", [budget])
        return standing


@pytest.fixture
def ann(client: Redis, nodes: Nodes) -> Person:
    return Person(nodes)


async def test_of_two_turns_for_the_last_tokens_one_wins_a_hundred_times(ann: Person) -> None:
    for number in range(100):
        budgets = (Budget("tokens", "day", 10 * (number + 1)),)
        met = await asyncio.gather(*(ann.reserve(f"{number}-{each}", 10, budgets=budgets) for each in range(2)))
        assert sorted(type(each).__name__ for each in met) == ["Exhausted", "Reserved"]
        winner = next(each for each in range(2) if isinstance(met[each], Reserved))
        await ann.charge(f"{number}-{winner}", 10)
        standing = await ann.stands(budgets[0])
        assert (standing.spent, standing.reserved, standing.left) == (10 * (number + 1), 0, 0)


async def test_what_is_not_used_is_there_again(ann: Person) -> None:
    assert await ann.reserve("1", 10) == Reserved()
    assert isinstance(await ann.reserve("2", 1), Exhausted)
    await ann.charge("1", 4)
    assert await ann.reserve("2", 6) == Reserved()
    await ann.spending.release("ann", "2")
    standing = await ann.stands()
    assert (standing.spent, standing.reserved, standing.left) == (4, 0, 6)


async def test_a_turn_is_reserved_and_charged_once_however_often_it_is_said(ann: Person) -> None:
    for _ in range(3):
        assert await ann.reserve("1", 8) == Reserved()
    assert (await ann.stands()).reserved == 8
    await asyncio.gather(*(ann.charge("1", 3) for _ in range(10)))
    assert (await ann.stands()).spent == 3


async def test_a_reservation_that_nobody_keeps_is_given_back(ann: Person, client: Redis) -> None:
    await ann.reserve("1", 10)
    await ann.reserve("kept", 0)
    value = await client.hget(KEY, "r:1")
    assert value is not None
    expires = float(value.split()[0])
    assert time.time() + RESERVED_S - 5 < expires < time.time() + RESERVED_S + 5
    await client.hset(KEY, "r:1", b" ".join([b"1", *value.split()[1:]]))  # its worker was killed so long ago
    assert await ann.reserve("2", 10) == Reserved()
    await ann.spending.keep("ann", ["1", "kept"])
    assert set(await client.hkeys(KEY)) & {b"r:1", b"r:2", b"r:kept"} == {b"r:2", b"r:kept"}


async def test_a_worker_keeps_what_its_turns_have_reserved(ann: Person, client: Redis) -> None:
    await ann.reserve("1", 10)
    first = await client.hget(KEY, "r:1")
    await asyncio.sleep(0.01)  # by the store's clock
    await ann.spending.keep_each([("ann", ["1"]), ("bob", ["2"])])
    later = await client.hget(KEY, "r:1")
    assert first is not None and later is not None
    assert float(later.split()[0]) > float(first.split()[0])
    assert later.split()[1:] == first.split()[1:]
    assert not await client.exists(spending_key("bob"))


async def test_a_turn_whose_reservation_ran_out_is_charged_all_the_same(ann: Person) -> None:
    await ann.reserve("1", 5)
    await ann.spending.release("ann", "1")
    await ann.charge("1", 5)
    assert (await ann.stands()).left == 5


async def test_a_day_begins_anew_and_the_month_goes_on(ann: Person) -> None:
    month = Budget("tokens", "month", 15)
    budgets = (*TEN_A_DAY, month)
    assert await ann.reserve("1", 10, budgets=budgets) == Reserved()
    refused = await ann.reserve("2", 1, budgets=budgets)
    assert isinstance(refused, Exhausted)
    assert (refused.budget, refused.left, refused.resets_at) == (TEN_A_DAY[0], 0, ann.days.began + DAY_S)
    assert 0 < refused.resets_in_s <= DAY_S - 3_600
    ann.days.began += 1_800  # a new day has begun
    assert ((await ann.stands()).left, (await ann.stands(month)).left) == (10, 5)
    await ann.charge("1", 10)  # of the day on which it began, and of the month
    assert ((await ann.stands()).spent, (await ann.stands(month)).left) == (0, 5)
    assert await ann.reserve("2", 5, budgets=budgets) == Reserved()
    assert isinstance(await ann.reserve("3", 1, budgets=budgets), Exhausted)


async def test_the_stores_clock_says_which_day_it_is(ann: Person) -> None:
    await ann.reserve("1", 10)
    for ann.skew_s in (-300 * DAY_S, 300 * DAY_S):
        assert isinstance(await ann.reserve("2", 1), Exhausted)
        assert (await ann.stands()).reserved == 10


async def test_a_clock_that_falls_back_does_not_begin_an_old_day_anew(ann: Person, client: Redis) -> None:
    await ann.charge("1", 10)
    tomorrow = int(await client.hget(KEY, "day") or 0) + DAY_S
    await client.hset(KEY, "day", tomorrow)
    assert isinstance(await ann.reserve("2", 1), Exhausted)


async def test_money_and_tokens_are_counted_apart(ann: Person) -> None:
    money = Budget("money", "day", 100)
    budgets = (Budget("tokens", "day", 1_000), money)
    assert await ann.reserve("1", 10, 90, budgets) == Reserved()
    refused = await ann.reserve("2", 10, 11, budgets)
    assert isinstance(refused, Exhausted)
    assert (refused.budget, refused.left) == (money, 10)
    assert await ann.reserve("free", 10, 0, budgets) == Reserved()
    await ann.charge("1", 10, 120)  # more than was reserved
    assert ((await ann.stands(money)).left, (await ann.stands(budgets[0])).left) == (0, 980)
    assert await ann.reserve("free too", 10, 0, budgets) == Reserved()
    assert isinstance(await ann.reserve("3", 1, 1, budgets), Exhausted)


async def test_of_several_budgets_the_one_that_lasts_longest_is_named(ann: Person) -> None:
    budgets = (Budget("tokens", "month", 5), *TEN_A_DAY)
    for each in itertools.permutations(budgets):
        refused = await ann.reserve("1", 11, budgets=each)
        assert isinstance(refused, Exhausted)
        assert refused.budget.period == "month"


async def test_so_many_turns_run_at_once(ann: Person) -> None:
    async def begin(turn: str) -> object:
        return await ann.spending.reserve("ann", turn, Cost(1), (), most_running=2)

    met = await asyncio.gather(*(begin(f"{number}") for number in range(5)))
    assert [each for each in met if each != Reserved()] == [TooManyTurns(2)] * 3
    assert await begin(str(met.index(Reserved()))) == Reserved()  # itself does not stand in its way
    await ann.spending.release("ann", str(met.index(Reserved())))
    assert await begin("later") == Reserved()


async def test_nothing_is_kept_for_ever(ann: Person, client: Redis) -> None:
    await ann.reserve("1", 1)
    assert 31 * DAY_S < await client.ttl(KEY) <= 40 * DAY_S
