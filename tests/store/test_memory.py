"""The share of memory that the embedded store takes, on a machine and in a container."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from lianhua.store.embedded.memory import STORE_SHARE, cgroup_bytes, store_memory_bytes
from lianhua.store.embedded.server import EmbeddedServer

MIB = 1024 * 1024


def groups(tmp_path: Path, own: str, **limits: str) -> tuple[Path, Path]:
    """A control group and the tree of limits; `__` in a name is a step down."""
    (tmp_path / "own").write_text(own)
    for name, limit in limits.items():
        file = tmp_path / "tree" / name.replace("__", "/").replace("_max", ".max")
        file = file.with_name("memory.limit_in_bytes") if file.name == "limit" else file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    return tmp_path / "own", tmp_path / "tree"


@pytest.mark.parametrize(
    ("own", "limits", "bytes_"),
    [
        ("0::/a/b\n", {"a__b__memory_max": "max", "a__memory_max": "5000", "memory_max": "9000"}, 5000),
        ("0::/a/b\n", {"a__b__memory_max": "max"}, None),
        ("0::/docker/on-the-host\n", {"memory_max": "7000"}, 7000),
        ("12:cpu,cpuacct:/x\n9:memory:/x\n", {"memory__x__limit": "4000"}, 4000),
        ("9:memory:/x\n", {"memory__x__limit": "9223372036854771712"}, None),
        ("", {}, None),
    ],
)
def test_the_smallest_limit_on_the_way_to_the_root_counts(
    tmp_path: Path, own: str, limits: dict[str, str], bytes_: int | None
) -> None:
    assert cgroup_bytes(*groups(tmp_path, own, **limits)) == bytes_


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    assert cgroup_bytes(tmp_path / "none", tmp_path) is None
    total_kib = int(Path("/proc/meminfo").read_text().split()[1])
    found = store_memory_bytes()
    assert found is not None
    assert 0 < found <= total_kib * 1024 * STORE_SHARE + 1


async def test_the_embedded_store_keeps_within_its_memory(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, memory_bytes=64 * MIB)
    await server.start()
    try:
        async with Redis(unix_socket_path=str(server.socket)) as client:
            assert await client.config_get("maxmemory") == {"maxmemory": str(64 * MIB)}
    finally:
        await server.close()
