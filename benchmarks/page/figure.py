"""A row of the table: what is to be reached, what was measured, and whether it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

YES, NO = "yes", "NO"


@dataclass(frozen=True)
class Figure:
    """`values` is what `measured` sums up, for whoever wants to know more."""

    name: str
    goal: str
    measured: str
    reached: bool
    values: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """As it stands in the results."""
        return {
            "figure": self.name,
            "goal": self.goal,
            "measured": self.measured,
            "reached": self.reached,
            **({"values": self.values} if self.values else {}),
        }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows of results, for a terminal."""
    cells = [("figure", "goal", "measured", "reached")]
    cells += [(row["figure"], row["goal"], row["measured"], YES if row["reached"] else NO) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * (sum(widths) + 6), *lines[1:]])


def spread(values: Sequence[float], unit: str = "ms", digits: int = 0) -> str:
    """The middle of several rounds, and the worst where it is another."""
    middle, worst = f"{median(values):.{digits}f}", f"{max(values):.{digits}f}"
    return f"{middle} {unit}" if middle == worst else f"{middle} {unit} (worst {worst})"


def longest_task(clock: Sequence[float], cpu: Sequence[float], goal_ms: float) -> tuple[str, bool]:
    """The longest tasks of several rounds, on the clock and of CPU: in words, and whether they are below the goal.

    On a machine that others share a task is interrupted for longer than it lasts. So the clock counts in the quietest
    round, and the CPU, which nobody else adds to, in the worst one.
    """
    worst = f"middle {median(clock):.0f}, worst {max(clock):.0f}; CPU at most {max(cpu):.0f}"
    return f"{min(clock):.0f} ms in the quietest round ({worst})", min(clock) < goal_ms and max(cpu) < goal_ms
