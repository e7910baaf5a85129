"""axe-core's rules over everything that the page can show: both languages, both colour schemes, wide and narrow."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final, Literal

from playwright.sync_api import Locator

from benchmarks.page.browser import VIEWPORT, Person
from benchmarks.page.deployment import Deployment
from benchmarks.page.figure import Figure
from benchmarks.page.model import Plan
from benchmarks.page.node import WEB
from benchmarks.page.writings import Writer

AXE: Final = WEB / "node_modules" / "axe-core" / "axe.min.js"
TAGS: Final = ("wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice")
LANGUAGES: Final = ("en-GB", "zh-CN")
NARROW: Final = {"width": 360, "height": 700}
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
APPEARS_MS: Final = 400  # longer than any movement of the page
# What `Writer.mixed` has not.
REST: Final = """---

1. one
2. two
   - nested

~~gone~~ <b>no tag</b> $x^2$

$$\\frac{1}{2}$$

- [x] done
- [ ] open
"""


@dataclass
class Looks:
    """`found` are violations, each a rule and a kind of element, with where it was seen."""

    count: int = 0
    places: dict[str, None] = field(default_factory=dict)
    found: dict[str, list[str]] = field(default_factory=dict)


def axe(deployment: Deployment) -> list[Figure]:
    """axe: empty, chat, dialogs, list, narrow; light and dark; both languages."""
    looks = Looks()
    for language, viewport in product(LANGUAGES, (VIEWPORT, NARROW)):
        with deployment.browser.person(locale=language, viewport=viewport, reduced_motion="reduce") as person:
            person.page.add_init_script(path=AXE)
            person.open(deployment.url)
            for place in _walk(deployment, person, viewport is NARROW):
                looks.places[place] = None
                _look(person, looks, f"{place}, {language}, {viewport['width']} px")
    measured = f"{len(looks.found)} in {looks.count} looks" + (f": {', '.join(looks.found)}" if looks.found else "")
    values = {"places": list(looks.places), "rules": list(TAGS), "found": looks.found}
    name = "axe violations: everything, light and dark, zh and en, wide and 360 px"
    return [Figure(name, "0", measured, not looks.found, values)]


def _look(person: Person, looks: Looks, place: str) -> None:
    person.page.wait_for_timeout(APPEARS_MS)
    for scheme in SCHEMES:
        person.page.emulate_media(color_scheme=scheme)
        person.wait(_AT_REST)
        looks.count += 1
        for found in person.page.evaluate(_RUN, list(TAGS)):
            looks.found.setdefault(found, []).append(f"{place}, {scheme}")


# Half way from one colour to another every contrast is a chance one.
_AT_REST: Final = """document.getAnimations()
  .every((one) => one.effect.getComputedTiming().iterations === Infinity || one.playState === 'finished')"""
# Of elements of one kind the first: a violation of all paragraphs is one.
_RUN: Final = """async (tags) => {
  const options = { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] };
  const { violations } = await axe.run(document, options);
  const kind = ({ target }) => {
    const element = document.querySelector(target.at(-1));
    return [element.tagName.toLowerCase(), ...element.classList].join(".");
  };
  return violations.flatMap(({ id, nodes }) => [...new Set(nodes.map((node) => `${id} ${kind(node)}`))]);
}"""


def _walk(deployment: Deployment, person: Person, is_narrow: bool) -> Iterator[str]:
    """Goes from one thing that the page shows to the next, and says what it is."""
    page = person.page
    yield "empty page"
    deployment.model.plan = Plan(["Half of ", *["and more "] * 200], 2)
    person.send("What will be stopped?")
    person.wait("document.querySelector('article.reply .markdown')?.textContent.startsWith('Half')")
    yield "a reply being made"
    page.locator(".send.stop").click()
    _wait_for_end(person)
    yield "a stopped reply"
    deployment.model.plan = Plan([f"{Writer().mixed(1_500)}\n\n{REST}"], 1)
    person.send("Every kind of block, please.")
    person.wait("document.querySelectorAll('article.reply').length === 2")
    _wait_for_end(person)
    page.mouse.move(5, 5)  # fetches what is fetched later, as a hand does
    yield "every kind of block"
    page.locator("article.reply button[aria-expanded]").last.click()
    page.locator(".sent-row").first.wait_for()
    yield "what was sent"
    page.locator("article.own .own-foot > button.icon-button:not([aria-pressed])").last.click()
    page.locator(".editor textarea").wait_for()
    yield "a message being edited"
    page.locator(".editor-actions button").first.click()
    yield from _dialog(person, "clear", page.locator(".head-tools [aria-haspopup=dialog]"))
    _open_list(person, is_narrow)
    yield "the drawer" if is_narrow else "the list"
    yield from _dialog(person, "options", page.locator(".side-item [aria-haspopup=dialog]").first)
    _open_list(person, is_narrow)
    yield from _more(person)
    _open_list(person, is_narrow)
    page.locator(".search input").fill("block")
    page.locator(".found").first.wait_for()
    yield "search results"
    page.locator(".search input").fill("橐龠")
    page.locator(".side-note").wait_for()
    yield "nothing found"


def _open_list(person: Person, is_narrow: bool) -> None:
    """On a phone it is a drawer, which a dialog's Escape may close as well."""
    person.page.wait_for_timeout(APPEARS_MS)
    if is_narrow and not person.page.locator(".side .button.new").is_visible():
        person.page.locator(".head > .icon-button").click()
        person.page.locator(".side .button.new").wait_for()


def _dialog(person: Person, name: str, opener: Locator) -> Iterator[str]:
    opener.click()
    person.page.locator("dialog[open]").wait_for()
    yield f"dialog: {name}"
    person.page.keyboard.press("Escape")
    person.page.locator("dialog[open]").wait_for(state="detached")


def _more(person: Person) -> Iterator[str]:
    """The menu and all that it leads to."""
    opener = person.page.locator(".side-foot [aria-haspopup=dialog]")
    if opener.count() == 0:
        return
    yield from _dialog(person, "more", opener)
    opener.click()
    entries = person.page.locator("dialog[open] .more-entry")
    entries.first.wait_for()
    count = entries.count()
    person.page.keyboard.press("Escape")
    for number in range(count):
        opener.click()
        entries.nth(number).click()
        entries.first.wait_for(state="detached")
        yield f"dialog: more, {number + 1} of {count}"
        while person.page.locator("dialog[open]").count():
            person.page.keyboard.press("Escape")
            person.page.wait_for_timeout(APPEARS_MS)


def _wait_for_end(person: Person) -> None:
    person.wait("document.querySelectorAll('article.reply[aria-busy=true]').length === 0")
