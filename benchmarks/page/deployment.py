"""What the measurements share: a browser, a paced model, and a real `lianhua serve` before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from benchmarks.page.browser import Chromium, chromium
from benchmarks.page.model import PacedModel
from benchmarks.targets import lianhua

CALIBRATIONS: Final = 9
# All that is imported stays.
SETTINGS: Final[dict[str, Any]] = {"LIANHUA_RETENTION_MESSAGES": "0", "LIANHUA_RETENTION_DAYS": "0"}


@dataclass(frozen=True)
class Deployment:
    """`url` is the page's."""

    browser: Chromium
    model: PacedModel
    url: str

    def calibration_ms(self) -> float:
        """How long a fixed piece of JavaScript takes here, in the middle of several times."""
        with self.browser.person() as person:
            person.open(self.url)
            times: list[float] = [person.page.evaluate("__probe.work().ms") for _ in range(CALIBRATIONS)]
            return round(median(times), 1)


@contextmanager
def deployment() -> Iterator[Deployment]:
    """Everything that is needed, until the block ends. Nothing is pinned to a core."""
    with (
        PacedModel() as model,
        lianhua(model.port, pinned=False, disk=False, **SETTINGS) as server,
        chromium() as browser,
    ):
        yield Deployment(browser, model, f"http://127.0.0.1:{server.port}")
