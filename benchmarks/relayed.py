"""What a relayed token costs, and how late it is: paced, in a firehose, alone, and one turn for many viewers."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.load import Load, Run, run
from benchmarks.machine import HERE, Process, anywhere, cpu_s, free_port
from benchmarks.targets import SERVER_CORE, Lianhua, Target, direct, lianhua, nginx, relay, upstream

Open = Callable[[int], AbstractContextManager[Target]]
TARGETS: Final[dict[str, Open]] = {
    "nginx": nginx,
    "asyncio relay": lambda port: relay("asyncio", port),
    "aiohttp relay": lambda port: relay("aiohttp", port),
    "lianhua": lianhua,
}
RATE: Final = 50  # tokens a second and stream
FIRST_S: Final = 3.5  # of a paced run: connections are opened over 2 s, then it comes to rest
SWEEP: Final = (32, 100, 250, 500, 750, 1000)
FIREHOSE_TOKENS: Final = 15_000  # 345,000 characters: a reply ends at 400,000


@dataclass(frozen=True)
class Tools:
    """The compiled programs."""

    upstream: Path
    client: Path


def paced(tools: Tools, name: str, streams: int, window_s: float = 6.0, workers: int | None = None) -> Run:
    """Streams of `RATE` tokens a second through a target; all tokens arrive, or `BadRun`. `workers` run anywhere."""
    tokens = int(RATE * (FIRST_S + window_s + 2))
    opened: Open = (lambda port: lianhua(port, workers, pinned=False)) if workers else TARGETS[name]
    with upstream(tools.upstream, tokens, 1_000_000 // RATE) as port, opened(port) as target:
        load = Load(target.requests(streams), streams, ramp_s=min(2.0, streams * 0.004))
        return run(tools.client, target, load, after_s=FIRST_S, window_s=window_s).check(tokens)


def paced_row(tools: Tools, name: str, streams: int, **options: Any) -> dict[str, Any]:
    found = paced(tools, name, streams, **options)
    window = found.window
    assert window is not None
    return {
        "target": name,
        "streams": streams,
        "tokens_per_s": round(window.tokens / window.seconds),
        "server_us": round(window.server_us, 2),
        "store_us": round(window.store_us, 2),
        "busy_cores": round(window.server_s / window.seconds, 3),
        "tokens_per_read": round(window.tokens / window.reads, 2),
        "delay_ms": {key: found.whole["delay"][f"{key}_us"] / 1000 for key in ("p50", "p99")},
        "first_ms": {key: found.whole["first"][f"{key}_us"] / 1000 for key in ("p50", "p99")},
    }


def firehose_row(tools: Tools, name: str, streams: int = 32) -> dict[str, Any]:
    """Streams without pause: CPU from the first request to the last byte."""
    with upstream(tools.upstream, FIREHOSE_TOKENS, 0) as port, TARGETS[name](port) as target:
        load = Load(target.requests(streams), streams)
        before = sum(map(cpu_s, target.server)), sum(map(cpu_s, target.store))
        found = run(tools.client, target, load).check(FIREHOSE_TOKENS)
        after = sum(map(cpu_s, target.server)), sum(map(cpu_s, target.store))
    tokens = found.whole["tokens"]
    server_s, store_s = (b - a for a, b in zip(before, after, strict=True))
    return {
        "target": name,
        "streams": streams,
        "server_us": round(server_s / tokens * 1e6, 2),
        "store_us": round(store_s / tokens * 1e6, 2),
        "tokens_per_s": round(tokens / found.whole["whole"]["max_us"] * 1e6),
        "tokens_per_core_s": round(tokens / server_s),
    }


def single_row(tools: Tools, name: str, replies: int = 12) -> dict[str, Any]:
    """One stream at a time: milliseconds to the first token, and of delay of each."""
    own: dict[str, Open] = {
        "lianhua": lambda port: lianhua(port, pinned=False),
        "lianhua without disk": lambda port: lianhua(port, pinned=False, disk=False),
    }
    opened = {**TARGETS, "direct": direct, **own}[name]
    with anywhere(), upstream(tools.upstream, 100, 1_000_000 // RATE) as port, opened(port) as target:
        requests = target.requests(replies)
        run(tools.client, target, Load(requests[:2], 1))  # the first turns of a new process are its slowest
        found = run(tools.client, target, Load(requests[2:], 1)).check(100).whole
    return {
        "target": name,
        "first_ms": found["first"]["p50_us"] / 1000,
        "delay_ms": found["delay"]["p50_us"] / 1000,
    }


def viewers_rows(tools: Tools, viewers: int = 1000, tokens: int = 300, rate: int = 20) -> list[dict[str, Any]]:
    """One reply for many viewers, beside a loop that does one write a viewer a piece."""
    interval_us = 1_000_000 // rate
    rows = []
    with upstream(tools.upstream, tokens, interval_us) as upstream_port:
        port = free_port()
        words = [sys.executable, HERE / "fanout.py", str(port), str(upstream_port), str(viewers)]
        with Process(words, core=SERVER_CORE) as process:
            process.line()
            bare = Target("one write a viewer", port, (process.pid,))
            rows.append(_viewers_row(tools, bare, bare.requests(viewers), tokens, rate))
    with upstream(tools.upstream, tokens, interval_us, 3000) as upstream_port, lianhua(upstream_port) as target:
        requests = follow_requests(target, viewers)
        rows.append(_viewers_row(tools, target, requests, tokens, rate))
    return rows


def _viewers_row(tools: Tools, target: Target, requests: list[bytes], tokens: int, rate: int) -> dict[str, Any]:
    load = Load(requests, len(requests), ramp_s=1.0)
    window_s = tokens / rate - 5
    found = run(tools.client, target, load, after_s=5.0, window_s=window_s).check(tokens)
    window = found.window
    assert window is not None
    return {
        "target": target.name,
        "viewers": len(requests),
        "write_us": round(window.server_s / window.reads * 1e6, 2),
        "piece_us": round(window.server_us, 2),
        "delay_ms": {key: found.whole["delay"][f"{key}_us"] / 1000 for key in ("p50", "p99")},
    }


def follow_requests(target: Lianhua, viewers: int) -> list[bytes]:
    """One turn is begun; the requests of its viewers."""
    ((owner, conversation),) = target.conversations(1)
    answer = target.ask("POST", f"/api/conversations/{conversation}/turns?user_id={owner}", {"message": "Hello"})
    path = f"{answer['events_url']}?user_id={owner}"
    return [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()] * viewers


def show(row: dict[str, Any]) -> None:
    """One row as it is measured, for who watches."""
    print(f"  {time.strftime('%H:%M:%S')} {json.dumps(row)}", flush=True)
