"""Whether a turn may run: how many run already, and whether what it may use at most is still there."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from lianhua.chat.turn import TurnRef
from lianhua.config.limits import Budget
from lianhua.errors import Overloaded, QuotaExhausted, TurnsRunning
from lianhua.metrics import BUDGET_REFUSALS
from lianhua.store.journal.running import RunningTurns
from lianhua.store.spending import Calendar, Cost, Exhausted, Spending, Standing, TooManyTurns

BudgetOf = Callable[[str], Sequence[Budget]]


class Bounds(Struct, frozen=True):
    """How many turns may run at once, of one user and in all; 0: any number."""

    of_user: int = 0
    in_all: int = 0


class Admission:
    """Raises `StoreUnavailable`, `Overloaded`."""

    def __init__(
        self, spending: Spending, running_turns: RunningTurns, budget_of: BudgetOf, bounds: Bounds, zone: ZoneInfo
    ) -> None:
        self._spending = spending
        self._running_turns = running_turns
        self._budget_of = budget_of
        self._bounds = bounds
        self.zone = zone

    @property
    def calendar(self) -> Calendar:
        """The days and months around now."""
        return self._spending.calendar

    async def reserve(self, user: str, ref: TurnRef, cost: Cost) -> None:
        """Reserves what a turn may use. Raises `QuotaExhausted`, `TurnsRunning`, and `Overloaded` where too many run
        in all; then nothing is reserved. Repeated for the same turn, the latest cost counts.
        """
        reserving = self._spending.reserve(user, ref.turn_id, cost, self._budget_of(user), self._bounds.of_user)
        listed, met = await asyncio.gather(self._list(ref), reserving)  # in one round trip
        if not listed:
            await self._spending.release(user, ref.turn_id)
            raise Overloaded(f"{self._bounds.in_all} turns are running")
        if isinstance(met, TooManyTurns):
            await self._delist(ref)
            BUDGET_REFUSALS.add("running")
            raise TurnsRunning(met.running)
        if isinstance(met, Exhausted):
            await self._delist(ref)
            raise self._refusal(met, cost)

    async def reserve_again(self, user: str, turn_id: str, cost: Cost) -> None:
        """The same for what is no new turn: one that was taken over, or a title. Raises `QuotaExhausted`."""
        met = await self._spending.reserve(user, turn_id, cost, self._budget_of(user))
        if isinstance(met, Exhausted):
            raise self._refusal(met, cost)

    async def release(self, user: str, ref: TurnRef) -> None:
        """Gives back what was reserved for a turn that did not begin."""
        await self._spending.release(user, ref.turn_id)
        await self._delist(ref)

    async def give_back(self, user: str, turn_id: str) -> None:
        """The same for one that has ended and used nothing."""
        await self._spending.release(user, turn_id)

    async def keep(self, turns: Iterable[tuple[str, str]]) -> None:
        """Turns that run, each with its user, keep what they have reserved."""
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for user, turn_id in turns:
            ids[user].append(turn_id)
        await self._spending.keep_each(list(ids.items()))

    async def standing(self, user: str) -> list[Standing]:
        """How the user's budgets stand; nothing where there are none."""
        budgets = self._budget_of(user)
        return await self._spending.standing(user, budgets) if budgets else []

    async def _list(self, ref: TurnRef) -> bool:
        return not self._bounds.in_all or await self._running_turns.add_within(ref, self._bounds.in_all)

    async def _delist(self, ref: TurnRef) -> None:
        if self._bounds.in_all:
            await self._running_turns.remove(ref)

    def _refusal(self, met: Exhausted, cost: Cost) -> QuotaExhausted:
        BUDGET_REFUSALS.add(f"{met.budget.unit}_of_{met.budget.period}")
        needed = cost.tokens if met.budget.unit == "tokens" else cost.money
        return QuotaExhausted(
            met.budget.unit, met.budget.period, needed, met.left, met.resets_at, met.resets_in_s, self.zone
        )
