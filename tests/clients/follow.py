"""One of PyPI's clients of event streams follows a URL: `python follow.py CLIENT URL`.

What it has seen goes to stdout as JSON once it stops by itself, or with `--for MS` after that time or a second answer.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import httpx
import requests
from httpx_sse import SSEError, connect_sse
from ld_eventsource import SSEClient as LaunchDarkly
from ld_eventsource.actions import Event, Fault
from ld_eventsource.config import ConnectStrategy, ErrorStrategy
from sseclient import SSEClient

NAMES = ("turn", "reasoning", "notice", "snapshot", "end")
LOOK_S = 0.02
RETURN_S = 0.5  # of those that do not come back by themselves


@dataclass
class Seen:
    text: str = ""
    turns: int = 0
    ends: int = 0
    ids: list[str | None] = field(default_factory=list)
    snapshots: int = 0
    strangers: int = 0
    statuses: list[int] = field(default_factory=list)
    stopped: str = ""

    def take(self, name: str, data: str, id_: str | None) -> None:
        data_of = json.loads(data)
        if name == "message":
            self.text += data_of["content"]
        elif name == "snapshot":
            self.text, self.snapshots = data_of["content"], self.snapshots + 1
        elif name == "turn":
            self.turns += 1
        elif name == "end":
            self.ends += 1
        self.strangers += name not in ("message", *NAMES)
        self.ids.append(id_)

    @property
    def headers(self) -> dict[str, str]:
        """Where the next connection goes on, for a client that does not know it."""
        return {"Last-Event-ID": self.ids[-1]} if self.ids and self.ids[-1] else {}


def httpx_sse(url: str, seen: Seen) -> None:
    with httpx.Client(timeout=30) as client:
        while True:
            try:
                with connect_sse(client, "GET", url, headers=seen.headers) as source:
                    seen.statuses.append(source.response.status_code)
                    if source.response.status_code == 204:
                        return
                    for event in source.iter_sse():
                        seen.take(event.event, event.data, event.id)
            except (httpx.TransportError, SSEError):
                pass
            time.sleep(RETURN_S)


def sseclient_py(url: str, seen: Seen) -> None:
    with requests.Session() as session:
        while True:
            try:
                with session.get(url, headers=seen.headers, stream=True, timeout=30) as response:
                    seen.statuses.append(response.status_code)
                    if response.status_code == 204:
                        return
                    if response.status_code == 200:
                        for event in SSEClient(response).events():
                            if event.id:  # what has none is the rest of a body that was cut
                                seen.take(event.event, event.data, event.id)
            except requests.RequestException:
                pass
            time.sleep(RETURN_S)


def launchdarkly(url: str, seen: Seen) -> None:
    """By default it raises at the first cut: it has to be told to go on. What the server says of `retry` it leaves
    out, and begins with a second that it doubles.
    """
    connect = ConnectStrategy.http(url)
    going_on = ErrorStrategy.always_continue()
    with LaunchDarkly(connect, initial_retry_delay=RETURN_S, error_strategy=going_on) as client:
        for action in client.all:
            if isinstance(action, Event):
                seen.take(action.event, action.data, action.id)
            if isinstance(action, Fault):
                status = getattr(action.error, "status", None)
                seen.statuses.append(status or 200)
                if status == 204:
                    return


CLIENTS: dict[str, Callable[[str, Seen], None]] = {
    "httpx-sse": httpx_sse,
    "sseclient-py": sseclient_py,
    "launchdarkly-eventsource": launchdarkly,
}


def main(client: str, url: str, _: str = "", for_ms: str = "0") -> None:
    seen = Seen()
    following = threading.Thread(target=CLIENTS[client], args=(url, seen), daemon=True)
    following.start()
    until = time.monotonic() + int(for_ms) / 1000
    while for_ms != "0" and following.is_alive() and len(seen.statuses) < 2 and time.monotonic() < until:
        time.sleep(LOOK_S)
    if for_ms == "0":
        following.join()
    seen.stopped = "time" if following.is_alive() else "closed"
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main(*sys.argv[1:])
