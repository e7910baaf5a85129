"""What no number says: the tests that show it, in one table, run by their names."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

from benchmarks.page.deployment import Deployment
from benchmarks.page.figure import Figure
from benchmarks.page.node import WEB, run

ROOT: Final = WEB.parent
BROWSER: Final = "tests/browser/"


@dataclass(frozen=True)
class Shown:
    """A row that is reached when all of its tests pass: pytest's names below tests/browser, and files of web/test."""

    name: str
    goal: str
    browser: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()


TABLE: Final = (
    Shown(
        "Enter while composing Chinese, on every field",
        "never sends",
        ("test_input.py::test_enter_while_composing_never_sends_from_any_field",),
    ),
    Shown(
        "keyboard: every action, visible focus, never lost; touch: Enter is a newline, targets >= 44 px",
        "scripted walk passes",
        (
            "test_keyboard.py",
            "test_input.py::test_enter_begins_a_line_where_there_is_no_keyboard",
            "test_look.py::test_a_phone_shows_everything_without_scrolling_sideways",
        ),
    ),
    Shown(
        "colour scheme live, reduced motion, `lang`, equal catalogues",
        "all, tested",
        (
            "test_look.py::test_the_colours_follow_the_system_at_once",
            "test_look.py::test_nothing_moves_for_a_reader_who_wants_it_so",
            "test_look.py::test_the_page_speaks_the_browsers_language",
            "test_look.py::test_the_language_is_switched_and_kept",
        ),
        ("i18n.test.ts",),
    ),
    Shown("screen reader: start, end and failure of a reply said once each", "tested", ("test_status.py",)),
    Shown(
        "reload, offline, sleep, 502 during a deploy, in mid-reply: no character lost or doubled",
        "goes on",
        ("test_continuity.py", "test_resume.py"),
    ),
    Shown("CJK: bold, no italics on Han, width-aware wrapping", "40 cases", (), ("cjk.test.ts",)),
    Shown(
        "markdown in any pieces ends as one full parse; nothing hostile runs",
        "all, tested",
        ("test_hostile.py",),
        ("markdown.test.ts",),
    ),
)


def shown_by(deployment: Deployment) -> list[Figure]:
    """What tests show: composing, keyboard, colours, screen reader, continuity, CJK."""
    return [_figure(row) for row in TABLE]


def _figure(row: Shown) -> Figure:
    missing = [f"web/test/{name}" for name in row.unit if not (WEB / "test" / name).exists()]
    missing += [BROWSER + name for name in row.browser if not (ROOT / BROWSER / name.partition("::")[0]).exists()]
    there = [name for name in row.browser if BROWSER + name not in missing]
    passed, failed = _pytest([BROWSER + name for name in there]) if there else (0, 0)
    units = [name for name in row.unit if f"web/test/{name}" not in missing]
    unit_passed, unit_failed = _vitest(units) if units else (0, 0)
    passed, failed = passed + unit_passed, failed + unit_failed
    measured = f"{passed} of {passed + failed} tests passed" + (f"; not there: {', '.join(missing)}" if missing else "")
    names = [*(BROWSER + name for name in row.browser), *(f"web/test/{name}" for name in row.unit)]
    return Figure(row.name, row.goal, measured, passed > 0 and not failed and not missing, {"tests": names})


def _pytest(names: list[str]) -> tuple[int, int]:
    """How many passed, and how many did not."""
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=line", *names]
    printed = subprocess.run(
        words, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ), check=False
    ).stdout
    last = ["", *printed.rstrip().splitlines()][-1]
    counts = {kind: int(count) for count, kind in re.findall(r"(\d+) (passed|failed|error|skipped)", last)}
    passed = counts.pop("passed", 0)
    # Where a name is unknown nothing is counted at all.
    return passed, sum(counts.values()) or (0 if passed else 1)


def _vitest(names: list[str]) -> tuple[int, int]:
    words = ["node_modules/vitest/vitest.mjs", "run", "--reporter=json", *(f"test/{name}" for name in names)]
    found = json.loads(run(list(words), WEB))
    return found["numPassedTests"], found["numTotalTests"] - found["numPassedTests"]
