"""The input: what sends and what does not, and what is kept."""

from playwright.sync_api import Locator, expect

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk

ENTER = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}


def test_enter_while_composing_never_sends_from_any_field(talk: Talk) -> None:
    """The input, the search, a conversation's title, the editor: what Enter does there waits for the composition."""
    posts: list[str] = []
    talk.page.on("request", lambda request: request.method == "GET" or posts.append(f"{request.method} {request.url}"))
    compose(talk, talk.input)
    expect(talk.own).to_have_count(0)
    assert posts == []
    talk.input.press("Enter")
    expect(talk.own).to_have_text("你好")
    talk.wait_for_end()
    expect(talk.items).to_have_count(1)
    posts.clear()
    compose_a_search(talk)
    compose_a_title(talk, posts)
    compose_an_edit(talk, posts)


def compose_a_search(talk: Talk) -> None:
    searchbox = talk.page.get_by_role("searchbox")
    compose(talk, searchbox)
    expect(talk.page.locator(".found-match").first).to_be_visible()
    expect(talk.own).to_have_text("你好")
    searchbox.press("Escape")


def compose_a_title(talk: Talk, posts: list[str]) -> None:
    talk.page.get_by_role("button", name="Options for").click()
    title = talk.page.get_by_label("Title")
    title.fill("")
    compose(talk, title)
    expect(talk.page.get_by_role("dialog")).to_be_visible()
    assert posts == []
    title.fill("问候")
    title.press("Enter")
    expect(talk.items).to_contain_text("问候")
    posts.clear()


def compose_an_edit(talk: Talk, posts: list[str]) -> None:
    talk.own.get_by_role("button", name="Edit").focus()
    talk.page.keyboard.press("Enter")
    editor = talk.page.get_by_label("Edit message")
    expect(editor).to_be_focused()
    editor.fill("")
    compose(talk, editor)
    press_without_a_name(talk, "Escape")
    expect(editor).to_be_focused()
    expect(editor).to_have_value("你好")
    assert posts == []
    editor.press("End")
    editor.press_sequentially("吗")
    editor.press("Enter")
    expect(talk.own.locator(".own-text")).to_have_text("你好吗")
    talk.wait_for_end()
    expect(talk.replies).to_have_count(1)


def press_without_a_name(talk: Talk, key: str) -> None:
    """A key that ends a composition, as Safari tells it: afterwards, and with the code 229."""
    keyboard = talk.context.new_cdp_session(talk.page)
    for kind in ("rawKeyDown", "keyUp"):
        keyboard.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": 229})
    keyboard.detach()


def compose(talk: Talk, field: Locator) -> None:
    """Types 你好 into the empty `field` by an input method, with the Enter keys that belong to it."""
    field.focus()
    keyboard = talk.context.new_cdp_session(talk.page)
    # At work: the text is not settled, and Enter only settles it.
    keyboard.send("Input.imeSetComposition", {"text": "ni hao", "selectionStart": 6, "selectionEnd": 6})
    expect(field).to_have_value("ni hao")
    unnamed = {**ENTER, "windowsVirtualKeyCode": 229}
    for key in (ENTER, unnamed):
        keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
        keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    expect(field).to_be_focused()
    keyboard.send("Input.insertText", {"text": "你好"})
    expect(field).to_have_value("你好")
    # Safari's order: the composition is over, and its Enter comes afterwards as a key without a name.
    keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **unnamed})
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **unnamed})
    expect(field).to_have_value("你好")
    expect(field).to_be_focused()
    keyboard.detach()


def test_shift_enter_begins_a_line(talk: Talk) -> None:
    talk.write("first")
    talk.input.press("Shift+Enter")
    talk.input.press_sequentially("second")
    expect(talk.input).to_have_value("first\nsecond")
    talk.input.press("Enter")
    expect(talk.own.locator(".own-text")).to_have_text("first\nsecond")
    talk.wait_for_end()
    assert talk.stored()[0]["content"] == "first\nsecond"


def test_enter_begins_a_line_where_there_is_no_keyboard(new_talk: NewTalk, scripted_url: str) -> None:
    phone = new_talk(scripted_url, viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    phone.write("first")
    phone.input.press("End")
    phone.input.press("Enter")
    phone.input.press_sequentially("second")
    expect(phone.input).to_have_value("first\nsecond")
    phone.page.get_by_role("button", name="Send").tap()
    expect(phone.own).to_have_text("first\nsecond")


def test_nothing_is_sent_from_an_empty_input(talk: Talk) -> None:
    talk.send("   ")
    expect(talk.page.get_by_role("button", name="Send")).to_be_disabled()
    assert talk.say("something") == "echo: something (turn 1: 2 messages)"
    expect(talk.own).to_have_text(["something"])


def test_each_conversation_keeps_its_draft_through_a_reload(talk: Talk) -> None:
    talk.say("first")
    talk.write("half a thought")
    talk.click("New conversation")
    expect(talk.input).to_have_value("")
    talk.write("another thought")
    talk.reload()
    expect(talk.input).to_have_value("another thought")
    talk.items.filter(has_text="first").click()
    expect(talk.input).to_have_value("half a thought")
    expect(talk.own).to_have_text(["first"])
    talk.input.press("Enter")
    expect(talk.own).to_have_text(["first", "half a thought"])
    talk.wait_for_end()
    talk.reload()
    expect(talk.input).to_have_value("")
