"""Which servers lose writes after a torn file, and who says so."""

import asyncio
import shutil
from pathlib import Path

import pytest

from lianhua.config.settings import load_settings
from lianhua.server.doctor import examine
from lianhua.store.client.versions import Version, loses_after_a_tear
from tests.conftest import SCRIPT
from tests.support.servers.program import Flavour
from tests.support.servers.redis_server import RedisServer


@pytest.mark.parametrize(
    ("name", "version", "loses"),
    [
        ("valkey", (7, 2, 13), True),
        ("valkey", (8, 0, 10), True),
        ("valkey", (8, 0, 11), False),
        ("valkey", (8, 1, 9), True),
        ("valkey", (8, 1, 10), False),
        ("valkey", (9, 0, 5), True),
        ("valkey", (9, 0, 6), False),
        ("valkey", (9, 1, 0), True),
        ("valkey", (9, 1, 1), True),
        ("valkey", (9, 1, 2), False),
        ("valkey", (9, 2, 0), False),
        ("valkey", (10, 0), False),
        ("redis", (7, 0, 15), True),
        ("redis", (8, 4, 0), True),
    ],
)
def test_which_versions_lose_what_they_acknowledge_after_a_tear(name: str, version: Version, loses: bool) -> None:
    assert loses_after_a_tear(name, version) == loses


@pytest.mark.parametrize(("flavour", "named"), [("valkey", False), ("redis", True)])
def test_doctor_and_the_start_name_a_server_with_the_fault(
    tmp_path: Path, flavour: Flavour, named: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with RedisServer(tmp_path / "server", flavour=flavour, config={"appendonly": "yes"}) as server:
        environ = {"REDIS_URL": server.url, "LIANHUA_SCRIPT": str(SCRIPT), "LIANHUA_DATA_DIR": str(tmp_path / "data")}
        findings = asyncio.run(examine(load_settings(environ, tmp_path / "none")))
    warned = [finding.text for finding in findings if "pull request 4342" in finding.text]
    assert [text.split(":")[0] for text in warned] == ["store"] * named
    assert ("pull request 4342" in caplog.text) == named
    assert all(finding.fine for finding in findings)


def test_a_server_of_the_path_without_the_mend_is_rewritten_by_us_and_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lianhua.store.embedded.server.server_binary", lambda: Path(str(shutil.which("redis-server"))))
    environ = {"LIANHUA_SCRIPT": str(SCRIPT), "LIANHUA_DATA_DIR": str(tmp_path)}
    findings = asyncio.run(examine(load_settings(environ, tmp_path / "none")))
    assert all("4342" not in finding.text for finding in findings)
    assert "4342" not in caplog.text
