"""Bodies of what turns have used."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from lianhua.api.schemas.body import Out
from lianhua.chat.messages import Spent, Usage
from lianhua.chat.prices import Prices
from lianhua.config.limits import MILLIONTHS
from lianhua.store.spending import Standing


class UsageOut(Out):
    """`cached_tokens` of the prompt were in the provider's cache; left out where it says nothing of them."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cached_tokens: Annotated[int | None, Field(exclude_if=lambda value: value is None)] = None
    cost: float | None = None


class SpentOut(Out):
    """A sum over turns. `estimated_tokens` of the tokens were counted by the server; `cost` is null without a price."""

    turns: int
    prompt_tokens: int
    completion_tokens: int
    estimated_tokens: int
    cost: float | None


class ModelDayOut(SpentOut):
    model: str


class DayOut(Out):
    date: date
    models: list[ModelDayOut]


class BudgetOut(Out):
    """In tokens, or in the report's currency. `left` is what is neither used nor reserved by running turns."""

    unit: Literal["tokens", "money"]
    period: Literal["day", "month"]
    amount: float
    used: float
    reserved: float
    left: float
    resets_at: float


class UsageReportOut(Out):
    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    currency: str
    days: list[DayOut]
    total: SpentOut
    budgets: list[BudgetOut]


def usage_out(usage: Usage | None, model: str | None, prices: Prices) -> UsageOut | None:
    """The tokens, with their cost where the model has a price."""
    if usage is None:
        return None
    cost = prices.cost(model or "", usage.prompt_tokens, usage.completion_tokens)
    more: dict[str, Any] = {"cached_tokens": usage.cached_tokens or None, "cost": cost}
    return UsageOut(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        estimated=usage.estimated,
        **{name: value for name, value in more.items() if value is not None},
    )


def budget_out(standing: Standing) -> BudgetOut:
    budget = standing.budget
    in_one = MILLIONTHS if budget.unit == "money" else 1
    return BudgetOut(
        unit=budget.unit,
        period=budget.period,
        amount=budget.amount / in_one,
        used=standing.spent / in_one,
        reserved=standing.reserved / in_one,
        left=standing.left / in_one,
        resets_at=standing.resets_at,
    )


def spent_out(spent: Sequence[tuple[str, Spent]], prices: Prices) -> SpentOut:
    """What several models have used, in one sum."""
    return SpentOut(
        turns=sum(part.turns for _, part in spent),
        prompt_tokens=sum(part.prompt for _, part in spent),
        completion_tokens=sum(part.completion for _, part in spent),
        estimated_tokens=sum(part.estimated for _, part in spent),
        cost=prices.sum(spent),
    )
