"""Whether a machine has room for a model."""

import contextlib
import os
import shutil
from pathlib import Path

from lianhua.models.download.reason import Skipped, too_little_disk, too_little_memory
from lianhua.models.download.small import PinnedModel

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")  # cgroup v2: what a container may use, or "max"


def check_room(model: PinnedModel, folder: Path, kept_bytes: int) -> None:
    """Raise `Skipped` where the disk or the memory is too small; `kept_bytes` have arrived already."""
    need, free = model.disk_bytes - kept_bytes, shutil.disk_usage(folder).free
    if free < need:
        raise Skipped(too_little_disk(need, free))
    have = memory_bytes()
    if have is not None and have < model.memory_bytes:
        raise Skipped(too_little_memory(model.memory_bytes, have))


def memory_bytes() -> int | None:
    """Memory of this machine, or of this container where that is less; None where nothing tells."""
    sizes = []
    if hasattr(os, "sysconf"):
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):
        sizes.append(int(CGROUP_LIMIT.read_text("ascii")))
    return min((size for size in sizes if size > 0), default=None)
