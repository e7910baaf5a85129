"""What Lianhua takes while it does little: memory of streams and of a process, time to start, size on disk."""

import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import HERE, Process, memory_bytes, resident_bytes
from benchmarks.relayed import Tools, follow_requests
from benchmarks.targets import OTHER_CORE, Lianhua, lianhua, upstream

STREAMS: Final = 1_000
QUIET_S: Final = 3.0
STARTS: Final = 5


def memory_row(tools: Tools) -> dict[str, Any]:
    """Bytes for each of many streams that wait for their model, and for each of many viewers of one such turn.

    The first hundred pay for what is made once.
    """
    row: dict[str, Any] = {}
    for kind in ("held stream", "idle viewer"):
        with upstream(tools.upstream, 1, 1, 600_000) as port, lianhua(port) as target:
            row["at rest, MB"] = round(resident_bytes(target.server[0]) / 1e6, 1)
            count = STREAMS + 100
            requests = target.requests(count) if kind == "held stream" else follow_requests(target, count)
            row[f"{kind}, KB"] = round(_bytes_each(tools, target, requests) / 1024, 1)
    return row


def _bytes_each(tools: Tools, target: Lianhua, requests: list[bytes]) -> float:
    with _held(tools, target, requests[:100], "warm"):
        time.sleep(QUIET_S)
        before = memory_bytes(target.server[0])
        with _held(tools, target, requests[100:], "counted"):
            time.sleep(QUIET_S)
            return (memory_bytes(target.server[0]) - before) / STREAMS


def _held(tools: Tools, target: Lianhua, requests: list[bytes], name: str) -> Process:
    file = target.folder / name
    file.write_bytes(b"".join(b"%d\n%s" % (len(request), request) for request in requests))
    words = [tools.client, str(target.port), file, str(len(requests)), "1000", "60"]
    return Process(words, core=OTHER_CORE)


def start_row() -> dict[str, Any]:
    """Seconds from the command to the page over HTTP, the embedded store included, on an empty data directory."""
    times = []
    for _ in range(STARTS):
        began = time.perf_counter()
        with lianhua(1, pinned=False) as target:
            _wait_for_page(target.port)
            times.append(time.perf_counter() - began)
    return {"cold_start_s": round(sorted(times)[STARTS // 2], 2)}


def _wait_for_page(port: int) -> None:
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                assert answer.status == 200
                return
        except urllib.error.URLError:
            time.sleep(0.005)


def size_row() -> dict[str, Any]:
    """What an installation without `local` adds to an empty environment."""
    with tempfile.TemporaryDirectory() as name:
        environment = Path(name) / "environment"
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        packages = next(environment.glob("lib/python*/site-packages"))
        before = _size(packages), len(list(packages.glob("*.dist-info")))
        pip = [environment / "bin" / "python", "-m", "pip", "install", "-qq", "--no-compile"]
        constraints = Path(name) / "constraints.txt"
        constraints.write_text("\n".join(_pins(HERE.parent / "requirements" / "run.txt")))
        subprocess.run([*pip, "-c", constraints, HERE.parent], check=True)
        after = _size(packages), len(list(packages.glob("*.dist-info")))
    return {"installed_mb": round((after[0] - before[0]) / 1e6, 1), "packages": after[1] - before[1]}


def _pins(file: Path) -> list[str]:
    lines = (line.strip().removesuffix("\\").strip() for line in file.read_text().splitlines())
    return [line for line in lines if "==" in line and not line.startswith("--hash")]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
