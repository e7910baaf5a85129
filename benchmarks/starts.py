"""What starts cost: few streams and many, 500 people within a second, many slow streams, whole conversations."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.load import Load, run
from benchmarks.machine import cpu_s
from benchmarks.relayed import TARGETS, Tools, paced_row
from benchmarks.targets import Lianhua, Target, lianhua, upstream

CURVE: Final = (1, 34, 70, 100, 140, 500)  # streams of 50 tokens/s
BURST: Final = 500
SLOW: Final = 2_000  # streams of one token in 400 ms
TURNS: Final = 600
AT_ONCE: Final = 16


def curve_rows(tools: Tools, rounds: int = 3) -> list[dict[str, Any]]:
    """CPU a token with the store's at several numbers of streams, beside a relay that stores nothing: the middle of
    several rounds.
    """
    rows = []
    for streams in CURVE:
        for name in ("nginx", "aiohttp relay", "lianhua"):
            found = [paced_row(tools, name, streams, window_s=3.0) for _ in range(rounds)]
            rows.append(sorted(found, key=lambda row: row["server_us"] + row["store_us"])[rounds // 2])
    return rows


def burst_row(tools: Tools, name: str) -> dict[str, Any]:
    """`BURST` people press Enter within one second: until the first token, and how late each is, the start included."""
    with upstream(tools.upstream, 200, 20_000) as port, TARGETS[name](port) as target:
        run(tools.client, target, Load(target.requests(8), 4))  # the first turns of a new process are its slowest
        load = Load(target.requests(BURST), BURST, ramp_s=1.0)
        found = run(tools.client, target, load).check(200).whole
    return {"target": name, "streams": BURST, **_ms(found, "first"), **_ms(found, "delay")}


def slow_row(tools: Tools, name: str) -> dict[str, Any]:
    """`SLOW` streams of 2.5 tokens/s, started within a second."""
    with upstream(tools.upstream, 25, 400_000) as port, TARGETS[name](port) as target:
        load = Load(target.requests(SLOW), SLOW, ramp_s=1.0)
        found = run(tools.client, target, load, after_s=4.0, window_s=4.0).check(25)
    window = found.window
    assert window is not None
    return {
        "target": name,
        "streams": found.whole["ended"],
        "server_us": round(window.server_us, 1),
        "store_us": round(window.store_us, 1),
        **_ms(found.whole, "first"),
    }


def conversation_rows(tools: Tools) -> list[dict[str, Any]]:
    """CPU of a conversation of one turn (`chat/start` and `chat/stream`, one token), one after another and several at
    once, with titles by the model and without; and of the relay's request.
    """
    rows = []
    for titles in ("message", "model"):
        with upstream(tools.upstream, 1, 0) as port, lianhua(port, disk=False, LIANHUA_TITLES=titles) as target:
            _cpu_of(target, 60, 1)
            rows += [
                {"target": "lianhua", "titles": titles, "at_once": at_once, **_cpu_of(target, TURNS, at_once)}
                for at_once in (1, AT_ONCE)
            ]
    with upstream(tools.upstream, 1, 0) as port, TARGETS["aiohttp relay"](port) as relay:
        run(tools.client, relay, Load(relay.requests(60), 1, keep=True))
        for at_once in (1, AT_ONCE):
            before = _cpu(relay)
            run(tools.client, relay, Load(relay.requests(TURNS), at_once, keep=True)).check(1)
            rows.append({"target": "aiohttp relay", "at_once": at_once, **_per_turn(before, _cpu(relay))})
    return rows


def _cpu_of(target: Lianhua, turns: int, at_once: int) -> dict[str, float]:
    before = _cpu(target)
    first_s: list[float] = []
    asyncio.run(_talk(target.port, turns, at_once, first_s))
    time.sleep(0.5)  # what follows a turn
    return {**_per_turn(before, _cpu(target), turns), "first_ms": round(statistics.median(first_s) * 1000, 2)}


def _cpu(target: Target) -> tuple[float, float]:
    return sum(map(cpu_s, target.server)), sum(map(cpu_s, target.store))


def _per_turn(before: Sequence[float], after: Sequence[float], turns: int = TURNS) -> dict[str, float]:
    server_ms, store_ms = ((b - a) / turns * 1000 for a, b in zip(before, after, strict=True))
    return {"server_ms": round(server_ms, 2), "store_ms": round(store_ms, 2)}


async def _talk(port: int, turns: int, at_once: int, first_s: list[float]) -> None:
    """So many new conversations over kept connections; the seconds until the first token of each."""
    left = iter(range(turns))

    async def person(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for turn in left:
            owner = f"p{number}-{turn}-{time.monotonic_ns()}"
            writer.write(f"POST /chat/start?user_id={owner} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            session_id = json.loads(await _body(reader))["session_id"]
            asked = time.perf_counter()
            path = f"/chat/stream?session_id={session_id}&user_id={owner}&message=Hello"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await reader.readuntil(b'data: {"content":')
            first_s.append(time.perf_counter() - asked)
            await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()

    await asyncio.gather(*(person(number) for number in range(at_once)))


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return await reader.readexactly(int(length.partition(b":")[2]))


def _ms(found: dict[str, Any], of: str) -> dict[str, dict[str, float]]:
    return {f"{of}_ms": {key: found[of][f"{key}_us"] / 1000 for key in ("p50", "p99")}}
