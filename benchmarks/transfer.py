"""A file of 200 MB on its way in and out: how fast, in how much memory, and how long everybody else waits meanwhile."""

import http.client
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.machine import resident_bytes
from benchmarks.targets import Lianhua, lianhua

FILE_BYTES: Final = 200_000_000
MESSAGES: Final = 40  # of a conversation
MESSAGE_CHARS: Final = 1_000
WORDS: Final = 4_000
PROBE_S: Final = 0.002
PATIENCE_S: Final = 900
IDEOGRAPHS: Final = range(0x4E00, 0x5E00)


def transfer_rows() -> Iterator[dict[str, Any]]:
    """Our own file and ChatGPT's into an empty server each, and everything out again."""
    for form in ("lianhua", "chatgpt"):
        with lianhua(1, disk=True) as target:
            file = target.folder / "file.json"
            _write(file, form)
            with watched(target) as seen:
                report = _send(target, file)
            assert report["format"] == form
            assert not report["skipped"], report
            yield {"what": f"import, {form}", **seen.row(file.stat().st_size), **report["imported"]}
            with watched(target) as seen:
                size = _receive(target)
            yield {"what": "export", **seen.row(size)}


def _write(path: Path, form: str) -> None:
    """Conversations of words that come as often as words do; half of the messages are Chinese, with some English."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(WORDS)]
    chinese = ["".join(map(chr, chance.choices(IDEOGRAPHS, k=2))) for _ in range(WORDS)]
    weights = [1 / (place + 1) for place in range(WORDS)]
    texts = []
    for _ in range(1_000):
        texts.append(" ".join(chance.choices(words, weights, k=MESSAGE_CHARS))[:MESSAGE_CHARS])
        runs = ["".join(chance.choices(chinese, weights, k=20)) for _ in range(MESSAGE_CHARS // 40)]
        texts.append("，".join(runs) + " " + chance.choice(words))
    with path.open("w", encoding="utf-8") as file:
        file.write('{"format":"lianhua","version":1,"conversations":[' if form == "lianhua" else "[")
        number = 0
        while file.tell() < FILE_BYTES:
            file.write(",\n" if number else "\n")
            make = _native if form == "lianhua" else _theirs
            json.dump(make(number, chance.choices(texts, k=MESSAGES)), file, ensure_ascii=form == "chatgpt")
            number += 1
        file.write("]}" if form == "lianhua" else "]")


def _id(number: int) -> str:
    return f"5f0c5a0e-0000-4000-8000-{number:012x}"


def _native(number: int, texts: list[str]) -> dict[str, Any]:
    at = 1_700_000_000 + number
    messages = [
        {"id": f"m{place}", "role": ("user", "assistant")[place % 2], "content": text, "timestamp": at}
        | ({"parent_id": f"m{place - 1}"} if place else {})
        for place, text in enumerate(texts)
    ]
    head = {"id": _id(number), "title": texts[0][:30], "role": "assistant", "created_at": at, "updated_at": at}
    return {**head, "messages": messages}


def _theirs(number: int, texts: list[str]) -> dict[str, Any]:
    at = 1_700_000_000 + number
    mapping = {
        f"m{place}": {
            "id": f"m{place}",
            "message": {
                "author": {"role": ("user", "assistant")[place % 2], "metadata": {}},
                "create_time": at + place,
                "content": {"content_type": "text", "parts": [text]},
                "status": "finished_successfully",
                "metadata": {"model_slug": "gpt-4o", "request_id": f"{number}-{place}", "citations": []},
                "recipient": "all",
            },
            "parent": f"m{place - 1}" if place else None,
            "children": [f"m{place + 1}"] if place + 1 < len(texts) else [],
        }
        for place, text in enumerate(texts)
    }
    last = f"m{len(texts) - 1}"
    return {"id": _id(number), "title": texts[0][:30], "create_time": at, "current_node": last, "mapping": mapping}


def _send(target: Lianhua, path: Path) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=PATIENCE_S)
    headers = {"Content-Type": "application/json", "Content-Length": str(path.stat().st_size)}
    with path.open("rb") as file:
        connection.request("POST", "/api/import?user_id=ann", _blocks(file), headers)
        answer = connection.getresponse()
        body = answer.read()
    assert answer.status == 200, body
    report: dict[str, Any] = json.loads(body)
    return report


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(1 << 18):
        yield block


def _receive(target: Lianhua) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=PATIENCE_S)
    connection.request("GET", "/api/export?user_id=ann")
    answer = connection.getresponse()
    size = 0
    while block := answer.read(1 << 18):
        size += len(block)
    return size


class Seen:
    """What a call that asks for next to nothing met meanwhile, and how large the server became."""

    def __init__(self, target: Lianhua) -> None:
        self.waits_s: list[float] = []
        self._pid = target.server[0]
        self._before = self._peak = resident_bytes(self._pid)
        self._began = self._ended = time.perf_counter()

    def probe(self, port: int, over: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not over.is_set():
            began = time.perf_counter()
            self.look(connection)
            self.waits_s.append(time.perf_counter() - began)
            self._peak = max(self._peak, resident_bytes(self._pid))
            time.sleep(PROBE_S)
        self._ended = time.perf_counter()

    def look(self, connection: http.client.HTTPConnection) -> None:
        connection.request("GET", "/healthz")
        connection.getresponse().read()

    def row(self, size: int) -> dict[str, Any]:
        waits = sorted(self.waits_s)
        return {
            "mb": round(size / 1e6),
            "mb_per_s": round(size / 1e6 / (self._ended - self._began), 1),
            "grown_mb": round((self._peak - self._before) / 1e6),
            "wait_p50_ms": round(waits[len(waits) // 2] * 1000, 2),
            "wait_p99_ms": round(waits[len(waits) * 99 // 100] * 1000, 2),
            "wait_max_ms": round(waits[-1] * 1000, 1),
        }


@contextmanager
def watched(target: Lianhua) -> Iterator[Seen]:
    seen, over = Seen(target), threading.Event()
    seen.look(http.client.HTTPConnection("127.0.0.1", target.port))  # the first call of all takes the framework 50 ms
    probing = threading.Thread(target=seen.probe, args=(target.port, over))
    probing.start()
    try:
        yield seen
    finally:
        over.set()
        probing.join()
