"""The system's Chromium with the flags of the tests, an empty profile, and a door for what measures it."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWPORT: Final = {"width": 1280, "height": 800}
START_S: Final = 20.0
SEEN_WITHIN_MS: Final = 60_000
LOOK_MS: Final = 250
PROBE: Final = Path(__file__).with_name("probe.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Chromium:
    """A running browser. `port` is its debugging door."""

    browser: Browser
    port: int

    @property
    def version(self) -> str:
        return self.browser.version

    @contextmanager
    def person(self, **options: Any) -> Iterator["Person"]:
        """Somebody whom no server has met, with one tab; options as for a browser context."""
        context = self.browser.new_context(**{"viewport": VIEWPORT, "locale": "en-GB", **options})
        context.set_default_timeout(SEEN_WITHIN_MS)
        try:
            page = context.new_page()
            page.add_init_script(PROBE)
            yield Person(context, page, context.new_cdp_session(page))
        finally:
            context.close()


@dataclass(frozen=True)
class Person:
    """Somebody before the page. `tab` is the tab as the developer tools see it."""

    context: BrowserContext
    page: Page
    tab: CDPSession

    def open(self, address: str) -> None:
        """Goes to the page and waits until one can type."""
        self.page.goto(address)
        self.page.locator(".composer textarea").wait_for()

    def send(self, text: str) -> None:
        """Types `text` and presses Enter."""
        self.page.locator(".composer textarea").fill(text)
        self.page.locator(".composer textarea").press("Enter")

    def wait(self, condition: str) -> None:
        """Until a JavaScript expression holds; asked seldom enough not to be part of what is measured."""
        deadline = time.monotonic() + SEEN_WITHIN_MS / 1000
        while not self.page.evaluate(condition):
            if time.monotonic() > deadline:
                raise RuntimeError(f"does not come true: {condition}")
            self.page.wait_for_timeout(LOOK_MS)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser until the block ends. Exits with a sentence where there is none."""
    found = path()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [found, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _port(Path(profile, "DevToolsActivePort"))
            with sync_playwright() as playwright:
                browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
                yield Chromium(browser, port)
                browser.close()
        finally:
            process.terminate()
            process.wait()


def path() -> str:
    """Where the system's Chromium is."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise SystemExit(f"no browser: none of {', '.join(BROWSERS)} is on the PATH")
    return found


def _port(file: Path) -> int:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.02)
    raise RuntimeError("the browser does not start")
