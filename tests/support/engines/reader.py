"""A person before the page in any browser: what they see and do, in words."""

import time
from collections.abc import Callable
from typing import Any, Final, Self

from tests.support.engines.port import Key, Profile, Tab

SEEN_WITHIN_S: Final = 60.0  # only says that something hangs
LOOK_EVERY_S: Final = 0.04

INPUT: Final = ".composer textarea"
OWN: Final = "article.own .own-text"
REPLY: Final = "article.reply"
TEXT: Final = "article.reply .markdown"
BUSY: Final = "article.reply[aria-busy=true]"
TROUBLE: Final = ".trouble"

# The texts of all that a selector finds, as they are read: without the white space that nobody sees.
_TEXTS: Final = """(selector) => [...document.querySelectorAll(selector)].map(
  ({ innerText, textContent }) => (innerText ?? textContent).replace(/\\s+/g, ' ').trim())"""
# Where to press the last button of that name in sight of a pointer, brought there; null where there is none yet.
_POINT: Final = """(name, within) => {
  const isOff = (button) => button.getAttribute('aria-disabled') === 'true';
  const nameOf = (button) => (button.getAttribute('aria-label') ?? button.innerText).trim();
  const called = (button) => nameOf(button) === name && !isOff(button);
  const button = [...document.querySelectorAll(`${within} :is(button, a)`)].filter(called).at(-1);
  return button === undefined ? null : pointAt(button);
}"""
_FIRST: Final = """(selector) => {
  const element = document.querySelector(selector);
  return element === null ? null : pointAt(element);
}"""
_POINT_AT: Final = """const pointAt = (element) => {
  element.scrollIntoView({ block: 'nearest' });
  const box = element.getBoundingClientRect();
  const point = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const hit = document.elementFromPoint(point.x, point.y);
  return hit !== null && (element.contains(hit) || hit.contains(element)) ? point : null;
};"""
_FOCUS: Final = """(selector) => {
  const input = document.querySelector(selector);
  input.focus();
  input.select();
}"""
_GET: Final = """async (path) => {
  const response = await fetch(path, { headers: { 'Accept-Language': 'en' } });
  return response.ok ? response.json() : `${response.status} ${await response.text()}`;
}"""


class Reader:
    """One tab of one person at the server at `url`."""

    def __init__(self, profile: Profile, url: str) -> None:
        self.profile = profile
        self.url = url
        self.page: Tab = profile.new_tab()

    def open(self, place: str = "") -> Self:
        self.page.go(f"{self.url}/{place}")
        self.sees(INPUT)
        return self

    def reload(self) -> None:
        self.page.reload()
        self.sees(INPUT)

    def tab(self) -> "Reader":
        """Another tab of the same person, with the same conversation."""
        return Reader(self.profile, self.url).open(f"#/c/{self.conversation_id}")

    # What the reader does.

    def write(self, text: str) -> None:
        self.page.run(_FOCUS, INPUT)
        self.page.type(text)

    def send(self, text: str) -> None:
        """Types `text` and presses Enter."""
        self.write(text)
        self.press("Enter")

    def say(self, text: str) -> str:
        """Sends `text` and waits for the whole reply; its text."""
        before = len(self.texts(REPLY))
        self.send(text)
        self.waits_until(lambda: len(self.texts(REPLY)), before + 1)
        self.wait_for_end()
        return self.texts(TEXT)[-1]

    def press(self, key: Key) -> None:
        self.page.press(key)

    def click(self, name: str, within: str = "body") -> None:
        """Presses the last button or link of that name."""
        self._click_at(lambda: self.page.run(_in_page(_POINT), name, within), name)

    def click_on(self, selector: str) -> None:
        self._click_at(lambda: self.page.run(_in_page(_FIRST), selector), selector)

    def _click_at(self, find: Callable[[], dict[str, float] | None], what: str) -> None:
        points: list[dict[str, float]] = []
        until(lambda: bool(points) or bool(points.extend(filter(None, [find()]))), lambda: f"nothing to press: {what}")
        self.page.click(**points[0])

    # What the reader sees.

    def texts(self, selector: str) -> list[str]:
        texts: list[str] = self.page.run(_TEXTS, selector)
        return texts

    def sees(self, selector: str, text: str | None = None) -> None:
        """That something is there, and that the last of it says `text` and nothing else."""
        self._last(selector, lambda seen: text is None or seen == " ".join(text.split()), f"is {text!r}")

    def sees_in(self, selector: str, part: str) -> None:
        """That the last of it says `part` among other things."""
        self._last(selector, lambda seen: part in seen, f"says {part!r}")

    def sees_no(self, selector: str) -> None:
        self.waits_until(lambda: self.texts(selector), [])

    def has_typed(self, text: str, selector: str = INPUT) -> None:
        """That a field holds `text`."""
        self.waits_until(lambda: self.page.run("(selector) => document.querySelector(selector).value", selector), text)

    def wait_for_end(self) -> None:
        """Until no reply is being made."""
        self.sees_no(BUSY)

    def waits_until(self, look: Callable[[], Any], wanted: Any, within_s: float = SEEN_WITHIN_S) -> None:
        seen: list[Any] = [None]

        def is_there() -> bool:
            seen[0] = look()
            return bool(seen[0] == wanted)

        until(is_there, lambda: f"{seen[0]!r} is not {wanted!r}", within_s)

    def _last(self, selector: str, is_right: Callable[[str], bool], wanted: str) -> None:
        seen: list[str] = []

        def is_there() -> bool:
            seen[:] = self.texts(selector)
            return bool(seen) and is_right(seen[-1])

        until(is_there, lambda: f"no {selector} that {wanted}: {seen!r}")

    # What the server has.

    @property
    def conversation_id(self) -> str:
        self.waits_until(lambda: self.page.run("() => location.hash.startsWith('#/c/')"), wanted=True)
        return str(self.page.run("() => location.hash")).rpartition("/")[2]

    def stored(self) -> list[dict[str, Any]]:
        """The conversation's messages as the server keeps them."""
        messages: list[dict[str, Any]] = self.get(f"/api/conversations/{self.conversation_id}/messages")["messages"]
        return messages

    def get(self, path: str) -> dict[str, Any]:
        """What the server answers this person."""
        answer = self.page.run(_GET, path)
        assert isinstance(answer, dict), answer
        return answer


def until(holds: Callable[[], bool], describe: Callable[[], str], within_s: float = SEEN_WITHIN_S) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, describe()
        time.sleep(LOOK_EVERY_S)


def _in_page(function: str) -> str:
    return f"(...given) => {{ {_POINT_AT} return ({function})(...given); }}"
