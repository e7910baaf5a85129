"""What `lianhua doctor` says of metrics, logs, backups and the limits of a container."""

import subprocess
import sys
from pathlib import Path

import pytest

from lianhua.config.settings import DAY_S, Settings, load_settings
from lianhua.server.operation_findings import backup_age, container, logs, metrics
from tests.conftest import SCRIPT, StartServer
from tests.support.waiting import HANGS_S

TOKEN = "a-token-for-scrapes-only"


def settings_of(**environ: str) -> Settings:
    return load_settings(environ, Path("/nonexistent/.env"))


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, ["none", "LIANHUA_METRICS_PORT"]),
        ({"LIANHUA_METRICS_PORT": "9464"}, ["127.0.0.1:9464"]),
        ({"LIANHUA_METRICS_PORT": "9464", "LIANHUA_METRICS_HOST": "0.0.0.0"}, ["everybody", "LIANHUA_METRICS_TOKEN"]),
        ({"LIANHUA_METRICS_TOKEN": TOKEN}, ["/metrics of the server", "with the token"]),
    ],
    ids=str,
)
def test_where_metrics_are_is_said_and_never_the_token(environ: dict[str, str], words: list[str]) -> None:
    finding = metrics(settings_of(**environ))
    assert finding.fine
    assert [word for word in words if word not in finding.text] == []
    assert TOKEN not in finding.text


def test_logs_are_described() -> None:
    assert "text, level info" in logs(settings_of()).text
    proxied = settings_of(LIANHUA_LOG_FORMAT="json", LIANHUA_TRUSTED_PROXIES="10.0.0.1")
    assert "json" in logs(proxied).text
    assert "X-Request-ID" in logs(proxied).text


@pytest.mark.parametrize(
    ("days", "fine", "words"),
    [(None, True, "none yet"), (0.25, True, "6 hours"), (3, True, "3 days"), (8, False, "8 days")],
)
def test_a_backup_of_more_than_a_week_is_to_be_made_anew(days: float | None, fine: bool, words: str) -> None:
    now = 100 * DAY_S
    finding = backup_age(None if days is None else now - days * DAY_S, now)
    assert (finding.fine, words in finding.text) == (fine, True)


@pytest.mark.parametrize(
    ("workers", "memory", "cpu_max", "fine"),
    [
        (4, None, "max 100000\n", []),
        (4, None, "", []),
        (1, 1_000_000_000, "50000 100000", [True, True]),
        (4, 1_000_000_000, "200000 100000", [True, False]),
        (2, 100_000_000, "200000 100000", [False, True]),
    ],
)
def test_a_containers_limits_are_held_against_what_is_to_run_in_it(
    workers: int, memory: int | None, cpu_max: str, fine: list[bool]
) -> None:
    found = container(settings_of(LIANHUA_WORKERS=str(workers)), memory, cpu_max)
    assert [finding.fine for finding in found] == fine


def test_the_doctor_looks_into_the_store_of_a_running_server(tmp_path: Path, start_server: StartServer) -> None:
    start_server(LIANHUA_SCRIPT=str(SCRIPT))
    doctor = subprocess.run(
        [sys.executable, "-m", "lianhua", "doctor"],
        env={"LIANHUA_DATA_DIR": str(tmp_path), "LIANHUA_SCRIPT": str(SCRIPT), "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    for words in (
        "a running lianhua serves from",
        "store: format 2",
        "backup: none yet",
        "metrics: none",
        "logs: text",
    ):
        assert words in doctor.stdout
