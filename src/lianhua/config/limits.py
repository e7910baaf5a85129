"""How limits are written in a setting, and the values that come of it."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

Unit = Literal["tokens", "money"]
Period = Literal["day", "month"]

MILLIONTHS: Final = 1_000_000  # money is counted in whole millionths of the currency
_LARGEST: Final = 10**15  # a script of the store counts exactly up to 9e15
_SECONDS: Final = {"s": 1, "min": 60, "h": 3_600, "day": 86_400}
_QUOTA: Final = re.compile(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,4})?(s|min|h|day)")
_RATES: Final = re.compile(r"(?:turns|requests)(?::(?:user|token|address))?|login(?::(?:name|address))?")
_BUDGET: Final = re.compile(r"(tokens|money)=([0-9]{1,13}(?:\.[0-9]{1,6})?)/(day|month)")


class Quota(Struct, frozen=True):
    """So many at once, and so many in each `window_s` seconds."""

    count: int
    window_s: int


class Budget(Struct, frozen=True):
    """What may be used in a period: `amount` tokens, or millionths of the currency."""

    unit: Unit
    period: Period
    amount: int


def read_rate_limit(value: str) -> Mapping[str, Quota]:
    """what=count/time, separated by commas: turns, requests, login; s, min, h, day; as turns=20/min, login=10/5min"""
    quotas: dict[str, Quota] = {}
    for part in value.split(","):
        name, _, quota = (text.strip() for text in part.partition("="))
        found = _QUOTA.fullmatch(quota)
        if not found or not _RATES.fullmatch(name) or name in quotas:
            raise ValueError
        quotas[name] = Quota(int(found[1]), int(found[2] or 1) * _SECONDS[found[3]])
    return quotas


def read_budget(value: str) -> tuple[Budget, ...]:
    """unit=amount/period, separated by commas: tokens, money; day, month; as tokens=90000/day,money=5/month; or none"""
    if value.strip() == "none":
        return ()
    budgets: dict[tuple[str, str], Budget] = {}
    for part in value.split(","):
        found = _BUDGET.fullmatch(part.strip())
        if not found or (found[1], found[3]) in budgets:
            raise ValueError
        amount = Decimal(found[2]) * (MILLIONTHS if found[1] == "money" else 1)
        if amount != int(amount) or amount > _LARGEST:
            raise ValueError
        unit, period = cast("Unit", found[1]), cast("Period", found[3])
        budgets[unit, period] = Budget(unit, period, int(amount))
    return tuple(budgets.values())


def read_time_zone(value: str) -> ZoneInfo:
    """a time zone such as UTC or Asia/Shanghai (of the system, or of the package tzdata)"""
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, OSError) as exc:
        raise ValueError from exc
