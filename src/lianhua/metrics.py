"""What this process has counted: plain values, for everybody to add to. `api/metrics_text` says them to Prometheus.

Nothing here is called for each token: commits, turns, streams and requests are counted. One `observe` takes 0.1 µs.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

LabelValues = tuple[str, ...]
# The label sets of one metric. All of ours come from closed lists; a model's name may come from a configuration.
MAX_LABEL_SETS: Final = 500
OTHER: Final = "other"


class Counter:
    """Only grows. `label_names` are those of what `add` is given."""

    __slots__ = ("help", "label_names", "name", "values")

    def __init__(self, name: str, help: str, label_names: tuple[str, ...] = ()) -> None:
        self.name = name
        self.help = help
        self.label_names = label_names
        self.values: dict[LabelValues, float] = {} if label_names else {(): 0.0}

    def add(self, *label: str, amount: float = 1) -> None:
        if label not in self.values and len(self.values) >= MAX_LABEL_SETS:
            label = (OTHER,) * len(self.label_names)
        self.values[label] = self.values.get(label, 0.0) + amount


class Gauge:
    """What there is at this moment."""

    __slots__ = ("help", "name", "value")

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.value = 0


class Histogram:
    """How often something was at most `bounds`, in the unit that its name ends with."""

    __slots__ = ("bounds", "counts", "help", "name", "sum")

    def __init__(self, name: str, help: str, bounds: Sequence[float]) -> None:
        self.name = name
        self.help = help
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)  # the last: more than every bound
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


TURNS = Counter("lianhua_turns", "Turns by how they ended, and the error code where one was met.", ("status", "code"))
PROMPT_TOKENS = Counter("lianhua_prompt_tokens", "Tokens sent to models.", ("model",))
REPLY_TOKENS = Counter("lianhua_reply_tokens", "Tokens that models answered with, thoughts included.", ("model",))
FIRST_TOKEN = Histogram(
    "lianhua_first_token_seconds",
    "From a turn's beginning to the first piece of its reply that viewers can see.",
    (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300),
)
TURNS_NOW = Gauge("lianhua_running_turns", "Turns that run now.")
STREAMS_NOW = Gauge("lianhua_open_streams", "Event streams that are open now.")
EVENTS_IN_COMMIT = Histogram(
    "lianhua_commit_events", "Events in one commit to the journal.", (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
)
COMMIT_SECONDS = Histogram(
    "lianhua_commit_seconds",
    "What one commit to the journal took.",
    (0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3),
)
STORE_ERRORS = Counter("lianhua_store_errors", "Calls that the store did not answer or did not take.", ("kind",))
REQUESTS = Counter("lianhua_http_requests", "Requests by the class of their status, as 2xx.", ("status",))
BUDGET_REFUSALS = Counter(
    "lianhua_budget_refusals", "Refusals because a budget or a rate was used up, or too many turns ran.", ("kind",)
)

COUNTERS: Final = (TURNS, PROMPT_TOKENS, REPLY_TOKENS, STORE_ERRORS, REQUESTS, BUDGET_REFUSALS)
GAUGES: Final = (TURNS_NOW, STREAMS_NOW)
HISTOGRAMS: Final = (FIRST_TOKEN, EVENTS_IN_COMMIT, COMMIT_SECONDS)


class HistogramValue(Struct, frozen=True):
    """`counts` has one more than there are bounds."""

    counts: tuple[int, ...]
    sum: float


class Snapshot(Struct, frozen=True):
    """Everything that one process has counted, or several together, by the metrics' names."""

    counters: dict[str, tuple[tuple[LabelValues, float], ...]] = {}
    gauges: dict[str, int] = {}
    histograms: dict[str, HistogramValue] = {}

    def without_gauges(self) -> "Snapshot":
        """What stays true when the process has gone."""
        return Snapshot(self.counters, {}, self.histograms)


def snapshot() -> Snapshot:
    """What this process has counted so far."""
    return Snapshot(
        {counter.name: tuple(counter.values.items()) for counter in COUNTERS},
        {gauge.name: gauge.value for gauge in GAUGES},
        {each.name: HistogramValue(tuple(each.counts), each.sum) for each in HISTOGRAMS},
    )


def total(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The sum of what several processes have counted; what one does not know counts as nothing."""
    counters: dict[str, dict[LabelValues, float]] = {}
    gauges: dict[str, int] = {}
    histograms: dict[str, HistogramValue] = {}
    for each in snapshots:
        for name, values in each.counters.items():
            summed = counters.setdefault(name, {})
            for label, value in values:
                summed[label] = summed.get(label, 0.0) + value
        for name, now in each.gauges.items():
            gauges[name] = gauges.get(name, 0) + now
        for name, found in each.histograms.items():
            histograms[name] = _added(histograms.get(name), found)
    return Snapshot({name: tuple(values.items()) for name, values in counters.items()}, gauges, histograms)


def _added(one: HistogramValue | None, other: HistogramValue) -> HistogramValue:
    if one is None or len(one.counts) != len(other.counts):  # of another version, while workers are replaced
        return other
    return HistogramValue(tuple(map(sum, zip(one.counts, other.counts, strict=True))), one.sum + other.sum)
