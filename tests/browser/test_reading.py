"""The page does not move under a reader."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel

PARAGRAPH = "A paragraph that takes its place on the page.\n\n"
EXCHANGES = 16
# The text of the message whose edit button has the focus, or nothing; after two frames, as fingers leave a page.
FOCUSED_EDIT = """async () => {
  for (const _ of "12") await new Promise(requestAnimationFrame);
  const focused = document.activeElement;
  return focused.ariaLabel === "Edit" ? focused.closest("article").querySelector(".own-text").textContent : "";
}"""


def test_the_newest_text_stays_in_sight(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("a long answer, please")
    reply = model.next_reply()
    for number in range(40):
        reply.say(f"({number}) {PARAGRAPH}")
    expect(puppet_talk.texts).to_contain_text("(39)")
    expect(puppet_talk.texts.locator("p").last).to_be_in_viewport()
    reply.end()
    puppet_talk.wait_for_end()
    expect(puppet_talk.page.get_by_role("button", name="What was sent")).to_be_in_viewport(ratio=1)


def test_a_reader_who_scrolled_up_is_left_there(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("a long answer, please")
    reply = model.next_reply()
    reply.say(PARAGRAPH * 40)
    expect(puppet_talk.texts.locator("p")).to_have_count(40)
    puppet_talk.page.locator(".scroller").evaluate("(scroller) => scroller.scrollBy(0, -600)")
    newest = puppet_talk.page.get_by_role("button", name="To the newest message")
    expect(newest).to_be_visible()
    place = scroll_top(puppet_talk)
    reply.say(PARAGRAPH * 10)
    expect(puppet_talk.texts.locator("p")).to_have_count(50)
    expect(newest).to_have_accessible_name("To the newest message, there is new text")
    reply.end()
    puppet_talk.wait_for_end()
    assert scroll_top(puppet_talk) == place
    newest.click()
    expect(newest).to_have_count(0)
    expect(puppet_talk.texts.locator("p").last).to_be_in_viewport()


@pytest.mark.parametrize("height", [900, 560])
def test_what_is_opened_comes_into_sight_from_its_beginning(new_talk: NewTalk, scripted_url: str, height: int) -> None:
    talk = new_talk(scripted_url, viewport={"width": 900, "height": height})
    for number in range(4):
        talk.say(f"question {number}\n" * 3)
    opener = talk.replies.last.get_by_role("button", name="What was sent")
    opener.click()
    expect(talk.page.locator(".sent-sum")).to_be_in_viewport(ratio=1)
    expect(opener).to_be_in_viewport(ratio=1)


def test_far_messages_have_their_buttons_when_the_reader_comes_near(talk: Talk) -> None:
    """By keyboard as well: on the way up none is passed over."""
    for number in range(EXCHANGES):
        talk.say(f"question {number}\n" * 12)
    talk.reload()
    expect(talk.own).to_have_count(EXCHANGES)
    edits = talk.own.get_by_role("button", name="Edit")
    expect(edits.last).to_be_visible()
    expect(talk.own.first.get_by_role("button")).to_have_count(0)
    passed = [""]
    while "question 0\n" not in passed[-1]:
        assert len(passed) < EXCHANGES * 10
        talk.page.keyboard.press("Shift+Tab")
        passed.append(talk.page.evaluate(FOCUSED_EDIT))
    edited = [text.partition("\n")[0] for text in passed if text]
    assert edited == [f"question {number}" for number in reversed(range(EXCHANGES))]
    expect(talk.own.first).to_be_in_viewport()
    expect(talk.replies.first.get_by_role("button", name="What was sent")).to_be_visible()


def scroll_top(talk: Talk) -> float:
    top: float = talk.page.locator(".scroller").evaluate("(scroller) => scroller.scrollTop")
    return top
