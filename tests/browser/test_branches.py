"""Other replies and other questions in the place of one, and the way between them."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.conftest import SCRIPT, NewTalk
from tests.conftest import StartServer
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel

# A tab that hears nothing of what others do.
DEAF = """
    Object.defineProperty(navigator, "locks", { value: undefined });
    BroadcastChannel.prototype.postMessage = () => {};
    Object.defineProperty(BroadcastChannel.prototype, "onmessage", { set() {} });
"""


def branches(message: Locator) -> Locator:
    return message.locator(".branches")


def arrow(message: Locator, name: str) -> Locator:
    return message.get_by_role("button", name=name)


def own_texts(talk: Talk) -> Locator:
    return talk.page.locator(".own-text")


def tool(message: Locator, name: str) -> Locator:
    """What a message of one's own shows when one points at it."""
    message.hover()
    return message.get_by_role("button", name=name)


def test_a_reply_is_answered_again_and_both_are_kept(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("tell me")
    for text in ("First.", "Second."):
        reply = model.next_reply()
        reply.say(text)
        reply.end()
        puppet_talk.wait_for_end()
        expect(puppet_talk.texts).to_have_text([text])
        if text == "First.":
            puppet_talk.answer_again()
    assert model.replies[0].messages == model.replies[1].messages
    expect(branches(puppet_talk.replies)).to_have_text("2 / 2")

    # By keys alone: the focus stays on the arrow, and what it did is said.
    arrow(puppet_talk.replies, "Previous version").focus()
    puppet_talk.page.keyboard.press("Enter")
    expect(puppet_talk.texts).to_have_text(["First."])
    expect(puppet_talk.status).to_have_text("Version 1 of 2.")
    expect(arrow(puppet_talk.replies, "Previous version")).to_be_focused()
    puppet_talk.page.keyboard.press("Tab")
    puppet_talk.page.keyboard.press("Enter")
    expect(puppet_talk.texts).to_have_text(["Second."])
    expect(arrow(puppet_talk.replies, "Next version")).to_be_focused()
    puppet_talk.page.keyboard.press("Shift+Tab")
    puppet_talk.page.keyboard.press("Enter")
    expect(puppet_talk.texts).to_have_text(["First."])
    # What follows belongs to the version that is shown.
    puppet_talk.reload()
    expect(puppet_talk.texts).to_have_text(["First."])
    puppet_talk.send("go on")
    assert [message["content"] for message in model.next_reply().messages[1:]] == ["tell me", "First.", "go on"]


def test_an_edited_message_keeps_what_followed_it(talk: Talk) -> None:
    talk.say("one")
    talk.say("two")
    # By keys alone.
    talk.own.first.get_by_role("button", name="Edit").focus()
    talk.page.keyboard.press("Enter")
    editor = talk.page.get_by_label("Edit message")
    expect(editor).to_be_focused()
    expect(editor).to_have_value("one")
    editor.fill("uno")
    talk.page.keyboard.press("Escape")
    expect(own_texts(talk)).to_have_text(["one", "two"])
    expect(talk.own.first.get_by_role("button", name="Edit")).to_be_focused()
    talk.page.keyboard.press("Enter")
    expect(editor).to_have_value("uno")
    talk.reload()
    expect(editor).to_have_value("uno")
    editor.press("Shift+Enter")
    editor.press("Backspace")
    editor.press("Enter")
    expect(own_texts(talk)).to_have_text(["uno"])
    expect(talk.texts).to_have_text(["echo: uno (turn 1: 2 messages)"])
    talk.wait_for_end()

    expect(branches(talk.own)).to_have_text("2 / 2")
    arrow(talk.own, "Previous version").click()
    expect(own_texts(talk)).to_have_text(["one", "two"])
    expect(talk.texts).to_have_count(2)
    assert talk.say("three") == "echo: three (turn 3: 6 messages)"


def test_a_cut_reply_goes_on_without_repeating(talk: Talk) -> None:
    talk.say("[cut]")
    expect(talk.texts).to_have_text(["Half of what was to be said"])
    talk.click("Continue")
    expect(talk.texts).to_have_text(["Half of what was to be said, and the rest."])
    talk.wait_for_end()
    expect(talk.page.get_by_role("button", name="Continue")).to_have_count(0)
    expect(branches(talk.replies)).to_have_text("2 / 2")
    assert talk.stored()[-1]["status"] == "done"


def test_what_a_stale_tab_sends_stands_beside_what_it_has_not_seen(talk: Talk) -> None:
    talk.say("hello")
    stale = Talk(talk.context, talk.url, talk.troubles)
    stale.page.add_init_script(DEAF)
    stale.open(f"#/c/{talk.conversation_id}")
    expect(own_texts(stale)).to_have_text(["hello"])
    talk.say("from the first tab")
    expect(own_texts(stale)).to_have_text(["hello"])

    assert stale.say("from the stale tab") == "echo: from the stale tab (turn 2: 4 messages)"
    expect(branches(stale.own.last)).to_have_text("2 / 2")
    # The first tab follows, and both find what the other one said.
    expect(own_texts(talk)).to_have_text(["hello", "from the stale tab"])
    expect(talk.texts.last).to_have_text("echo: from the stale tab (turn 2: 4 messages)")
    for tab in (talk, stale):
        tab.page.bring_to_front()
        arrow(tab.own.last, "Previous version").click()
        expect(own_texts(tab)).to_have_text(["hello", "from the first tab"])
        expect(tab.texts).to_have_count(2)


def test_a_reply_in_another_version_is_announced(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("tell me")
    model.next_reply().end()
    puppet_talk.wait_for_end()
    tool(puppet_talk.own, "Edit").click()
    editor = puppet_talk.page.get_by_label("Edit message")
    editor.fill("tell me more")
    editor.press("Control+Enter")
    reply = model.next_reply()
    reply.say("Of what there is")
    expect(puppet_talk.texts).to_have_text(["Of what there is"])

    arrow(puppet_talk.own, "Previous version").click()
    expect(own_texts(puppet_talk)).to_have_text(["tell me"])
    expect(puppet_talk.page.locator(".list-note")).to_contain_text("A reply is being made in another version.")
    puppet_talk.write("and a thought meanwhile")
    puppet_talk.input.press("Enter")
    expect(puppet_talk.input).to_have_value("and a thought meanwhile")
    puppet_talk.click("Show it")
    expect(puppet_talk.texts).to_have_text(["Of what there is"])
    reply.say(" to tell.")
    reply.end()
    puppet_talk.wait_for_end()
    expect(puppet_talk.texts).to_have_text(["Of what there is to tell."])
    assert len(model.replies) == 2


def test_what_is_not_there_any_more_is_said_and_no_text_is_lost(talk: Talk) -> None:
    talk.say("hello")
    stale = Talk(talk.context, talk.url, talk.troubles)
    stale.page.add_init_script(DEAF)
    stale.open(f"#/c/{talk.conversation_id}")
    tool(stale.own, "Edit").click()
    editor = stale.page.get_by_label("Edit message")
    editor.fill("an edited thought")
    answer = talk.context.request.delete(f"{talk.url}/api/chat/history/{talk.conversation_id}")
    assert answer.ok
    editor.press("Enter")
    expect(stale.page.locator(".trouble")).to_contain_text("The message you edited is not on the server any more.")
    expect(stale.input).to_have_value("an edited thought")
    expect(stale.own).to_have_count(0)
    stale.input.press("Enter")
    expect(stale.texts).to_have_text(["echo: an edited thought (turn 1: 2 messages)"])


def test_a_pinned_message_outlives_those_around_it(new_talk: NewTalk, start_server: StartServer) -> None:
    talk = new_talk(start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_RETENTION_MESSAGES="4").url)
    talk.say("call me Lin")
    other = talk.tab()
    talk.page.bring_to_front()
    tool(talk.own, "Pin").click()
    expect(talk.status).to_have_text("Pinned: it is kept as long as the conversation.")
    pressed = re.compile("true")
    expect(other.own.get_by_role("button", name="Pin")).to_have_attribute("aria-pressed", pressed)
    for number in range(3):
        talk.send(f"question {number}")  # replies come and go: how many there are tells nothing
        expect(talk.texts.last).to_contain_text(f"question {number}")
        talk.wait_for_end()
    for tab in (talk, other):
        expect(own_texts(tab)).to_have_text(["call me Lin", "question 1", "question 2"])
        expect(tab.page.locator(".list-note")).to_contain_text("Dropped here: 3 of 8 messages.")
    talk.page.bring_to_front()
    tool(talk.own.first, "Pin").click()
    expect(talk.status).to_have_text("Not pinned any more.")
    expect(other.own.first.get_by_role("button", name="Pin")).to_have_attribute("aria-pressed", "false")
