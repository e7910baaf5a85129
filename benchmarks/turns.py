"""What a turn costs besides its tokens, early and late in a conversation, and how many are accepted a second."""

import json
from pathlib import Path
from typing import Any, Final

from benchmarks.load import Load, run
from benchmarks.machine import cpu_s
from benchmarks.relayed import Tools, show
from benchmarks.targets import Lianhua, lianhua, stream_request, upstream

MEASURED: Final = 200  # turns, at each length
LENGTHS: Final = ((10, 50), (100, 10), (1_000, 1), (10_000, 1))  # turns a conversation, and how many conversations
ACCEPTED: Final = 1_900  # below the 2,000 turns that one worker runs at a time


def length_rows(tools: Tools) -> list[dict[str, Any]]:
    """A conversation grows; at each length the CPU of a turn with a reply of one token, and the time to that token.

    Without a disk: 11,000 turns one after another, of which each would wait for it some ten times.
    """
    rows = []
    settings = {"LIANHUA_RETENTION_MESSAGES": "0"}
    with upstream(tools.upstream, 1, 0) as port, lianhua(port, disk=False, **settings) as target:
        grown: dict[tuple[str, str], int] = {}
        for length, count in LENGTHS:
            if not grown:
                grown = dict.fromkeys(target.conversations(count), 0)
            grown = dict(list(grown.items())[:count])  # the later a turn, the fewer conversations get there
            _talk(tools.client, target, grown, length)
            rows.append({"turn": length, **_measured(tools.client, target, list(grown))})
            grown = {conversation: turns + MEASURED // count for conversation, turns in grown.items()}
            show(rows[-1])
    return rows


def _talk(client: Path, target: Lianhua, grown: dict[tuple[str, str], int], length: int) -> None:
    """Every conversation as long as that, several of them at a time, each by one turn after another."""
    requests = []
    for turn in range(length):
        requests += [_turn(*conversation) for conversation, turns in grown.items() if turns <= turn]
    if requests:
        # No more at once than there are conversations: each has one turn at a time.
        run(client, target, Load(requests, 1, keep=True, timeout_s=600)).check(1)
    grown.update(dict.fromkeys(grown, length))


def _measured(client: Path, target: Lianhua, conversations: list[tuple[str, str]]) -> dict[str, Any]:
    requests = [_turn(*conversations[number % len(conversations)]) for number in range(MEASURED)]
    before = sum(map(cpu_s, target.server)), sum(map(cpu_s, target.store))
    found = run(client, target, Load(requests, 1, keep=True)).check(1).whole
    after = sum(map(cpu_s, target.server)), sum(map(cpu_s, target.store))
    server_s, store_s = (b - a for a, b in zip(before, after, strict=True))
    return {
        "server_ms": round(server_s / MEASURED * 1000, 3),
        "store_ms": round(store_s / MEASURED * 1000, 3),
        "first_ms": found["first"]["p50_us"] / 1000,
    }


def _turn(owner: str, conversation: str) -> bytes:
    return stream_request(conversation, owner, "What comes after that, and why does it?")


def accept_row(tools: Tools) -> dict[str, Any]:
    """`POST …/turns` into as many conversations, while the model says nothing yet."""
    with upstream(tools.upstream, 1, 1, 600_000) as port, lianhua(port) as target:
        made = target.conversations(ACCEPTED)
        body = json.dumps({"message": "Hello"})
        requests = [
            f"POST /api/conversations/{conversation}/turns?user_id={owner} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
            for owner, conversation in made
        ]
        before = sum(map(cpu_s, target.server)), sum(map(cpu_s, target.store))
        found = run(tools.client, target, Load(requests, 64, keep=True)).check(0).whole
        after = sum(map(cpu_s, target.server)), sum(map(cpu_s, target.store))
    server_s, store_s = (b - a for a, b in zip(before, after, strict=True))
    return {
        "accepted": ACCEPTED,
        "server_ms": round(server_s / ACCEPTED * 1000, 3),
        "store_ms": round(store_s / ACCEPTED * 1000, 3),
        "per_core_s": round(ACCEPTED / server_s),
        "whole_ms": {key: found["whole"][f"{key}_us"] / 1000 for key in ("p50", "p99")},
    }
