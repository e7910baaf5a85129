"""How much memory the embedded store may take: a share of what this machine, or the container around us, has."""

import os
from pathlib import Path, PurePosixPath
from typing import Final

# The rest is for the server itself, and for the pages that are written to while a rewrite of the file copies them.
STORE_SHARE: Final = 0.6
_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = Path("/proc/self/cgroup")


def store_memory_bytes() -> int | None:
    """What the store may take where no setting says it; None where the system does not tell how much there is."""
    known = [size for size in (_machine_bytes(), container_memory_bytes()) if size]
    return int(min(known) * STORE_SHARE) if known else None


def container_memory_bytes() -> int | None:
    """The limit of the container around us; None without one."""
    return cgroup_bytes(_OWN_CGROUP, _CGROUPS)


def cgroup_bytes(own: Path, root: Path) -> int | None:
    """The smallest limit of memory on the way from our control group to the root; None without one.

    Version 2 has `memory.max` in each group ("max": none), version 1 `memory.limit_in_bytes` under `memory/` (a number
    near 2**63: none). Kernel documentation, cgroup-v2.rst and cgroup-v1/memory.rst. In a container the path may be the
    host's and the folders begin at the container's own: then the root's file tells.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            limits += _limits(root, path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits(root / "memory", path, "memory.limit_in_bytes")
    return min(limits, default=None)


def _limits(root: Path, path: str, name: str) -> list[int]:
    groups = PurePosixPath(path.lstrip("/"))
    limits = []
    for group in (groups, *groups.parents):
        try:
            text = (root / group / name).read_text().strip()
        except OSError:
            continue
        if text.isascii() and text.isdecimal() and int(text) < 2**62:
            limits.append(int(text))
    return limits


def _machine_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None
