"""Chromium, driven by Playwright as in the tests beside this folder."""

from typing import Any

import playwright.sync_api as playwright

from tests.support.engines.port import HEIGHT_PX, LANGUAGE, WIDTH_PX, Key


class ChromiumTab:
    def __init__(self, page: playwright.Page) -> None:
        self._page = page

    def go(self, url: str) -> None:
        self._page.goto(url)

    def reload(self) -> None:
        self._page.reload()

    def back(self) -> None:
        self._page.go_back(wait_until="commit")

    def run(self, function: str, *arguments: Any) -> Any:
        return self._page.evaluate(f"(given) => ({function})(...given)", list(arguments))

    def click(self, x: float, y: float) -> None:
        self._page.mouse.click(x, y)

    def type(self, text: str) -> None:
        self._page.keyboard.type(text)

    def press(self, key: Key) -> None:
        self._page.keyboard.press(key)

    def wheel(self, x: float, y: float, down_px: int) -> None:
        self._page.mouse.move(x, y)
        self._page.mouse.wheel(0, down_px)

    def front(self) -> None:
        self._page.bring_to_front()

    def sleep(self) -> None:
        self._set_lifecycle("frozen")

    def wake(self) -> None:
        self._set_lifecycle("active")

    def resize(self, width: int, height: int) -> None:
        self._page.set_viewport_size({"width": width, "height": height})

    def picture(self) -> bytes:
        return self._page.screenshot()

    def close(self) -> None:
        self._page.close()

    def _set_lifecycle(self, state: str) -> None:
        session = self._page.context.new_cdp_session(self._page)
        session.send("Page.setWebLifecycleState", {"state": state})
        session.detach()


class ChromiumProfile:
    def __init__(self, browser: playwright.Browser) -> None:
        self._context = browser.new_context(locale=LANGUAGE, viewport={"width": WIDTH_PX, "height": HEIGHT_PX})
        self._troubles: list[str] = []
        self._context.on("weberror", lambda error: self._troubles.append(f"error: {error.error}"))
        self._context.on("console", lambda message: self._note(message.type, message.text))

    def new_tab(self) -> ChromiumTab:
        return ChromiumTab(self._context.new_page())

    def troubles(self) -> list[str]:
        return self._troubles

    def close(self) -> None:
        self._context.close()

    def _note(self, kind: str, text: str) -> None:
        # The network's own failures are what some tests are about.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self._troubles.append(f"{kind}: {text}")


class Chromium:
    name = "chromium"

    def __init__(self, browser: playwright.Browser) -> None:
        self._browser = browser
        self.version = browser.version

    def new_profile(self) -> ChromiumProfile:
        return ChromiumProfile(self._browser)

    def close(self) -> None:
        """The browser belongs to whoever started it."""
