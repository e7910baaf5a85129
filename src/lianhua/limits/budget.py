"""Whose budget is what, and when it begins anew."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from lianhua.config.limits import Budget, read_budget
from lianhua.errors import WrongSettings
from lianhua.store.spending import Calendar

SETTING: Final = "LIANHUA_BUDGET_FILE"
_TABLES: Final[Mapping[str, frozenset[str]]] = {
    "user": frozenset({"budget"}),
    "group": frozenset({"budget", "members"}),
}


class Budgets:
    """A user's own budgets go before those of a group, these before everybody's. A group's count for each member by
    itself.
    """

    def __init__(
        self,
        default: Sequence[Budget] = (),
        users: Mapping[str, Sequence[Budget]] | None = None,
        groups: Mapping[str, Sequence[Budget]] | None = None,
        members: Mapping[str, str] | None = None,
    ) -> None:
        self._default = tuple(default)
        self._users = {name: tuple(budgets) for name, budgets in (users or {}).items()}
        self._groups = {name: tuple(budgets) for name, budgets in (groups or {}).items()}
        self._members = dict(members or {})  # a user's name to a group's

    @property
    def limit_anybody(self) -> bool:
        """Whether there is any budget at all."""
        return any((self._default, *self._users.values(), *self._groups.values()))

    def of(self, user: str, groups: Sequence[str] = ()) -> tuple[Budget, ...]:
        """The budgets of a user, who is in `groups`, the first one first; one that the file names goes before them."""
        if user in self._users:
            return self._users[user]
        named = (self._members.get(user), *groups)
        return next((self._groups[name] for name in named if name in self._groups), self._default)


def read_budgets(default: Sequence[Budget], file: Path | None) -> Budgets:
    """The budgets of the settings. Raises `WrongSettings` with one line that says what is wrong with the file."""
    if file is None:
        return Budgets(default)
    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as exc:
        raise WrongSettings(f"{SETTING}: {file}: {exc}") from exc
    if unknown := tables.keys() - _TABLES.keys():
        raise WrongSettings(f"{SETTING}: {file}: only [user.NAME] and [group.NAME], not {min(unknown)}")
    users = {name: _budget(file, f"user.{name}", table) for name, table in _named(file, tables, "user")}
    groups = {name: _budget(file, f"group.{name}", table) for name, table in _named(file, tables, "group")}
    members = {user: name for name, table in _named(file, tables, "group") for user in _members(file, name, table)}
    return Budgets(default, users, groups, members)


def _named(file: Path, tables: Mapping[str, Any], kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = tables.get(kind, {})
    for name, table in found.items() if isinstance(found, dict) else [("", None)]:
        if not isinstance(table, dict) or table.keys() - _TABLES[kind]:
            known = " and ".join(sorted(_TABLES[kind]))
            raise WrongSettings(f"{SETTING}: {file}: [{kind}.{name or 'NAME'}] has {known}, and nothing else")
    return list(found.items())


def _budget(file: Path, where: str, table: Mapping[str, Any]) -> tuple[Budget, ...]:
    try:
        return read_budget(table["budget"])
    except (KeyError, ValueError, AttributeError) as exc:
        raise WrongSettings(f"{SETTING}: {file}: budget of {where} should be {read_budget.__doc__}") from exc


def _members(file: Path, group: str, table: Mapping[str, Any]) -> list[str]:
    members = table.get("members", [])
    if not isinstance(members, list) or not all(isinstance(name, str) for name in members):
        raise WrongSettings(f"{SETTING}: {file}: members of group.{group} should be a list of names")
    return members


def calendar(at: float, zone: ZoneInfo) -> Calendar:
    """The days and months around `at` (Unix seconds): one before, the current one, and when the next two begin."""
    today = datetime.fromtimestamp(at, zone).date()
    days = [today + timedelta(days=number) for number in (-1, 0, 1, 2)]
    months = [_month_after(today, number) for number in (-1, 0, 1, 2)]
    return Calendar(tuple(_midnight(day, zone) for day in days), tuple(_midnight(day, zone) for day in months))


def _month_after(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _midnight(day: date, zone: ZoneInfo) -> int:
    """When the day begins; where the clocks go forward at midnight, an hour that is not there counts as the next."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
