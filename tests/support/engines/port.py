"""What a test asks of a browser, whatever its engine and however that is driven.

Only what differs stands here; what a reader does with it is `reader.py`.
"""

from typing import Any, Final, Literal, Protocol

WIDTH_PX: Final = 1280
HEIGHT_PX: Final = 800
LANGUAGE: Final = "en-GB"
"""What the browsers say that their reader speaks."""

Key = Literal["Enter", "Escape", "Tab", "PageUp", "Home", "End"]


class Tab(Protocol):
    """One tab of one person. Points are in CSS pixels of the viewport."""

    def go(self, url: str) -> None:
        """Goes to `url` and waits until it is loaded."""

    def reload(self) -> None: ...

    def back(self) -> None: ...

    def run(self, function: str, *arguments: Any) -> Any:
        """What the JavaScript `function` returns in the page, awaited. Arguments and result are JSON."""

    def click(self, x: float, y: float) -> None: ...

    def type(self, text: str) -> None:
        """Types `text` where the focus is, key by key."""

    def press(self, key: Key) -> None: ...

    def wheel(self, x: float, y: float, down_px: int) -> None:
        """Turns the wheel over a point."""

    def front(self) -> None:
        """Makes it the tab that is seen."""

    def sleep(self) -> None:
        """Until `wake` the page does nothing, as in a laptop whose lid is closed."""

    def wake(self) -> None: ...

    def resize(self, width: int, height: int) -> None: ...

    def picture(self) -> bytes:
        """What is seen, as PNG."""

    def close(self) -> None: ...


class Profile(Protocol):
    """What one person's tabs share: cookies, storage, locks. It begins empty."""

    def new_tab(self) -> Tab: ...

    def troubles(self) -> list[str]:
        """What the pages logged as an error or a warning, and where they broke their own policy."""

    def close(self) -> None: ...


class Browser(Protocol):
    """A running browser of one engine."""

    name: str
    version: str

    def new_profile(self) -> Profile: ...

    def close(self) -> None: ...
