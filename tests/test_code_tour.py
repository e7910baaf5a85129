"""The tour of the code leads somewhere: every file and every name on it exists."""

import importlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOUR = (ROOT / "docs" / "code-tour.md").read_text("utf-8")
STOP = re.compile(r"`(lianhua/[a-z_/]+)\.py: ([A-Za-z_.]+)`")
PLACE = re.compile(r"`([a-z_]+(?:/[a-z_]+)*\.(?:py|lua))`")


def test_every_name_on_the_tour_exists() -> None:
    stops = STOP.findall(TOUR)
    assert len(stops) > 20
    for module, name in stops:
        found: object = importlib.import_module(module.replace("/", "."))
        for part in name.split("."):
            assert hasattr(found, part), f"{module}: {name}"
            found = getattr(found, part)


def test_every_file_on_the_tour_exists() -> None:
    for path in PLACE.findall(TOUR):
        assert any((folder / path).is_file() for folder in (ROOT, ROOT / "src" / "lianhua")), path


def test_there_are_ten_stops() -> None:
    assert re.findall(r"(?m)^(\d+)\. ", TOUR) == [str(number) for number in range(1, 11)]
