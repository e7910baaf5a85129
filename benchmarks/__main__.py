"""Runs the benchmarks: `python -m benchmarks [NAME…]`. Without names all of them, and the charts are drawn anew."""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks import footprint, relayed, starts, turns
from benchmarks.growth import growth_rows
from benchmarks.kept import kept_rows
from benchmarks.machine import HERE, compiled
from benchmarks.pauses import pause_rows
from benchmarks.plot import Chart, Line
from benchmarks.relayed import SWEEP, TARGETS, Tools, show
from benchmarks.transfer import transfer_rows

RESULTS: Final = HERE / "results.json"
CHARTS: Final = HERE.parent / "docs"
ROUNDS: Final = 3  # of what is compared with others; the middle one counts
DISK_WRITES: Final = 200

Rows = list[dict[str, Any]]


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"there are {', '.join(BENCHMARKS)}, not {', '.join(unknown)}")
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        tools = Tools(compiled("upstream", Path(folder)), compiled("load", Path(folder)))
        for name in names or BENCHMARKS:
            print(f"{name}: {(BENCHMARKS[name].__doc__ or '').splitlines()[0]}", flush=True)
            results[name] = BENCHMARKS[name](tools)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    draw(results)


def machine(tools: Tools) -> Rows:
    """The machine, and how long its disk takes to write through."""
    with tempfile.NamedTemporaryFile() as file:
        times = []
        for _ in range(DISK_WRITES):
            file.write(b"x" * 400)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    row = {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "fdatasync_ms": round(statistics.median(times) * 1000, 3),
    }
    show(row)
    return [row]


def paced(tools: Tools) -> Rows:
    """500 streams of 50 tokens a second: CPU a token, of each target in turn, several rounds."""
    return _middle([[_shown(relayed.paced_row(tools, name, 500)) for name in TARGETS] for _ in range(ROUNDS)])


def firehose(tools: Tools) -> Rows:
    """32 streams without pause."""
    return _middle([[_shown(relayed.firehose_row(tools, name)) for name in TARGETS] for _ in range(ROUNDS)])


def sweep(tools: Tools) -> Rows:
    """CPU a token against the number of streams."""
    names = [name for name in TARGETS if name != "aiohttp relay"]
    # The bare relay's core is full at 750: there it would gather tokens only because it is late.
    wanted = [(name, count) for count in SWEEP for name in names if name != "asyncio relay" or count <= 500]
    return [_shown(relayed.paced_row(tools, name, count, window_s=4.0)) for name, count in wanted]


def single(tools: Tools) -> Rows:
    """One stream: what a token waits for on its way."""
    return [_shown(relayed.single_row(tools, name)) for name in ("direct", *TARGETS, "lianhua without disk")]


def viewers(tools: Tools) -> Rows:
    """One reply for 1,000 viewers."""
    return [_shown(row) for row in relayed.viewers_rows(tools)]


def workers(tools: Tools) -> Rows:
    """One worker with 500 streams, and two with twice as many, on all cores."""
    return [
        _shown({**relayed.paced_row(tools, "lianhua", 500 * count, workers=count), "workers": count})
        for count in (1, 2)
    ]


def length(tools: Tools) -> Rows:
    """What a turn costs in a conversation of 10, 100, 1,000 and 10,000 turns."""
    return turns.length_rows(tools)


def accept(tools: Tools) -> Rows:
    """Turns accepted a second."""
    return [_shown(turns.accept_row(tools))]


def memory(tools: Tools) -> Rows:
    """What a stream and a viewer hold."""
    return [_shown(footprint.memory_row(tools))]


def growth(tools: Tools) -> Rows:
    """Many conversations and long ones: the list, the search, the window."""
    return growth_rows()


def kept(tools: Tools) -> Rows:
    """What the store keeps of full conversations."""
    return kept_rows()


def start(tools: Tools) -> Rows:
    """From the command to the page."""
    return [_shown(footprint.start_row())]


def size(tools: Tools) -> Rows:
    """An installation on disk and at rest."""
    return [_shown(footprint.size_row())]


def transfer(tools: Tools) -> Rows:
    """200 MB of conversations in and out."""
    return [_shown(row) for row in transfer_rows()]


def pauses(tools: Tools) -> Rows:
    """How long others wait while somebody asks for the largest things."""
    return [_shown(row) for row in pause_rows()]


def curve(tools: Tools) -> Rows:
    """CPU a token with the store's, from one stream to 500, beside a relay that stores nothing."""
    return [_shown(row) for row in starts.curve_rows(tools)]


def burst(tools: Tools) -> Rows:
    """500 people press Enter within one second."""
    return [_shown(starts.burst_row(tools, name)) for name in ("nginx", "aiohttp relay", "lianhua")]


def slow(tools: Tools) -> Rows:
    """2,000 streams of 2.5 tokens/s."""
    return [_shown(starts.slow_row(tools, name)) for name in ("aiohttp relay", "lianhua")]


def conversations(tools: Tools) -> Rows:
    """What a new conversation of one turn costs, with titles and without."""
    return [_shown(row) for row in starts.conversation_rows(tools)]


BENCHMARKS: Final[dict[str, Callable[[Tools], Rows]]] = {
    function.__name__: function
    for function in (
        machine, paced, firehose, single, viewers, workers, length, accept, growth, kept, memory, start, size, sweep,
        transfer, pauses, curve, burst, slow, conversations,
    )
}  # fmt: skip


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    show(row)
    return row


def _middle(rounds: list[Rows]) -> Rows:
    """Of each target the round with its middle CPU: neither the luckiest nor the one that was disturbed."""
    return [sorted(rows, key=lambda row: row["server_us"])[len(rows) // 2] for rows in zip(*rounds, strict=True)]


def draw(results: dict[str, Any]) -> None:
    """The charts of the documentation, from what has been measured."""
    if "sweep" in results:
        rows = results["sweep"]
        lines = [
            Line(
                name,
                [
                    (row["streams"], row["server_us"] + row["store_us"])
                    for row in rows
                    if row["target"] == target and row["streams"] in SWEEP
                ],
            )
            for target, name in (
                ("lianhua", "Lianhua with its store"),
                ("nginx", "nginx"),
                ("asyncio relay", "bare relay"),
            )
        ]
        chart = Chart("CPU per relayed token", "streams of 50 tokens/s", "µs", SWEEP, 200, lines)
        (CHARTS / "cost-per-token.svg").write_text(chart.svg())
    if "length" in results and "single" in results:
        first = {row["target"]: row["first_ms"] for row in results["single"]}
        lianhua = Line("Lianhua", [(row["turn"], row["first_ms"]) for row in results["length"]])
        xs = [turn for turn, _ in lianhua.points]
        others = [
            Line(name, [(x, first[target]) for x in xs])
            for target, name in (("nginx", "nginx"), ("asyncio relay", "bare relay"))
        ]
        chart = Chart("Time to the first token", "turns in the conversation", "ms", xs, 4, [lianhua, *others])
        (CHARTS / "first-token.svg").write_text(chart.svg())


if __name__ == "__main__":
    main(sys.argv[1:])
