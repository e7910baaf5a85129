"""Measures the page: `python -m benchmarks.page [NAME…]`. Without names all of it. What was measured before stays."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.page.axe import axe
from benchmarks.page.deployment import Deployment, deployment
from benchmarks.page.enter import enter
from benchmarks.page.figure import Figure, table
from benchmarks.page.first_load import first_load
from benchmarks.page.lighthouse import lighthouse
from benchmarks.page.long_talk import long_talk
from benchmarks.page.shown_by import shown_by
from benchmarks.page.streams import drift, firehose, stream

RESULTS: Final = Path(__file__).parent.parent / "page.json"
MEASUREMENTS: Final[dict[str, Callable[[Deployment], list[Figure]]]] = {
    function.__name__: function
    for function in (first_load, lighthouse, axe, enter, stream, firehose, long_talk, drift, shown_by)
}


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"there are {', '.join(MEASUREMENTS)}, not {', '.join(unknown)}")
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    with deployment() as place:
        for name in names or MEASUREMENTS:
            began = time.perf_counter()
            print(f"{name}: {(MEASUREMENTS[name].__doc__ or '').splitlines()[0]}", flush=True)
            machine = _machine(place, name, results.get("machine", {}))
            results[name] = [figure.row() for figure in MEASUREMENTS[name](place)]
            # In the order of the table, whatever was measured last.
            results = {"machine": machine, **{name: results[name] for name in MEASUREMENTS if name in results}}
            RESULTS.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", "utf-8")
            took_s = time.perf_counter() - began
            print(f"  {took_s:.0f} s, the fixed piece of work {machine['calibration_ms'][name]} ms", flush=True)
    print(table([row for name in MEASUREMENTS for row in results.get(name, [])]))


def _machine(place: Deployment, name: str, before: dict[str, Any]) -> dict[str, Any]:
    """What the figures were measured on, and how long a fixed piece of work took there before each measurement."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "browser": f"Chromium {place.browser.version}",
        "calibration_ms": {**before.get("calibration_ms", {}), name: place.calibration_ms()},
    }


if __name__ == "__main__":
    main(sys.argv[1:])
