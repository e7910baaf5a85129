"""Everything can be done by keys alone, with the focus in sight; and everything can be hit by a finger."""

from playwright.sync_api import Locator, expect

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel

MOST_STOPS = 60
FINGER_PX = 44  # WCAG 2.2, 2.5.5

# Whether an element, or the box that it stands in, looks different while it has the focus.
SHOWS_FOCUS = """element => {
  const look = () => [element, element.parentElement].map(box => {
    const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderTopColor } = getComputedStyle(box);
    return [outlineStyle, outlineStyle === "none" ? "" : outlineWidth + outlineColor, boxShadow, borderTopColor];
  }).join();
  const focused = look();
  element.blur();
  const other = look();
  element.focus({ focusVisible: true, preventScroll: true });
  return focused !== other;
}"""

# Looked at in one go, for the page lives. A link in running text is as high as its line, and may be.
SMALL = """least => [...document.querySelectorAll("button, a, select, input, textarea, summary")]
  .filter(control => control.checkVisibility({ visibilityProperty: true }) && !control.closest(".markdown p"))
  .filter(control => ![control, ...(control.labels ?? [])].some(target => {
    const { width, height } = target.getBoundingClientRect();
    return width >= least && height >= least;
  }))
  .map(control => `${Math.round(control.offsetWidth)} x ${Math.round(control.offsetHeight)}: ${control.outerHTML}`)"""


