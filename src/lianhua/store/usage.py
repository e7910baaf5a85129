"""What a user's turns have used, a hash a day: kept when the conversations are long gone."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from msgspec import Struct

from lianhua.chat.messages import Spent, Usage
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX
from lianhua.store.client.scripts import Argument, Script
from lianhua.store.spending import Calendar, Cost, spending_key

KEPT_S: Final = 400 * 86_400  # a year, and a month to look back at it
COUNTED_S: Final = 2 * 86_400  # nobody reports the end of a turn later than that
TITLE: Final = "title:"


class Day(Struct, frozen=True):
    """One day in UTC, by model."""

    date: date
    models: dict[str, Spent]


class UsageLedger:
    """Raises `StoreUnavailable`, `Overloaded`."""

    def __init__(self, database: StoreClient) -> None:
        self._database = database
        self._count, self._days = Script("count", "spending"), Script("days")

    async def count(
        self,
        owner: str,
        turn_id: str,
        model: str,
        usage: Usage,
        at: float,
        charged: tuple[Cost, Calendar] | None = None,
    ) -> None:
        """Adds a turn that ended at `at` (Unix seconds) to the owner's day. Repeating it changes nothing.

        The tokens of a title, whose id is `title:` and its conversation's, count without a turn. `charged`, where there
        are budgets, takes the place of what was reserved, in the same step.
        """
        turns = 0 if turn_id.startswith(TITLE) else 1
        args: list[Argument] = [
            turn_id,
            COUNTED_S,
            KEPT_S,
            model,
            turns,
            usage.prompt_tokens,
            usage.completion_tokens,
            int(usage.estimated),
        ]
        keys = [_key(owner, "counted"), _day_key(owner, datetime.fromtimestamp(at, UTC).date())]
        if charged:
            cost, calendar = charged
            keys.append(spending_key(owner))
            args += [cost.tokens, cost.money, *calendar.args]
        await self._database.run(self._count, keys, args)

    async def days(self, owner: str, first: date, last: date) -> list[Day]:
        """The days from `first` to `last` on which something was used, the earliest first; models by name."""
        dates = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        found = await self._database.run(self._days, [_day_key(owner, day) for day in dates], [])
        return [Day(day, _models(flat)) for day, flat in zip(dates, found, strict=True) if flat]


def _models(flat: Sequence[bytes]) -> dict[str, Spent]:
    """A day's hash, whose fields are a kind of number, a space and the model's id."""
    numbers: dict[str, dict[str, int]] = {}
    for field, number in zip(flat[::2], flat[1::2], strict=True):
        kind, _, model = field.decode().partition(" ")
        numbers.setdefault(model, {})[kind] = int(number)
    return {model: _spent(numbers[model]) for model in sorted(numbers)}


def _spent(of: dict[str, int]) -> Spent:
    estimated = of.get("estimated_prompt", 0) + of.get("estimated_completion", 0)
    return Spent(of.get("turns", 0), of.get("prompt", 0), of.get("completion", 0), estimated)


def _key(owner: str, name: str) -> str:
    return f"{PREFIX}:{{user:{owner}}}:{name}"


def _day_key(owner: str, day: date) -> str:
    return _key(owner, f"usage:{day.isoformat()}")
