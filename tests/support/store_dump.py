"""Everything that a store holds, read past the server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis

from lianhua.store.embedded.server import EmbeddedServer


def store_pid(data_dir: Path) -> int:
    """The process id of the running embedded store."""
    return int((data_dir / "store" / "server.pid").read_text())


def gone(pid: int) -> bool:
    """Whether a process has ended; one that only waits to be collected has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def dump(data_dir: Path) -> str:
    """Everything in the embedded store of a data directory, see `dump_of`."""
    with Redis(unix_socket_path=str(EmbeddedServer(data_dir).socket)) as redis:
        return dump_of(redis)


def dump_of(redis: "Redis") -> str:
    """All keys with all their values, whatever their type, as one text with a line for each key."""
    return "\n".join(f"{key!r} {_value(redis, key)!r}" for key in redis.scan_iter(count=1000))


def without_feeds(dumped: str) -> str:
    """A dump without the ids that tabs are told of and that are counted already; these expire by themselves."""
    return "\n".join(line for line in dumped.splitlines() if ":feed" not in line and ":counted" not in line)


def _value(redis: "Redis", key: bytes) -> Any:
    kind: Any = redis.type(key)
    read: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: redis.get(key),
        b"hash": lambda: redis.hgetall(key),
        b"list": lambda: redis.lrange(key, 0, -1),
        b"set": lambda: redis.smembers(key),
        b"zset": lambda: redis.zrange(key, 0, -1, withscores=True),
        b"stream": lambda: redis.xrange(key),
        b"none": lambda: None,  # it has just expired
    }
    return read[kind]()
