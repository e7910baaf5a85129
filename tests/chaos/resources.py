"""What processes hold, by /proc: nothing of it may pile up over many faults."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

# The pool of connections to the store may fill under an outage and stays open (64 in `lianhua.store.open`).
MORE_FILES = 70
MORE_THREADS = 46  # anyio runs the framework's plain functions on up to 40, asyncio's executor has the processors + 4
MORE_MEMORY_MB = 60


@dataclass(frozen=True)
class Footprint:
    files: int
    threads: int
    memory_mb: float


def footprint_of(pid: int) -> Footprint:
    status = Path(f"/proc/{pid}/status").read_text()
    numbers = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+)", status, re.MULTILINE)}
    return Footprint(len(list(Path(f"/proc/{pid}/fd").iterdir())), numbers["Threads"], numbers["VmRSS"] / 1024)


def grown(base: Collection[Footprint], now: Mapping[str, Footprint]) -> list[str]:
    """A line for each process that holds more than the base line, taken at work, allows it when all is quiet."""
    files = max(print_.files for print_ in base) + MORE_FILES
    threads = max(print_.threads for print_ in base) + MORE_THREADS
    memory_mb = max(print_.memory_mb for print_ in base) + MORE_MEMORY_MB
    lines: list[str] = []
    for name, held in now.items():
        if held.files > files:
            lines.append(f"{name} holds {held.files} open files where {files} would be many")
        if held.threads > threads:
            lines.append(f"{name} has {held.threads} threads where {threads} would be many")
        if held.memory_mb > memory_mb:
            lines.append(f"{name} takes {held.memory_mb:.0f} MB where {memory_mb:.0f} MB would be much")
    return lines
