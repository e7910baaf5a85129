"""What is written is kept and goes where it belongs, however slow the server and wherever the reader goes meanwhile."""

import re
from contextlib import suppress

from playwright.sync_api import Route, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk

STORAGE_IS_FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"
CLIPBOARD_IS_FORBIDDEN = """() => {
    navigator.clipboard.writeText = () => Promise.reject(new DOMException('', 'NotAllowedError'))
}"""


def hold(talk: Talk, path: str) -> list[Route]:
    """Requests to `path` as they come, none of them answered."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    talk.page.route(path, keep)
    return held


def begin_another(talk: Talk, text: str) -> None:
    talk.page.get_by_role("button", name="New conversation").first.click()
    expect(talk.own).to_have_count(0)
    talk.say(text)


def go_to(talk: Talk, text: str) -> None:
    """To the conversation whose one message is `text`."""
    talk.items.filter(has_text=text).click()
    expect(talk.own).to_have_text([text])


def test_whoever_leaves_while_a_conversation_is_cleared_stays_where_they_went(talk: Talk) -> None:
    talk.say("first")
    cleared = talk.conversation_id
    begin_another(talk, "second")
    here = talk.conversation_id
    go_to(talk, "first")
    held = hold(talk, "**/api/chat/history/*")
    talk.click("Clear conversation")
    with talk.page.expect_request("**/api/chat/history/*"):
        talk.page.get_by_role("dialog").get_by_role("button", name="Clear").click()
    go_to(talk, "second")
    assert len(held) == 1
    held[0].continue_()
    expect(talk.status).to_have_text("The conversation was cleared.")
    expect(talk.own).to_have_text(["second"])
    talk.say("third")
    assert talk.conversation_id == here
    assert [message["content"] for message in talk.stored() if message["role"] == "user"] == ["second", "third"]
    assert talk.get(f"/api/conversations/{cleared}/messages")["messages"] == []


def test_two_texts_that_could_not_be_sent_both_come_back(talk: Talk) -> None:
    talk.say("first")
    begin_another(talk, "other")
    go_to(talk, "first")
    held = hold(talk, "**/turns")
    talk.send("one text")
    expect(talk.own).to_have_text(["first", "one text"])
    go_to(talk, "other")
    go_to(talk, "first")
    with talk.page.expect_request("**/turns"):
        talk.send("another text")
    for route in held:
        route.fulfill(status=503, json={"code": "store_unavailable"})
    expect(talk.input).to_have_value(re.compile("one text"))
    expect(talk.input).to_have_value(re.compile("another text"))


def test_a_text_that_could_not_be_sent_comes_back_where_nothing_can_be_kept(
    new_talk: NewTalk, scripted_url: str
) -> None:
    talk = new_talk(scripted_url)
    talk.page.add_init_script(STORAGE_IS_FULL)
    talk.reload()
    talk.say("first")
    talk.page.route("**/turns", lambda route: route.fulfill(status=503, json={"code": "store_unavailable"}))
    talk.send("a long thought")
    expect(talk.input).to_have_value("a long thought")
    expect(talk.own).to_have_text(["first"])


def test_each_edited_message_keeps_its_own_text(talk: Talk) -> None:
    talk.say("one")
    talk.say("two")
    editor = talk.page.get_by_label("Edit message")
    talk.own.first.get_by_role("button", name="Edit").click()
    editor.fill("three paragraphs of mine")
    talk.own.last.get_by_role("button", name="Edit").click()
    expect(editor).to_have_value("two")
    editor.fill("two more")
    talk.reload()
    expect(editor).to_have_value("two more")
    editor.press("Escape")
    talk.own.first.get_by_role("button", name="Edit").click()
    expect(editor).to_have_value("three paragraphs of mine")
    editor.press("Enter")
    expect(talk.own.locator(".own-text")).to_have_text("three paragraphs of mine")
    talk.wait_for_end()


def test_a_slow_conversation_takes_nobody_from_what_they_type(talk: Talk) -> None:
    talk.say("first")
    slow = talk.conversation_id
    begin_another(talk, "second")
    held = hold(talk, f"**/{slow}/messages?*")
    with talk.page.expect_request(f"**/{slow}/messages?*"):
        talk.items.filter(has_text="first").click()
    searchbox = talk.page.get_by_role("searchbox")
    searchbox.focus()
    searchbox.press_sequentially("zz")
    held[0].continue_()
    expect(talk.own).to_have_text(["first"])
    expect(searchbox).to_be_focused()


def test_what_was_listed_further_down_stays_listed(talk: Talk) -> None:
    talk.say("the oldest")
    for number in range(55):
        talk.context.request.post(f"{talk.url}/api/conversations", data={"title": f"number {number}"})
    talk.page.get_by_role("button", name="New conversation").first.click()
    talk.reload()
    expect(talk.items).to_have_count(50)
    talk.click("Earlier conversations")
    expect(talk.items).to_have_count(56)
    talk.context.request.post(f"{talk.url}/api/conversations", data={"title": "news"})
    expect(talk.items.first).to_contain_text("news")
    # The newest page has moved on by one; nothing between it and the rest is missing.
    expect(talk.items).to_have_count(57)


def test_escape_closes_one_thing_at_a_time(new_talk: NewTalk, scripted_url: str) -> None:
    phone = new_talk(scripted_url, viewport={"width": 390, "height": 800})
    phone.say("first")
    opener = phone.page.get_by_role("button", name="Open the list of conversations")
    opener.click()
    options = phone.page.get_by_role("button", name="Options for")
    options.click()
    dialog = phone.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    phone.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(options).to_be_focused()
    phone.page.keyboard.press("Escape")
    expect(opener).to_be_focused()


def test_leaving_the_question_before_an_export_is_done_deletes_nothing(talk: Talk) -> None:
    talk.say("worth keeping")
    held = hold(talk, "**/export?*")
    talk.page.get_by_role("button", name="Options for").click()
    dialog = talk.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete").click()
    with talk.page.expect_request("**/export?*"):
        dialog.get_by_role("button", name="Export").click()
    dialog.get_by_role("button", name="Cancel").click()
    with talk.page.expect_download():
        held[0].continue_()
    assert talk.say("still here") == "echo: still here (turn 2: 4 messages)"


def test_what_changed_elsewhere_is_not_taken_back_by_an_open_dialog(talk: Talk) -> None:
    talk.say("first")
    path = f"{talk.url}/api/conversations/{talk.conversation_id}"
    talk.page.get_by_role("button", name="Options for").click()
    dialog = talk.page.get_by_role("dialog")
    expect(dialog.get_by_label("Title")).to_have_value("first")
    talk.context.request.patch(path, data={"title": "named elsewhere", "pinned": True})
    expect(talk.items).to_contain_text("named elsewhere")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    found = talk.get(f"/api/conversations/{talk.conversation_id}")
    assert (found["title"], found["pinned"]) == ("named elsewhere", True)


def test_a_title_that_could_not_be_saved_stays_in_its_dialog(talk: Talk) -> None:
    talk.say("first")
    talk.page.route("**/api/conversations/*", lambda route: route.abort())
    talk.page.get_by_role("button", name="Options for").click()
    dialog = talk.page.get_by_role("dialog")
    title = dialog.get_by_label("Title")
    title.fill("a better title")
    # Selected with the mouse, which is let go outside.
    box = title.bounding_box()
    assert box is not None
    talk.page.mouse.move(box["x"] + 60, box["y"] + box["height"] / 2)
    talk.page.mouse.down()
    talk.page.mouse.move(2, 2)
    talk.page.mouse.up()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(title).to_have_value("a better title")
    talk.page.unroute("**/api/conversations/*")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    expect(talk.items).to_contain_text("a better title")


def test_what_one_tab_is_sending_another_leaves_alone(talk: Talk) -> None:
    talk.say("first")
    hold(talk, "**/turns")
    talk.send("second")
    expect(talk.own).to_have_text(["first", "second"])
    other = talk.tab()
    expect(other.own).to_have_text(["first"])
    expect(other.input).to_have_value("")
    other.write("something else")
    # With its tab gone, the text belongs to whoever is left.
    talk.page.close()
    expect(other.input).to_have_value("second\nsomething else")


def test_a_persona_chosen_right_before_replies(talk: Talk) -> None:
    talk.say("first")
    held: list[Route] = []
    talk.page.route(
        "**/api/conversations/*", lambda route: held.append(route) if is_change(route) else route.continue_()
    )
    with talk.page.expect_request(lambda request: request.method == "PATCH"):
        talk.page.get_by_label("Persona", exact=True).select_option("teacher")
    talk.send("second")
    expect(talk.own).to_have_text(["first", "second"])
    held[0].continue_()
    expect(talk.texts.last).to_contain_text("echo: second")
    talk.wait_for_end()
    assert talk.stored()[-1]["persona"] == "teacher"


def is_change(route: Route) -> bool:
    return route.request.method == "PATCH"


def test_a_refused_copy_is_said_and_the_focus_is_not_lost(talk: Talk) -> None:
    talk.say("first")
    talk.page.evaluate(CLIPBOARD_IS_FORBIDDEN)
    talk.replies.get_by_role("button", name="Copy").click()
    expect(talk.page.get_by_role("alert")).to_have_text("The browser does not allow copying.")
    talk.click("Close this message")
    expect(talk.page.get_by_role("alert")).to_have_count(0)
    expect(talk.input).to_be_focused()


def test_what_could_not_be_fetched_can_be_opened_once_it_can(talk: Talk) -> None:
    talk.say("first")
    talk.page.route("**/assets/deferred*", lambda route: route.abort())
    talk.reload()
    options = talk.page.get_by_role("button", name="Options for")
    options.click()
    expect(talk.page.get_by_role("alert")).to_contain_text("could not be fetched")
    talk.page.unroute("**/assets/deferred*")
    # The messages' own parts may have been told of first: then what the first click fetches comes now, and its dialog
    # stands before the second one.
    with suppress(PlaywrightTimeout):
        options.click(timeout=3_000)
    expect(talk.page.get_by_role("dialog")).to_be_visible()
