"""What a user may still use: reserved before a turn, charged after it. One hash a user, beside the ledger's."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from lianhua.config.limits import Budget, Period, Unit
from lianhua.store.client.client import Keyed, StoreClient
from lianhua.store.client.keys import PREFIX
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.journal.leases import LEASE_S

# A running turn's reservation is kept by its worker, and after a crash by whoever takes the turn over: with the first
# sweep after its lease.
RESERVED_S: Final = 2 * LEASE_S


class Cost(Struct, frozen=True):
    """Tokens of prompt and reply, and what they cost in millionths of the currency."""

    tokens: int
    money: int = 0


class Calendar(Struct, frozen=True):
    """When some days and months begin that follow each other, in Unix seconds."""

    days: tuple[int, ...]
    months: tuple[int, ...]

    @property
    def args(self) -> list[Argument]:
        return [" ".join(map(str, self.days)), " ".join(map(str, self.months))]


# The calendar around a time in Unix seconds.
CalendarAt = Callable[[float], Calendar]


class Reserved(Struct, frozen=True):
    """The turn may run."""


class TooManyTurns(Struct, frozen=True):
    """So many others of the user's are running."""

    running: int


class Exhausted(Struct, frozen=True):
    """Of the budget only `left` is there (below 0 where more was used than was reserved). It begins anew at
    `resets_at`, in `resets_in_s` seconds.
    """

    budget: Budget
    left: int
    resets_at: float
    resets_in_s: float


class Standing(Struct, frozen=True):
    """What was spent of a budget in its current period, and what running turns have reserved."""

    budget: Budget
    spent: int
    reserved: int
    resets_at: float

    @property
    def left(self) -> int:
        return max(self.budget.amount - self.spent - self.reserved, 0)


class Spending:
    """Raises `StoreUnavailable`, `Overloaded`. `calendar` is asked for the time of this machine; where the store's
    differs by days, again for that.
    """

    def __init__(self, database: StoreClient, calendar: CalendarAt, clock: Callable[[], float]) -> None:
        self._database = database
        self._calendar = calendar
        self._clock = clock
        self._reserve, self._spent = Script("reserve", "spending"), Script("spent", "spending")
        self._keep = Script("keep_reserved")

    @property
    def calendar(self) -> Calendar:
        return self._calendar(self._clock())

    async def reserve(
        self, owner: str, turn_id: str, cost: Cost, budgets: Sequence[Budget], most_running: int = 0
    ) -> Reserved | TooManyTurns | Exhausted:
        """Reserves `cost` for `RESERVED_S`. Repeating it for the same turn replaces what that had."""
        limits: list[Argument] = [
            argument for budget in budgets for argument in (budget.unit, budget.period, budget.amount)
        ]
        fixed: list[Argument] = [turn_id, RESERVED_S, cost.tokens, cost.money]
        answer = await self._on_time(
            self._reserve, owner, lambda calendar: [*fixed, *calendar.args, most_running, *limits]
        )
        match answer[0]:
            case b"running":
                return TooManyTurns(int(answer[1]))
            case b"exhausted":
                begins, at = float(answer[3]), float(answer[4])
                return Exhausted(budgets[int(answer[1])], int(answer[2]), begins, begins - at)
        return Reserved()

    async def keep(self, owner: str, turn_ids: Sequence[str]) -> None:
        """Running turns keep what they have for `RESERVED_S` more."""
        await self._database.run(self._keep, [spending_key(owner)], [RESERVED_S, *turn_ids])

    async def keep_each(self, turns: Sequence[tuple[str, Sequence[str]]]) -> None:
        """The same for several owners, in one round trip."""
        calls: list[Keyed] = [([spending_key(owner)], [RESERVED_S, *turn_ids]) for owner, turn_ids in turns]
        for answer in await self._database.run_each(self._keep, calls):
            if isinstance(answer, Exception):
                raise answer

    async def release(self, owner: str, turn_id: str) -> None:
        """Gives back what a turn had reserved that has used nothing."""
        await self._database.ask(("HDEL", spending_key(owner), f"r:{turn_id}"))

    async def standing(self, owner: str, budgets: Sequence[Budget]) -> list[Standing]:
        """How each budget stands."""
        answer = await self._on_time(self._spent, owner, lambda calendar: calendar.args)
        periods: tuple[Period, Period] = ("day", "month")
        units: tuple[Unit, Unit] = ("tokens", "money")
        resets = {period: float(answer[1 + 5 * place]) for place, period in enumerate(periods)}
        sums = {
            (period, unit): (int(answer[2 + 5 * at + 2 * kind]), int(answer[3 + 5 * at + 2 * kind]))
            for at, period in enumerate(periods)
            for kind, unit in enumerate(units)
        }
        return [Standing(each, *sums[each.period, each.unit], resets[each.period]) for each in budgets]

    async def _on_time(self, script: Script, owner: str, args: Callable[[Calendar], list[Argument]]) -> list[Any]:
        keys = [spending_key(owner)]
        answer = await self._database.run(script, keys, args(self.calendar))
        if answer[0] == b"clock":
            answer = await self._database.run(script, keys, args(self._calendar(float(answer[1]))))
        return answer


def spending_key(owner: str) -> str:
    return f"{PREFIX}:{{user:{owner}}}:spending"