class Keys:
    """A person without a pointer."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.press = talk.page.keyboard.press

    def reach(self, target: Locator, key: str = "Tab") -> None:
        """Goes to `target`, and sees there that it is there."""
        for _ in range(MOST_STOPS):
            if target.evaluate("element => element === document.activeElement"):
                assert target.evaluate(SHOWS_FOCUS), f"no sign of the focus on {target}"
                return
            self.press(key)
        raise AssertionError(f"not reached by {key}: {target}")

    def do(self, name: str, within: Locator | None = None, *, tab: str = "Tab", key: str = "Enter") -> None:
        """Presses the button called `name`."""
        place = within or self.talk.page.locator("body")
        self.reach(place.get_by_role("button", name=name, exact=True), tab)
        self.press(key)

    def expect_kept(self) -> None:
        """The focus is on something that the reader can go on from."""
        expect(self.talk.page.locator(":focus")).to_be_visible()


def test_every_action_is_reached_by_keys_and_none_loses_the_focus(puppet_talk: Talk, model: PuppetModel) -> None:
    keys = Keys(puppet_talk)
    expect(puppet_talk.input).to_be_focused()
    ask_and_stop(puppet_talk, keys, model)
    go_on_and_answer_again(puppet_talk, keys, model)
    copy_pin_and_look(puppet_talk, keys)
    edit(puppet_talk, keys, model)
    name_and_pin(puppet_talk, keys)
    search(puppet_talk, keys)
    open_the_menu_and_change_the_language(puppet_talk, keys)
    clear_and_delete(puppet_talk, keys)


def ask_and_stop(puppet_talk: Talk, keys: Keys, model: PuppetModel) -> None:
    """With a persona, for the first message."""
    page = puppet_talk.page
    persona = page.get_by_label("Persona", exact=True)
    keys.reach(persona, "Shift+Tab")
    keys.press("ArrowDown")
    expect(persona).to_have_value("teacher")
    keys.reach(puppet_talk.input)
    page.keyboard.type("one")
    keys.press("Enter")
    model.next_reply().say("Half")
    expect(puppet_talk.texts).to_have_text(["Half"])
    keys.do("Stop the reply")
    expect(puppet_talk.replies).to_contain_text("You stopped this reply.")
    keys.expect_kept()


def go_on_and_answer_again(puppet_talk: Talk, keys: Keys, model: PuppetModel) -> None:
    keys.do("Continue", tab="Shift+Tab")
    reply = model.next_reply()
    keys.expect_kept()
    reply.say(" and whole.")
    reply.end()
    puppet_talk.wait_for_end()
    expect(puppet_talk.texts).to_have_text(["Half and whole."])
    keys.expect_kept()
    keys.do("Answer again", tab="Shift+Tab")
    reply = model.next_reply()
    reply.say("Again.")
    reply.end()
    puppet_talk.wait_for_end()
    keys.expect_kept()
    keys.do("Previous version", tab="Shift+Tab", key="Space")
    expect(puppet_talk.texts).to_have_text(["Half and whole."])
    keys.expect_kept()


def copy_pin_and_look(puppet_talk: Talk, keys: Keys) -> None:
    puppet_talk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keys.do("Copy")
    expect(puppet_talk.status).to_have_text("Copied")
    keys.do("Pin", puppet_talk.replies)
    expect(puppet_talk.status).to_have_text("Pinned: it is kept as long as the conversation.")
    keys.do("What was sent", key="Space")
    expect(puppet_talk.page.locator(".sent-row").first).to_be_visible()
    keys.expect_kept()


def edit(puppet_talk: Talk, keys: Keys, model: PuppetModel) -> None:
    page = puppet_talk.page
    keys.do("Edit", puppet_talk.own, tab="Shift+Tab")
    editor = page.get_by_label("Edit message")
    expect(editor).to_be_focused()
    keys.press("Escape")
    keys.expect_kept()
    keys.do("Edit", puppet_talk.own)
    expect(editor).to_be_focused()
    page.keyboard.type(" and two")
    keys.do("Send", page.locator(".editor"))
    reply = model.next_reply()
    reply.say("Two.")
    reply.end()
    puppet_talk.wait_for_end()
    expect(puppet_talk.own.locator(".own-text")).to_have_text(["one and two"])
    keys.expect_kept()


def name_and_pin(puppet_talk: Talk, keys: Keys) -> None:
    """A title and a pin for the conversation; the way back first."""
    page = puppet_talk.page
    dialog, options = page.get_by_role("dialog"), page.get_by_role("button", name="Options for")
    keys.reach(options, "Shift+Tab")
    keys.press("Enter")
    expect(dialog).to_be_visible()
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    expect(options).to_be_focused()
    keys.press("Enter")
    keys.reach(dialog.get_by_label("Title"))
    keys.press("Control+a")
    page.keyboard.type("named")
    keys.reach(dialog.get_by_label("Pin"))
    keys.press("Space")
    keys.do("Save", dialog)
    expect(puppet_talk.items).to_contain_text(["named"])
    expect(options).to_be_focused()


def search(puppet_talk: Talk, keys: Keys) -> None:
    page = puppet_talk.page
    keys.do("New conversation", tab="Shift+Tab")
    expect(puppet_talk.own).to_have_count(0)
    expect(puppet_talk.input).to_be_focused()
    keys.reach(page.get_by_role("searchbox"), "Shift+Tab")
    page.keyboard.type("two")
    expect(page.locator(".found-match").first).to_be_visible()
    keys.reach(page.locator(".found-match").first)
    keys.press("Enter")
    expect(puppet_talk.own.locator(".own-text")).to_have_text(["one and two"])
    keys.expect_kept()
    keys.do("Leave the search", tab="Shift+Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.reach(puppet_talk.items.first)
    keys.press("Enter")
    keys.expect_kept()


def open_the_menu_and_change_the_language(puppet_talk: Talk, keys: Keys) -> None:
    dialog = puppet_talk.page.get_by_role("dialog")
    keys.do("More")
    expect(dialog).to_be_visible()
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    expect(puppet_talk.page.get_by_role("button", name="More", exact=True)).to_be_focused()
    keys.do("切换到中文")
    keys.do("Switch to English")
    keys.expect_kept()


def clear_and_delete(puppet_talk: Talk, keys: Keys) -> None:
    page = puppet_talk.page
    dialog, options = page.get_by_role("dialog"), page.get_by_role("button", name="Options for")
    keys.do("Clear conversation")
    keys.do("Cancel", dialog)
    expect(page.get_by_role("button", name="Clear conversation")).to_be_focused()
    keys.press("Enter")
    keys.do("Clear", dialog)
    expect(puppet_talk.own).to_have_count(0)
    keys.expect_kept()
    keys.reach(options, "Shift+Tab")
    keys.press("Enter")
    keys.do("Delete conversation", dialog)
    keys.do("Delete", dialog)
    expect(puppet_talk.items).to_have_count(0)
    keys.expect_kept()


def test_a_finger_hits_everything(new_talk: NewTalk, scripted_url: str) -> None:
    phone = new_talk(scripted_url, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page, dialog = phone.page, phone.page.get_by_role("dialog")
    assert too_small(phone) == [], "empty"
    phone.write("[code]")
    page.get_by_role("button", name="Send").tap()
    phone.wait_for_end()
    phone.write("[cut]")
    page.get_by_role("button", name="Send").tap()
    phone.wait_for_end()
    expect(page.get_by_role("button", name="Continue")).to_be_visible()
    phone.replies.last.get_by_role("button", name="Answer again").tap()
    expect(page.locator(".branches")).to_be_visible()
    phone.wait_for_end()
    page.get_by_role("button", name="What was sent").last.tap()
    expect(page.locator(".sent-row").first).to_be_visible()
    assert too_small(phone) == [], "a chat"
    phone.own.first.get_by_role("button", name="Edit").tap()
    expect(page.get_by_label("Edit message")).to_be_visible()
    assert too_small(phone) == [], "the editor"
    page.get_by_role("button", name="Clear conversation").tap()
    expect(dialog).to_be_visible()
    assert too_small(phone) == [], "clear"
    dialog.get_by_role("button", name="Cancel").tap()
    page.get_by_role("button", name="Open the list of conversations").tap()
    page.get_by_role("button", name="Options for").tap()
    expect(dialog).to_be_visible()
    assert too_small(phone) == [], "the drawer and a conversation's options"
    dialog.get_by_role("button", name="Delete conversation").tap()
    assert too_small(phone) == [], "delete"
    dialog.get_by_role("button", name="Cancel").tap()
    hits_the_menu_and_all_behind_it(phone)
    page.get_by_role("searchbox").fill("code")
    expect(page.locator(".found-match").first).to_be_visible()
    assert too_small(phone) == [], "found"


def hits_the_menu_and_all_behind_it(phone: Talk) -> None:
    page, dialog = phone.page, phone.page.get_by_role("dialog")
    for number in range(4):
        page.get_by_role("button", name="More", exact=True).tap()
        expect(page.locator(".more-entry")).to_have_count(4)
        assert too_small(phone) == [], "the menu"
        entry = page.locator(".more-entry").nth(number)
        name = entry.locator(".more-name").inner_text()
        entry.tap()
        expect(dialog.get_by_role("heading", name=name, level=2)).to_be_visible()
        assert too_small(phone) == [], name
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)


def too_small(talk: Talk) -> list[str]:
    """What of the page a finger misses."""
    found: list[str] = talk.page.evaluate(SMALL, FINGER_PX)
    return found
