"""How long a call that asks for next to nothing waits while somebody asks for the largest things there are."""

import http.client
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from benchmarks.targets import Lianhua, lianhua
from benchmarks.transfer import IDEOGRAPHS, watched

OWNER: Final = "ann"
TIMES: Final = 7  # each request; the median of the longest waits of each counts, for the machine has pauses of its own
IDLE_S: Final = 1.0
HUGE, PAGE = "5f0c5a0e-0000-4000-8000-000000000001", "5f0c5a0e-0000-4000-8000-000000000002"
MESSAGES: Final = 48
HUGE_CHARS: Final = 400_000  # of a message: what LIANHUA_REPLY_CHARS allows, 1.2 MB
PAGE_CHARS: Final = 7_000  # 48 of them are what a page may have: 1 MB
PINS: Final = 20
SCRIPT: Final = f"""
[[reply]]
when = "[huge]"
pieces = ["{"连话说下去" * 8}"]
repeat = {HUGE_CHARS // 40}
batch = 250

[[reply]]
pieces = ["good"]
"""


def pause_rows() -> Iterator[dict[str, Any]]:
    """For each request the longest wait of another one."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "script.toml")
        script.write_text(SCRIPT, "utf-8")
        with lianhua(1, disk=False, LIANHUA_SCRIPT=str(script), LIANHUA_RETENTION_MESSAGES="0") as target:
            yield {"what": "nothing", **_waits(target, lambda: time.sleep(IDLE_S))}
            asking = _Asking(target)
            asking.prepare()
            yield {"what": "an import of 60 MB", **_waits(target, asking.bring)}
            asking.pin()
            for what, method, path, body in asking.requests():
                yield {"what": what, **_waits(target, partial(asking.ask, method, path, body))}
            yield {"what": "a huge reply as it is made", **_waits(target, asking.huge_turn)}
            yield {"what": "its snapshot, after a cursor that is none of it", **_waits(target, asking.snapshot)}


def _waits(target: Lianhua, act: Callable[[], object]) -> dict[str, Any]:
    longest = []
    for _ in range(TIMES):
        with watched(target) as seen:
            act()
        longest.append(max(seen.waits_s) * 1_000)
    return {"longest_wait_ms": round(sorted(longest)[TIMES // 2], 1), "of_all_ms": round(max(longest), 1)}


class _Asking:
    """Somebody whose conversations are as large as they may be."""

    def __init__(self, target: Lianhua) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", target.port, timeout=120)
        self._turn = self.sought = ""
        self._file = b""
        self._brought = False

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> bytes:
        encoded = body if body is None or isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        joint = "&" if "?" in path else "?"
        names = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        self._http.request(method, f"/api{path}{joint}user_id={OWNER}", encoded, names)
        answer = self._http.getresponse()
        read = answer.read()
        assert answer.status < 300, read[:500]
        return read

    def prepare(self) -> None:
        """The file is made before anything is measured: making it would keep the measuring thread waiting."""
        chance = random.Random(1)
        texts = ["".join(map(chr, chance.choices(IDEOGRAPHS, k=HUGE_CHARS))) for _ in range(3)]
        self.sought = texts[0][PAGE_CHARS - 9 : PAGE_CHARS - 6]
        conversations = [_conversation(HUGE, texts, HUGE_CHARS), _conversation(PAGE, texts, PAGE_CHARS)]
        whole = {"format": "lianhua", "version": 1, "conversations": conversations}
        self._file = json.dumps(whole, ensure_ascii=False).encode()

    def bring(self) -> None:
        if self._brought:
            self.ask("DELETE", f"/conversations/{HUGE}")
        self._brought = True
        self.ask("POST", "/import", self._file)

    def pin(self) -> None:
        for name in (HUGE, PAGE):
            for place in range(PINS):
                self.ask("PATCH", f"/conversations/{name}/messages/m{place}", {"pinned": True})

    def requests(self) -> list[tuple[str, str, str, Any]]:
        """What is asked, and how."""
        return [
            ("a page of one huge message", "GET", f"/conversations/{HUGE}/messages", None),
            ("a page of 1 MB in 48 messages", "GET", f"/conversations/{PAGE}/messages", None),
            (
                "a turn after huge messages, 20 of them pinned",
                "POST",
                f"/conversations/{HUGE}/turns",
                {"message": "so?"},
            ),
            ("a turn after 48 messages, 20 pinned", "POST", f"/conversations/{PAGE}/turns", {"message": "so?"}),
            ("the list", "GET", "/conversations", None),
            ("a search that finds them", "GET", f"/conversations?q={quote(self.sought)}", None),
            (
                "a search that reads them in vain",
                "GET",
                f"/conversations?q={quote(self.sought[:2] + self.sought[0])}",
                None,
            ),
            ("an export of 60 MB", "GET", f"/conversations/{HUGE}/export", None),
            ("the same as Markdown", "GET", f"/conversations/{HUGE}/export?format=markdown", None),
            ("another branch", "PATCH", f"/conversations/{HUGE}/branch", {"message_id": "m0"}),
        ]

    def huge_turn(self) -> None:
        name = json.loads(self.ask("POST", "/conversations", {}))["id"]
        turn = json.loads(self.ask("POST", f"/conversations/{name}/turns", {"message": "[huge]"}))
        self._turn = turn["events_url"].removeprefix("/api")
        self.ask("GET", self._turn)

    def snapshot(self) -> None:
        self.ask("GET", self._turn, Last_Event_ID="none")


def _conversation(name: str, texts: list[str], chars: int) -> dict[str, Any]:
    at = 1_796_000_000
    messages = [
        {
            "id": f"m{place}",
            "role": ("user", "assistant")[place % 2],
            "content": texts[place % 3][:chars],
            "timestamp": at,
        }
        | ({"parent_id": f"m{place - 1}"} if place else {})
        for place in range(MESSAGES)
    ]
    head = {"id": name, "title": "large", "role": "assistant", "created_at": at, "updated_at": at}
    return {**head, "messages": messages}
