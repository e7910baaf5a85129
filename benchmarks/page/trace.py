"""What the page's main thread did, from Chromium's own trace.

A task is a `RunTask` of the thread. It is long on the clock: what the reader waits for, whoever else the machine served
meanwhile. `cpu_ms` says what it cost without them.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession

CATEGORIES: Final = (
    "devtools.timeline",
    "disabled-by-default-devtools.timeline",  # has RunTask
    "blink.user_timing",  # the marks
)
BUFFER_KB: Final = 400_000
READ_BYTES: Final = 4_000_000
PARTS: Final = 6  # of a long task that are told
PARTS_OF_ALL: Final = 12
_PLAIN: Final = {"RunTask": "the task itself", "RunMicrotasks": "microtasks", "v8.callFunction": "callbacks"}


@dataclass(frozen=True)
class Task:
    """Milliseconds; `at_ms` from the beginning of the trace. `parts` are by their own time, without what is in them."""

    at_ms: float
    ms: float
    cpu_ms: float
    parts: dict[str, float]

    def __str__(self) -> str:
        made_of = ", ".join(f"{name} {ms:.1f}" for name, ms in self.parts.items())
        return f"{self.ms:.1f} ms (CPU {self.cpu_ms:.1f}) at {self.at_ms / 1000:.2f} s: {made_of}"


@dataclass
class Trace:
    """The events of the thread on which the page ran. Marks and moments are microseconds of the trace's clock."""

    events: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def _thread(self) -> tuple[int, int]:
        """The page's: the one that was at work longest of those that ran its script."""
        times: dict[tuple[int, int], float] = defaultdict(float)
        for event in self.events:
            if event["name"] in {"FunctionCall", "EvaluateScript", "ParseHTML", "Layout"}:
                times[event["pid"], event["tid"]] += event.get("dur", 0)
        marked = {(event["pid"], event["tid"]) for event in self._user_marks}
        return max(marked or times, key=lambda thread: times[thread])

    @cached_property
    def _user_marks(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["cat"] == "blink.user_timing"]

    @cached_property
    def mine(self) -> list[dict[str, Any]]:
        """What happened on the thread, in order."""
        pid, tid = self._thread
        found = [event for event in self.events if event["pid"] == pid and event["tid"] == tid and event.get("ts")]
        return sorted(found, key=lambda event: (event["ts"], -event.get("dur", 0)))

    def mark(self, name: str) -> float:
        """When the page marked `name` last."""
        return max(float(event["ts"]) for event in self._user_marks if event["name"] == name)

    def painted_after(self, ts: float) -> float:
        """When the first frame that was begun to be drawn after a moment was handed over to the compositor."""
        commits = (event for event in self.mine if event["name"] == "Commit" and event["ph"] == "X")
        return min(float(event["ts"] + event["dur"]) for event in commits if event["ts"] >= ts)

    def received(self, part_of_address: str) -> list[float]:
        """When each piece of an answer arrived in the page."""
        ids = {
            event["args"]["data"]["requestId"]
            for event in self.mine
            if event["name"] == "ResourceSendRequest" and part_of_address in event["args"]["data"]["url"]
        }
        return [
            event["ts"]
            for event in self.mine
            if event["name"] == "ResourceReceivedData" and event["args"]["data"]["requestId"] in ids
        ]

    def tasks(self, since: float = 0, until: float = float("inf")) -> list[dict[str, Any]]:
        return [event for event in self.mine if event["name"] == "RunTask" and since <= event["ts"] <= until]

    def busy_ms(self, since: float = 0, until: float = float("inf")) -> tuple[float, float]:
        """What all tasks took together, on the clock and of CPU."""
        found = self.tasks(since, until)
        return sum(task.get("dur", 0) for task in found) / 1000, sum(task.get("tdur", 0) for task in found) / 1000

    def longest(self, count: int = 1, since: float = 0, until: float = float("inf")) -> list[Task]:
        """The longest tasks, and what they were made of."""
        found = sorted(self.tasks(since, until), key=lambda task: -task.get("dur", 0))[:count]
        return [self._task(event) for event in found]

    def most_cpu_ms(self) -> float:
        """The CPU of the task that needed most of it."""
        return max(float(task.get("tdur", 0)) for task in self.tasks()) / 1000

    def parts(self) -> dict[str, float]:
        """What most of the time went into, in milliseconds."""
        return dict(list(_own_times(self.mine).items())[:PARTS_OF_ALL])

    def _task(self, task: dict[str, Any]) -> Task:
        end = task["ts"] + task["dur"]
        within = [
            event for event in self.mine if task["ts"] <= event["ts"] and event["ts"] + event.get("dur", 0) <= end
        ]
        parts = dict(list(_own_times(within).items())[:PARTS])
        at_ms = (task["ts"] - self.mine[0]["ts"]) / 1000
        return Task(at_ms, task["dur"] / 1000, task.get("tdur", 0) / 1000, parts)


def _own_times(events: list[dict[str, Any]]) -> dict[str, float]:
    """Milliseconds by kind, the most first. `events` are in order; one that begins within another ends within it."""
    own: dict[str, float] = defaultdict(float)
    open_: list[tuple[float, str]] = []
    for event in events:
        if event["ph"] != "X":
            continue
        while open_ and open_[-1][0] <= event["ts"]:
            open_.pop()
        duration = event.get("dur", 0)
        name = _kind(event)
        own[name] += duration / 1000
        if open_:
            own[open_[-1][1]] -= duration / 1000
        open_.append((event["ts"] + duration, name))
    shown = {name: round(ms, 2) for name, ms in own.items() if ms >= 0.05}
    return dict(sorted(shown.items(), key=lambda item: -item[1]))


def _kind(event: dict[str, Any]) -> str:
    name: str = event["name"]
    if name == "FunctionCall":
        where = event.get("args", {}).get("data", {}).get("functionName", "")
        return f"FunctionCall {where}".rstrip()
    return "collector" if name.startswith(("V8.GC", "MinorGC", "MajorGC")) else _PLAIN.get(name, name)


@contextmanager
def traced(browser: Browser) -> Iterator[Trace]:
    """Records while the block runs; the trace has its events afterwards."""
    session = browser.new_browser_cdp_session()
    trace = Trace()
    config = {"includedCategories": list(CATEGORIES), "recordMode": "recordUntilFull", "traceBufferSizeInKb": BUFFER_KB}
    session.send("Tracing.start", {"transferMode": "ReturnAsStream", "traceConfig": config})
    try:
        yield trace
    finally:
        ended: list[dict[str, Any]] = []

        def end(event: dict[str, Any]) -> None:
            ended.append(event)

        session.on("Tracing.tracingComplete", end)
        session.send("Tracing.end")
        while not ended:
            session.send("Browser.getVersion")  # lets the answer in
        trace.events += _read(session, ended[0]["stream"])
        session.detach()
    assert not ended[0].get("dataLossOccurred"), "the trace is not whole"


def _read(session: CDPSession, stream: str) -> list[dict[str, Any]]:
    pieces = []
    while True:
        piece = session.send("IO.read", {"handle": stream, "size": READ_BYTES})
        assert not piece.get("base64Encoded")
        pieces.append(piece["data"])
        if piece["eof"]:
            break
    session.send("IO.close", {"handle": stream})
    events: list[dict[str, Any]] = json.loads("".join(pieces))["traceEvents"]
    return events
