"""What stands between the client and the model's server: nothing, nginx, two bare relays, and Lianhua."""

import http.client
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import quote

from benchmarks.machine import CORES, HERE, Process, free_port, wait_for_port

SERVER_CORE: Final = CORES[0]
OTHER_CORE: Final = CORES[-1]
MEMORY: Final = "/dev/shm"  # noqa: S108  a file system that has no disk

_NGINX = """
worker_processes 1; daemon off; error_log {folder}/error.log; pid {folder}/pid;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; tcp_nodelay on;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://127.0.0.1:{upstream_port}; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Connection ""; proxy_read_timeout 300s;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Target:
    """Something that relays. `server` are the processes whose CPU counts, `store` those of the store."""

    name: str
    port: int
    server: tuple[int, ...] = ()
    store: tuple[int, ...] = ()
    folder: Path = field(default=HERE)

    def requests(self, count: int) -> list[bytes]:
        """So many requests that each begin a reply and follow it."""
        body = json.dumps({"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
        return [_post("/v1/chat/completions", body)] * count


class Lianhua(Target):
    """Our server. Each request is a turn in a conversation of its own, which an owner of its own has."""

    def requests(self, count: int) -> list[bytes]:
        return [stream_request(conversation, owner) for owner, conversation in self.conversations(count)]

    def conversations(self, count: int) -> list[tuple[str, str]]:
        """Owners and their new conversations."""
        return [
            (owner, self.ask("POST", f"/api/conversations?user_id={owner}", {})["id"])
            for owner in (f"owner{number}" for number in range(count))
        ]

    def ask(self, method: str, path: str, body: dict[str, str]) -> dict[str, str]:
        """One call of the API."""
        connection = _connection(self.port)
        connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        found: dict[str, str] = json.loads(connection.getresponse().read())
        return found


@cache
def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=30)


def stream_request(conversation: str, owner: str, message: str = "Hello") -> bytes:
    path = f"/chat/stream?session_id={conversation}&user_id={owner}&message={quote(message)}"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n".encode()


def _post(path: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


@contextmanager
def upstream(binary: Path, tokens: int, interval_us: int, first_ms: int = 0) -> Iterator[int]:
    """The model's server; its port."""
    port = free_port()
    words = [binary, str(port), str(tokens), str(interval_us), str(first_ms)]
    with Process(words, core=OTHER_CORE) as process:
        process.line()
        yield port


@contextmanager
def direct(upstream_port: int) -> Iterator[Target]:
    yield Target("direct", upstream_port)


@contextmanager
def nginx(upstream_port: int) -> Iterator[Target]:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, upstream_port=upstream_port))
        folder.chmod(0o755)
        with Process(["nginx", "-p", folder, "-c", config], core=SERVER_CORE) as process:
            wait_for_port(port)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield Target("nginx", port, tuple(map(int, children)))


@contextmanager
def relay(kind: str, upstream_port: int) -> Iterator[Target]:
    port = free_port()
    words = [sys.executable, HERE / f"relay_{kind}.py", str(port), str(upstream_port)]
    with Process(words, core=SERVER_CORE) as process:
        process.line()
        yield Target(f"{kind} relay", port, (process.pid,))


@contextmanager
def lianhua(
    upstream_port: int, workers: int = 1, *, pinned: bool = True, disk: bool = True, **settings: str
) -> Iterator[Lianhua]:
    """Our server with the embedded store, fsync before every acknowledgement; without `disk` its file is in memory."""
    # Its store may still be writing as it ends.
    with tempfile.TemporaryDirectory(dir=None if disk else MEMORY, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        environment = {
            **{key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ},
            "LIANHUA_DATA_DIR": name,
            "LIANHUA_PORT": "0",
            "LIANHUA_WORKERS": str(workers),
            "LIANHUA_LOG_LEVEL": "warning",
            "LIANHUA_DISCOVERY": "0",
            "LIANHUA_TITLES": "message",  # what is measured is turns
            "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
            "OPENAI_API_KEY": "none",
            "OPENAI_MODEL": "bench",
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        words = [sys.executable, "-m", "lianhua"]
        with Process(
            words,
            core=SERVER_CORE if pinned else None,
            environment=environment,
            folder=folder,
            log=folder / "server.log",
        ) as process:
            port = int(process.line().split("http://127.0.0.1:")[1].split()[0])
            store = int((folder / "store" / "server.pid").read_text())
            os.sched_setaffinity(store, {OTHER_CORE} if pinned else set(CORES))
            server = (process.pid, *_children(process.pid, workers, store))
            yield Lianhua("lianhua", port, server, (store,), folder)


def _children(parent: int, workers: int, store: int) -> tuple[int, ...]:
    """The workers under a supervisor, once all of them are there."""
    deadline = time.monotonic() + 20
    while workers > 1 and time.monotonic() < deadline:
        names = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        found = tuple(pid for pid in map(int, names) if pid != store)
        if len(found) == workers:
            return found
        time.sleep(0.05)
    return ()
