"""Lighthouse's marks for a phone: a slow processor and a slow line, as it simulates them."""

import json
from statistics import median
from typing import Any, Final

from benchmarks.page.browser import FLAGS, path
from benchmarks.page.deployment import Deployment
from benchmarks.page.figure import Figure
from benchmarks.page.node import HERE, run

ROUNDS: Final = 5
FAILURES: Final = 3
NOISY: Final = 98  # the mark for performance depends on who else uses the machine


def lighthouse(deployment: Deployment) -> list[Figure]:
    """Lighthouse for a phone: performance, accessibility, best practices."""
    rounds: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    while len(rounds) < ROUNDS and len(failed) < FAILURES:
        one = _round(deployment)
        # A loaded machine draws nothing in time now and then, and then there is no mark.
        (failed if None in one["marks"] else rounds).append(one)
    if len(rounds) < ROUNDS:
        raise RuntimeError(f"Lighthouse failed: {failed}")
    performance, accessibility, practices = zip(*(one["marks"] for one in rounds), strict=True)
    measured = f"{median(performance):g} (worst {min(performance)}) / {min(accessibility)} / {min(practices)}"
    if failed:
        measured += f"; {len(failed)} more rounds gave no mark"
    return [
        Figure(
            "Lighthouse mobile: performance / accessibility / best practices",
            f"100 / 100 / 100, performance >= {NOISY} where noisy",
            measured,
            median(performance) >= NOISY and min(accessibility) == min(practices) == 100,
            {"rounds": rounds, "failed": failed},
        )
    ]


def _round(deployment: Deployment) -> dict[str, Any]:
    printed = run(["lighthouse.mjs", deployment.url, *FLAGS], HERE, {"CHROME_PATH": path()})
    found: dict[str, Any] = json.loads(printed)
    return found
