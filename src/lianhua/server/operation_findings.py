"""What `lianhua doctor` says of metrics, logs, backups, the store's format and the limits of a container."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from lianhua.config.readers import is_loopback
from lianhua.config.settings import DAY_S, Settings
from lianhua.store.backup import last_backup
from lianhua.store.client.client import StoreClient
from lianhua.store.embedded.memory import container_memory_bytes
from lianhua.store.format_version import format_of

OLD_BACKUP_DAYS: Final = 7
LEAST_MEMORY_BYTES: Final = 256 * 1024 * 1024  # a process takes 70 MB at rest, the embedded store as much as it holds
_CPU_MAX: Final = Path("/sys/fs/cgroup/cpu.max")


class Finding(Struct, frozen=True):
    """`fine`: there is nothing to mend."""

    fine: bool
    text: str


def metrics(settings: Settings) -> Finding:
    """Where what is counted can be read, and by whom."""
    port, token = settings.metrics_port, settings.metrics_token
    if port is None and token is None:
        return Finding(True, "metrics: none; LIANHUA_METRICS_PORT=9464 serves them to Prometheus (docs/operations.md)")
    if port is not None and not token and not is_loopback(settings.metrics_host):
        where = f"{settings.metrics_host}:{port}"
        return Finding(
            True, f"metrics: {where} for everybody who reaches it; LIANHUA_METRICS_TOKEN asks for a bearer token"
        )
    places = [f"{settings.metrics_host}:{port}"] if port is not None else []
    places += ["/metrics of the server"] if token else []
    return Finding(True, f"metrics: {' and '.join(places)}{', with the token' if token else ''}")


def logs(settings: Settings) -> Finding:
    """What the lines of the log are, and whether they name requests as a proxy does."""
    ids = "X-Request-ID of trusted proxies" if settings.trusted_proxies else "request ids of our own"
    return Finding(True, f"logs: {settings.log_format}, level {settings.log_level}, {ids}")


async def store_findings(database: StoreClient) -> Sequence[Finding]:
    """The store's format, and how old its last backup is. Raises `StoreUnavailable`."""
    findings = [Finding(True, f"store: format {await format_of(database)}")]
    made_at = await last_backup(database)
    return [*findings, backup_age(made_at, time.time())]


def backup_age(made_at: float | None, now: float) -> Finding:
    """Both in seconds since 1970."""
    if made_at is None:
        return Finding(True, "backup: none yet; `lianhua backup FILE` makes one while the server runs")
    days = (now - made_at) / DAY_S
    age = f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours"
    if days > OLD_BACKUP_DAYS:
        return Finding(False, f"backup: the last one is {age} old; run `lianhua backup FILE`")
    return Finding(True, f"backup: the last one is {age} old")


def container(settings: Settings, memory: int | None, cpu_max: str) -> Sequence[Finding]:
    """Its limits, where there are any. `cpu_max` is what the kernel's file of that name says (cgroup-v2.rst): quota and
    period in microseconds.
    """
    findings = []
    if memory:
        fine = memory >= LEAST_MEMORY_BYTES
        advice = "" if fine else "; give it at least 256 MB"
        findings.append(Finding(fine, f"container: {memory / 1e6:.0f} MB of memory{advice}"))
    quota, _, period = cpu_max.strip().partition(" ")
    if quota.isdecimal() and period.isdecimal() and int(period):
        cores = int(quota) / int(period)
        fine = settings.workers <= max(1, cores + 0.5)
        advice = "" if fine else f"; LIANHUA_WORKERS={settings.workers} is more than that can run"
        findings.append(Finding(fine, f"container: {cores:g} cores{advice}"))
    return findings


def own_container(settings: Settings) -> Sequence[Finding]:
    """The limits of the container around us."""
    try:
        cpu_max = _CPU_MAX.read_text()
    except OSError:
        cpu_max = ""
    findings = list(container(settings, container_memory_bytes(), cpu_max))
    if settings.store_url is None and not os.access(_existing(settings.data_dir), os.W_OK):
        findings.append(
            Finding(False, f"container: {settings.data_dir} cannot be written to; mount a volume of user {os.getuid()}")
        )
    return findings


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
