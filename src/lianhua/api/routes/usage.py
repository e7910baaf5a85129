"""What the caller's turns have used, and what that costs by the operator's prices."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from lianhua.api.deps import Ledger, Limits, PriceList, User
from lianhua.api.schemas.usage import DayOut, ModelDayOut, UsageReportOut, budget_out, spent_out
from lianhua.errors import InvalidRequest

router = APIRouter(prefix="/usage", tags=["usage"])

SHOWN_DAYS: Final = 30
LONGEST_DAYS: Final = 366  # a leap year


def _written_out(value: Any) -> Any:
    """Only YYYY-MM-DD: the framework would also take a number for a time in Unix seconds."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("should be a date as in 2026-11-23")
    return value


Day = Annotated[date, BeforeValidator(_written_out)]


@router.get("")
async def read_usage(
    ledger: Ledger,
    prices: PriceList,
    user: User,
    limits: Limits,
    first: Annotated[Day | None, Query(alias="from", description="The first day, in UTC")] = None,
    last: Annotated[Day | None, Query(alias="to", description="The last day, in UTC; today where left out")] = None,
) -> UsageReportOut:
    """Turns, tokens and cost by day and model; days without any are left out. At most 366 days, 30 where no first one
    is named. `budgets` are the caller's own, as they stand now.
    """
    last = last or datetime.now(UTC).date()
    first = first or last - min(timedelta(days=SHOWN_DAYS - 1), last - date.min)
    if first > last:
        raise InvalidRequest("from", "must not be after the last day")
    if (last - first).days >= LONGEST_DAYS:
        raise InvalidRequest("from", f"at most {LONGEST_DAYS} days at once")
    days = await ledger.days(user, first, last)
    shown = [
        DayOut(
            date=day.date,
            models=[
                ModelDayOut(model=model, **spent_out([(model, spent)], prices).model_dump())
                for model, spent in day.models.items()
            ],
        )
        for day in days
    ]
    total = spent_out([pair for day in days for pair in day.models.items()], prices)
    budgets = [budget_out(standing) for standing in await limits.standing(user)] if limits else []
    return UsageReportOut(first=first, last=last, currency=prices.currency, days=shown, total=total, budgets=budgets)
