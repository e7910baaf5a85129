"""Whose budget is what, and when it begins anew."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lianhua.config.limits import Budget, Quota
from lianhua.config.settings import load_settings
from lianhua.errors import WrongSettings
from lianhua.limits.budget import Budgets, calendar, read_budgets
from lianhua.wiring import policy_of

NOWHERE = Path("/nonexistent/.env")
UTC, SHANGHAI, BERLIN = ZoneInfo("UTC"), ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
DAILY, MONTHLY = Budget("tokens", "day", 90_000), Budget("money", "month", 5_250_000)


def starts(text: str, zone: ZoneInfo) -> tuple[list[str], list[str]]:
    """Of the current and the next day and month, in the zone."""
    found = calendar(datetime.fromisoformat(text).timestamp(), zone)
    assert len(found.days) == len(found.months) == 4

    def written(some: Sequence[int]) -> list[str]:
        return [f"{datetime.fromtimestamp(at, zone):%m-%d %H}" for at in some[1:3]]

    return written(found.days), written(found.months)


@pytest.mark.parametrize(
    ("now", "zone", "days", "months"),
    [
        ("2026-11-30T23:59:59Z", UTC, ["11-30 00", "12-01 00"], ["11-01 00", "12-01 00"]),
        ("2026-12-01T00:00:00Z", UTC, ["12-01 00", "12-02 00"], ["12-01 00", "01-01 00"]),
        ("2026-11-30T15:59:59Z", SHANGHAI, ["11-30 00", "12-01 00"], ["11-01 00", "12-01 00"]),
        ("2026-11-30T16:00:00Z", SHANGHAI, ["12-01 00", "12-02 00"], ["12-01 00", "01-01 00"]),
        ("2026-12-31T23:30:00Z", BERLIN, ["01-01 00", "01-02 00"], ["01-01 00", "02-01 00"]),
        ("2028-02-29T12:00:00Z", UTC, ["02-29 00", "03-01 00"], ["02-01 00", "03-01 00"]),
    ],
)
def test_days_and_months_begin_at_midnight_of_the_zone(
    now: str, zone: ZoneInfo, days: list[str], months: list[str]
) -> None:
    assert starts(now, zone) == (days, months)


def test_the_day_on_which_clocks_change_has_23_hours() -> None:
    days = calendar(datetime.fromisoformat("2026-03-29T12:00:00Z").timestamp(), BERLIN).days
    assert [(later - sooner) / 3_600 for sooner, later in pairwise(days)] == [24, 23, 24]


def test_budgets_are_read_in_whole_units() -> None:
    settings = load_settings({"LIANHUA_BUDGET": "tokens=90000/day, money=5.25/month"}, NOWHERE)
    assert settings.budget == (DAILY, MONTHLY)
    assert load_settings({"LIANHUA_BUDGET": "none"}, NOWHERE).budget == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("LIANHUA_BUDGET", value)
            for value in ("10", "tokens=10", "tokens=10/week", "tokens=1.5/day", "tokens=-1/day", "money=1e3/day",
                          "money=0.0000001/day", "tokens=1/day,tokens=2/day", "tokens=1/day,", "none,money=1/day")
        ],
        *[
            ("LIANHUA_RATE_LIMIT", value)
            for value in ("turns", "turns=0/min", "turns=2/week", "turns=2/0s", "words=2/s", "turns:name=2/s",
                          "login:user=2/s", "turns=2/s,turns=3/s", "turns=2/s,", "none")
        ],
        ("LIANHUA_TIME_ZONE", "Moon/Sea"),
        ("LIANHUA_TIME_ZONE", "../etc/passwd"),
        ("LIANHUA_MAX_RUNNING_TURNS", "-1"),
    ],
)  # fmt: skip
def test_a_wrong_limit_is_named_in_one_line(name: str, value: str) -> None:
    with pytest.raises(WrongSettings, match=rf"^{name}: should be .+$"):
        load_settings({name: value}, NOWHERE)


def test_rates_are_read_for_everybody_or_for_one_kind() -> None:
    text = "turns=20/min, turns:address=200/10min, requests=5/s, login=10/h"
    assert load_settings({"LIANHUA_RATE_LIMIT": text}, NOWHERE).rate_limit == {
        "turns": Quota(20, 60), "turns:address": Quota(200, 600), "requests": Quota(5, 1), "login": Quota(10, 3_600),
    }  # fmt: skip


def test_a_users_own_budget_goes_before_the_groups_and_that_before_everybodys(tmp_path: Path) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(
        '[group.staff]\nbudget = "money=5.25/month"\nmembers = ["anna", "carl"]\n[user.carl]\nbudget = "none"\n'
    )
    budgets = read_budgets([DAILY], file)
    assert budgets.of("anna") == (MONTHLY,)
    assert budgets.of("carl") == budgets.of("carl", ["staff"]) == ()
    assert budgets.of("dora") == budgets.of("dora", ["others"]) == (DAILY,)
    assert budgets.of("dora", ["others", "staff"]) == (MONTHLY,)
    assert budgets.limit_anybody
    assert not Budgets([], {"carl": []}).limit_anybody


@pytest.mark.parametrize(
    "text",
    ["[user", "[users.anna]", "user = 1", '[user.anna]\nbudget = "much"', "[user.anna]", "[user.anna]\nbudget = 5",
     '[user.anna]\nbudget = "none"\nmembers = []', '[group.staff]\nbudget = "none"\nmembers = "anna"'],
)  # fmt: skip
def test_a_wrong_file_stops_the_start_with_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "budgets.toml"
    file.write_text(text)
    with pytest.raises(WrongSettings) as refusal:
        policy_of(load_settings({"LIANHUA_BUDGET_FILE": str(file)}, NOWHERE))
    assert str(refusal.value).startswith("LIANHUA_BUDGET_FILE: ")
    assert "\n" not in str(refusal.value)


def test_nothing_is_limited_where_nothing_is_set() -> None:
    limits = policy_of(load_settings({}, NOWHERE)).limits
    assert not limits.reserve
    assert not limits.quotas
