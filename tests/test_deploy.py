"""The container image and the chart name what there is. Both are built, linted and run by `make image-check`."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lianhua.config.settings import SETTINGS
from tests.support.server_process import ServerProcess

ROOT = Path(__file__).parents[1]
CONTAINERFILE = (ROOT / "Containerfile").read_text("utf-8")
CHART = ROOT / "deploy/helm/lianhua"


@pytest.mark.parametrize("file", [ROOT / "Containerfile", CHART / "templates/deployment.yaml", CHART / "values.yaml"])
def test_only_settings_that_exist_are_set(file: Path) -> None:
    named = set(re.findall(r"\b(?:LIANHUA|OPENAI|REDIS)_[A-Z_]+\b", file.read_text("utf-8")))
    assert named
    assert named <= {row.env for row in SETTINGS}


def pins(name: str) -> set[str]:
    return set(re.findall(r"^[a-z0-9._-]+(?:\[[a-z]+\])?==[^ ;]+", (ROOT / "requirements" / name).read_text(), re.M))


def test_the_image_has_what_the_server_is_tested_with() -> None:
    assert pins("image.txt") < pins("run.txt")
    assert {pin.partition("==")[0] for pin in pins("run.txt") - pins("image.txt")} == {"xllamacpp"}


def test_the_chart_is_of_this_version() -> None:
    version = re.search(r'version = "(.+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    chart = (CHART / "Chart.yaml").read_text("utf-8")
    assert version
    assert f'appVersion: "{version[1]}"' in chart


def test_everything_that_is_copied_into_the_build_is_let_in() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8")
    for name in re.findall(r"(?:scripts|requirements)/[a-z_]+\.[a-z]+", CONTAINERFILE):
        assert f"!{name}\n" in ignored
        assert (ROOT / name).is_file()


def test_the_health_check_tells_a_server_from_none(http_server: ServerProcess) -> None:
    found = re.search(r"HEALTHCHECK .*? CMD (\[.*\])", CONTAINERFILE)
    assert found
    _, *arguments = json.loads(found[1])
    port = http_server.url.rpartition(":")[2]
    for place, healthy in ((port, True), ("1", False)):
        checked = subprocess.run(
            [sys.executable, *arguments], env={"LIANHUA_PORT": place}, capture_output=True, check=False
        )
        assert (checked.returncode == 0) is healthy
