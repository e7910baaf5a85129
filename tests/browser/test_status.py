"""What a screen reader is told, and what it finds."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import LAN_NAME, NewTalk
from tests.support.browser.line import Line
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel

# Everything that the page says by itself: its one status line, and any alert or other live region that there may be.
LISTEN = """() => {
  window.said = [];
  const speaking = "[role=status], [role=alert], [role=log], [aria-live]:not([aria-live=off])";
  new MutationObserver(changes => {
    const regions = new Set(changes.map(({ target }) =>
      (target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement)?.closest(speaking)));
    for (const region of regions) if (region?.textContent) window.said.push(region.textContent);
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""

# What of these controls has no name.
NAMELESS = """controls => controls.filter(control => !(control.innerText || control.getAttribute("aria-label")
  || control.labels?.length)).map(control => control.outerHTML)"""


def said(talk: Talk) -> list[str]:
    """What was said since the last time."""
    words: list[str] = talk.page.evaluate("window.said.splice(0)")
    return words


def test_a_replys_start_end_and_failure_are_each_said_once(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.page.evaluate(LISTEN)
    for number in (1, 2):
        puppet_talk.send(f"question {number}")
        reply = model.next_reply()
        for piece in ("One ", "**two** ", "three.\n\n", "- four\n", "- five\n\n", "```py\nsix\n", "```\n"):
            reply.say(piece)
            expect(puppet_talk.texts.last).to_contain_text(piece.strip("*`-py \n"))
        assert said(puppet_talk) == ["The reply begins."]
        reply.end()
        puppet_talk.wait_for_end()
        expect(puppet_talk.status).to_have_text("The reply is complete.")
        assert said(puppet_talk) == ["The reply is complete."]

    puppet_talk.send("and stop")
    model.next_reply().say("Half")
    expect(puppet_talk.texts.last).to_have_text("Half")
    puppet_talk.click("Stop the reply")
    puppet_talk.wait_for_end()
    expect(puppet_talk.status).to_have_text("You stopped this reply.")
    assert said(puppet_talk) == ["The reply begins.", "You stopped this reply."]


def test_a_failure_is_said_once(talk: Talk) -> None:
    talk.page.evaluate(LISTEN)
    talk.say("[refused]")
    expect(talk.status).to_contain_text("There was no reply.")
    assert said(talk) == ["The reply begins.", "There was no reply. The model's server refused this request."]
    # That nothing could be sent is said as well.
    talk.page.route("**/turns", lambda route: route.abort())
    talk.send("into the void")
    expect(talk.page.locator(".trouble")).to_be_visible()
    assert len([text for text in said(talk) if "The server cannot be reached." in text]) == 1


def test_what_happens_behind_a_dialog_is_said_in_the_dialog(puppet_talk: Talk, model: PuppetModel) -> None:
    """All that is outside a modal dialog is out of the accessibility tree, and so is the page's own line."""
    puppet_talk.page.evaluate(LISTEN)
    puppet_talk.send("question")
    reply = model.next_reply()
    reply.say("One")
    expect(puppet_talk.texts.last).to_have_text("One")
    puppet_talk.input.press("Control+/")
    dialog = puppet_talk.page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_have_text("")
    reply.end()
    expect(dialog.get_by_role("status")).to_have_text("The reply is complete.")
    puppet_talk.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert said(puppet_talk) == ["The reply begins.", "The reply is complete."]

    puppet_talk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    puppet_talk.replies.get_by_role("button", name="Copy").click()
    expect(puppet_talk.status).to_have_text("Copied")
    puppet_talk.click("Clear conversation")
    # Chromium has a line read that comes back into the tree.
    expect(puppet_talk.page.locator(".page > [role=status]")).to_have_text("")
    expect(dialog).to_have_accessible_description(re.compile("^All its messages are deleted"))


def test_what_happens_twice_is_said_twice(talk: Talk) -> None:
    talk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    talk.say("hello")
    # A screen reader hears only of a text that is another than the one before.
    for text in ("Copied", "Copied\u00a0", "Copied"):
        talk.replies.get_by_role("button", name=re.compile("^Cop")).click()
        talk.page.wait_for_function(
            "text => document.querySelector('.page > [role=status]').textContent === text", arg=text
        )


def test_the_page_makes_sense_to_who_cannot_see_it(talk: Talk) -> None:
    talk.say("hello")
    expect(talk.page.locator("body")).to_match_aria_snapshot("""
        - complementary "Conversations":
          - button "New conversation"
          - search:
            - searchbox "Search conversations"
          - navigation "Conversations":
            - list:
              - listitem:
                - link /hello/
                - button "Options for “hello”"
        - main:
          - heading "hello" [level=1]
          - combobox "Persona"
          - button "Clear conversation"
          - region "Messages":
            - article "You":
              - text: hello
              - button "Edit"
              - button "Pin"
            - article "Assistant":
              - paragraph: "echo: hello (turn 1: 2 messages)"
              - button "Answer again"
              - button "Pin"
              - button "What was sent"
          - textbox "Message"
          - button "Send" [disabled]
        - status: The reply is complete.
    """)
    # Nothing that can be pressed or filled in is without a name.
    nameless = talk.page.get_by_role("button", name="", exact=True).or_(
        talk.page.get_by_role("link", name="", exact=True)
    )
    expect(nameless).to_have_count(0)
    assert talk.page.locator("button, a, input, select, textarea").evaluate_all(NAMELESS) == []


def test_what_only_a_screen_reader_finds_makes_the_page_no_taller(talk: Talk) -> None:
    """A hidden heading that the messages do not hold would stand below the page, and the page would scroll to it."""
    for _ in range(3):
        talk.say("one line\n" * 12)
    assert talk.page.evaluate("document.documentElement.scrollHeight - innerHeight") == 0


def test_a_refusal_that_only_the_operator_can_mend_is_shown_in_the_servers_words(
    new_talk: NewTalk, scripted_url: str
) -> None:
    """Plain HTTP on a local network, behind a proxy that gives the server another name than the page has."""
    with Line(scripted_url, names_target=True) as line:
        talk = new_talk(line.url.replace("127.0.0.1", LAN_NAME))
        assert talk.page.evaluate("isSecureContext") is False
        talk.send("hello")
        expect(talk.page.locator(".trouble")).to_contain_text("Requests from other sites are refused")
        expect(talk.input).to_have_value("hello")
        expect(talk.own).to_have_count(0)
        # Chromium says so on plain HTTP, and there is nothing to be done about it.
        talk.troubles[:] = [trouble for trouble in talk.troubles if "Cross-Origin-Opener-Policy" not in trouble]
