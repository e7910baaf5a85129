"""What running turns may use: known before they begin, kept while they run, charged at their end."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from lianhua.chat.messages import Usage
from lianhua.chat.prices import Prices
from lianhua.chat.turn import TurnRef
from lianhua.limits.admission import Admission
from lianhua.store.spending import RESERVED_S, Calendar, Cost
from lianhua.turns.periodic import every
from lianhua.turns.running import RunningTurn

KEEP_S: Final = RESERVED_S / 6  # so that a store that is away for a moment does not matter


class Reservations:
    """A task from `start` to `stop` that keeps what the turns of this process have reserved."""

    def __init__(self, admission: Admission, prices: Prices) -> None:
        self._admission = admission
        self._prices = prices
        self._chore: asyncio.Task[None] | None = None

    def start(self, running: Callable[[], Iterable[RunningTurn]]) -> None:
        """`running` gives the turns of this process."""

        async def keep() -> None:
            await self._admission.keep([(job.user, job.turn.ref.turn_id) for job in running()])

        self._chore = asyncio.create_task(every(KEEP_S, keep), name="keep reservations")

    async def stop(self) -> None:
        if self._chore:
            self._chore.cancel()
            await asyncio.wait([self._chore])

    async def reserve(self, job: RunningTurn) -> None:
        """Raises `QuotaExhausted`, `TurnsRunning`, `Overloaded`, `StoreUnavailable`."""
        await self._admission.reserve(job.user, job.turn.ref, self._most(job))

    async def reserve_again(self, job: RunningTurn) -> None:
        """For a turn that was taken over. Raises `QuotaExhausted` where its reservation has run out, and another has
        come in its place.
        """
        await self._admission.reserve_again(job.user, job.turn.ref.turn_id, self._most(job))

    async def reserve_title(self, user: str, turn_id: str, model: str, prompt_tokens: int, reply_tokens: int) -> None:
        """For what is asked beside a turn. Raises `QuotaExhausted`."""
        cost = Cost(prompt_tokens + reply_tokens, self._prices.millionths(model, prompt_tokens, reply_tokens))
        await self._admission.reserve_again(user, turn_id, cost)

    async def release(self, user: str, ref: TurnRef) -> None:
        """Of a turn that did not begin."""
        await self._admission.release(user, ref)

    async def give_back(self, user: str, turn_id: str) -> None:
        """Of one that has used nothing."""
        await self._admission.give_back(user, turn_id)

    def charged(self, model: str, usage: Usage) -> tuple[Cost, Calendar]:
        """What a turn has used, as the ledger takes it."""
        money = self._prices.millionths(model, usage.prompt_tokens, usage.completion_tokens)
        return Cost(usage.prompt_tokens + usage.completion_tokens, money), self._admission.calendar

    def _most(self, job: RunningTurn) -> Cost:
        """With the dearest of the models that may come to answer."""
        prompt, reply = job.prompt.context.used_tokens, job.options.max_tokens or 0
        money = max(self._prices.millionths(model, prompt, reply) for model in job.models)
        return Cost(prompt + reply, money)
