"""axe finds nothing against WCAG 2.2 AA and its own best practice, wherever a reader can get to."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

EVERYTHING = """# One

## Two

### Three

**Strong**, *slanted*, ~~struck~~, `code`, [a link](https://a.example/), https://b.example and a line\\
break. **粗体：**文字

- a
  1. b
- [x] done
- [ ] open

> quoted

| a | b |
|:--|--:|
| 1 | 2 |

---

```py
def f(x: int) -> str:
    return "text"  # comment
```

```
plain
```

$x^2$

$$\\sum_{i=1}^n i$$
"""


def find(talk: Talk) -> list[str]:
    """What axe finds against the page as it stands, in light and in dark."""
    if not talk.page.evaluate("'axe' in window"):
        talk.page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = []
    for scheme in ("dark", "light"):
        talk.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += talk.page.evaluate(
            """async tags => {
              // Not halfway between two colours: what a transition is inherited by begins one of its own.
              const moving = () => document.getAnimations().filter(({ effect }) =>
                effect.getComputedTiming().iterations !== Infinity);
              while (moving().length > 0) await Promise.all(moving().map(({ finished }) => finished.catch(() => {})));
              const { violations } = await axe.run({ runOnly: tags, resultTypes: ["violations"] });
              return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
            }""",
            TAGS,
        )
    return found


@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
def test_axe_finds_nothing_on_the_way_through_the_page(
    new_talk: NewTalk, puppet_url: str, model: PuppetModel, locale: str
) -> None:
    talk = new_talk(puppet_url, locale=locale, reduced_motion="reduce")
    assert find(talk) == [], "empty"
    talk.send("everything")
    reply = model.next_reply()
    reply.say(EVERYTHING)
    expect(talk.page.locator(".hljs-keyword").first).to_be_visible()
    assert find(talk) == [], "a running reply"
    reply.end()
    talk.wait_for_end()
    talk.page.locator(".reply-foot button[aria-expanded]").click()
    expect(talk.page.locator(".sent-row").first).to_be_visible()
    assert find(talk) == [], "a chat, its list, what was sent"
    look_into_dialogs(talk)
    look_into_the_menu(talk)
    stop_edit_and_search(talk, model)
    look_on_a_phone(talk)
    expect(talk.page.locator("html")).to_have_attribute("lang", re.compile(f"^{locale[:2]}"))


def look_into_dialogs(talk: Talk) -> None:
    dialog = talk.page.get_by_role("dialog")
    talk.page.locator(".head-tools button").last.click()
    expect(dialog).to_be_visible()
    assert find(talk) == [], "clear"
    talk.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    talk.page.locator(".side-item button").click()
    expect(dialog).to_be_visible()
    assert find(talk) == [], "a conversation's options"
    dialog.locator(".button.danger").click()
    expect(dialog.locator(".dialog-actions.many")).to_be_visible()
    assert find(talk) == [], "delete"
    talk.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def look_into_the_menu(talk: Talk) -> None:
    dialog = talk.page.get_by_role("dialog")
    for number in range(4):
        talk.page.locator(".side-foot button").first.click()
        entry = talk.page.locator(".more-entry").nth(number)
        expect(entry).to_be_visible()
        if number == 0:
            assert find(talk) == [], "the menu"
        entry.click()
        expect(talk.page.locator(".more-entry")).to_have_count(0)
        expect(dialog).to_be_visible()
        assert find(talk) == [], f"entry {number} of the menu"
        talk.page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


def stop_edit_and_search(talk: Talk, model: PuppetModel) -> None:
    talk.send("and stop")
    model.next_reply().say("Half")
    expect(talk.texts.last).to_have_text("Half")
    talk.page.locator(".send.stop").click()
    expect(talk.page.locator(".end")).to_be_visible()
    talk.own.first.locator("button").first.focus()
    talk.page.keyboard.press("Enter")
    expect(talk.page.locator(".editor textarea")).to_be_focused()
    talk.page.get_by_role("searchbox").fill("everything")
    expect(talk.page.locator(".found-match").first).to_be_visible()
    assert find(talk) == [], "stopped, edited, searched"
    talk.page.get_by_role("searchbox").fill("")


def look_on_a_phone(talk: Talk) -> None:
    talk.page.set_viewport_size({"width": 360, "height": 700})
    expect(talk.page.locator(".side")).not_to_be_in_viewport()
    assert find(talk) == [], "360 px"
    talk.page.locator("header button").first.click()
    expect(talk.page.locator(".side.open")).to_be_in_viewport(ratio=0.9)
    assert find(talk) == [], "the drawer"
