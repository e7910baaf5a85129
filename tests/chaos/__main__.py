"""`python -m tests.chaos [NAME ...] [--count N] [--seed S]`: all kinds of faults in full, or some of them.

Exit code 1 when a promise was broken, or when a fault did not happen as often as it was asked for.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import traceback
from pathlib import Path

from tests.chaos.runs import KINDS, Result, broken_off, run

SHOWN_VIOLATIONS = 20
WIDTH = 240  # of a shown violation
HEAD = ("kind", "faults", "minutes", "turns", "hit", "done", "stopped", "cut", "failed", "restarts", "views", "events",
        "waited", "stop", "violations")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--count", type=int, help="how many faults of each kind")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="repeats the choices of a run")
    parser.add_argument("--keep", action="store_true", help="leave the workers' files and logs of a good run as well")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(KINDS):
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    print(f"seed {arguments.seed}", flush=True)
    results = [
        _run(name, arguments.count or KINDS[name].count, arguments.seed, keep=arguments.keep)
        for name in arguments.names or KINDS
    ]
    print("\n" + table(results))
    return 0 if all(result.passed for result in results) else 1


def _run(name: str, count: int, seed: int, *, keep: bool) -> Result:
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{name}-"))
    try:
        result = asyncio.run(run(name, count, seed, folder))
    except Exception as exc:  # whatever it is, the other kinds are still to be run
        traceback.print_exc()
        result = broken_off(name, count, exc)
    print(f"{name}: {result.confirmed} of {count} faults, {len(result.violations)} violations", flush=True)
    for line in result.violations[:SHOWN_VIOLATIONS]:
        print(f"  {line[:WIDTH]}")
    if result.passed and not keep:
        shutil.rmtree(folder)
    else:
        (folder / "violations").write_text("\n".join(result.violations), "utf-8")
        print(f"  files and logs are in {folder}", flush=True)
    return result


def table(results: list[Result]) -> str:
    """The results as text in columns."""
    rows = [HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _row(result: Result) -> tuple[str, ...]:
    stop = "" if result.slowest_stop_s is None else f"{result.slowest_stop_s:.2f} s"
    ends = [str(result.ends.get(status, 0)) for status in ("done", "stopped", "interrupted", "failed")]
    return (
        result.kind, f"{result.confirmed}/{result.asked}", f"{result.seconds / 60:.1f}", str(result.turns),
        str(result.hit), *ends, str(result.restarts), str(result.views), str(result.events),
        f"{result.longest_s:.1f} s", stop, str(len(result.violations)),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
