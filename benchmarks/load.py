"""One run of the client against a target: what came, how late, and what it cost the server meanwhile."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Process, cpu_s
from benchmarks.targets import OTHER_CORE, Target


class BadRun(RuntimeError):
    """A run whose figures mean nothing: something was lost, refused or out of order."""


@dataclass(frozen=True)
class Load:
    """Requests for a target, `at_once` connections at a time, opened within `ramp_s`."""

    requests: Sequence[bytes]
    at_once: int
    ramp_s: float = 0.0
    keep: bool = False
    timeout_s: int = 120


@dataclass(frozen=True)
class Window:
    """What happened between two marks. CPU in seconds."""

    seconds: float
    tokens: int
    reads: int
    ended: int
    server_s: float
    store_s: float

    @property
    def server_us(self) -> float:
        """CPU of the server a token, in µs."""
        return self.server_s / self.tokens * 1e6

    @property
    def store_us(self) -> float:
        return self.store_s / self.tokens * 1e6


@dataclass(frozen=True)
class Run:
    """`whole` is what the client says of all requests; `window` is of the time that was measured, if one was."""

    whole: dict[str, Any]
    window: Window | None

    def check(self, tokens_each: int) -> "Run":
        """Itself, where every request brought every token in order. Raises `BadRun`."""
        found = self.whole
        bad = found["failures"] or found["disorder"] or found["ended"] != found["requests"]
        if bad or found["fewest"] != tokens_each or found["most"] != tokens_each:
            raise BadRun(json.dumps(found))
        return self


def run(client: Path, target: Target, load: Load, *, after_s: float = 0.0, window_s: float = 0.0) -> Run:
    """Sends the load; with `window_s` measures that long, from `after_s` after its beginning."""
    requests = target.folder / "requests" if target.folder.name != "benchmarks" else client.parent / "requests"
    requests.write_bytes(b"".join(b"%d\n%s" % (len(request), request) for request in load.requests))
    ramp_us = int(load.ramp_s / load.at_once * 1e6)
    words = [client, str(target.port), requests, str(load.at_once), str(ramp_us), str(load.timeout_s)]
    with Process([*words, *(["keep"] if load.keep else [])], core=OTHER_CORE) as process:
        window = None
        if window_s:
            time.sleep(after_s)
            before = _mark(process, target)
            time.sleep(window_s)
            after = _mark(process, target)
            window = Window(*(b - a for a, b in zip(before, after, strict=True)))  # type: ignore[arg-type]
        return Run(json.loads(process.line(load.timeout_s + 10)), window)


def _mark(process: Process, target: Target) -> tuple[float, ...]:
    server_s, store_s = sum(map(cpu_s, target.server)), sum(map(cpu_s, target.store))
    process.tell("mark")
    _, at_us, tokens, reads, ended = process.line(10).split()
    return int(at_us) / 1e6, int(tokens), int(reads), int(ended), server_s, store_s
