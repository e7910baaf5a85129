"""What is behind the "More" menu, and the shortcuts of the keyboard."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Route, expect

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel

NARROW = {"width": 360, "height": 700}


def chatgpt() -> list[dict[str, Any]]:
    """ChatGPT's conversations.json: a question, what a tool said, and an answer; and a conversation without a text."""
    said = [("user", "What is oolong?"), ("tool", "a page about tea"), ("assistant", "A kind of tea.")]
    mapping: dict[str, Any] = {"0": {"parent": None, "children": ["1"], "message": None}}
    for number, (speaker, text) in enumerate(said, 1):
        message = {"author": {"role": speaker}, "content": {"content_type": "text", "parts": [text]}}
        children = [str(number + 1)] if number < len(said) else []
        mapping[str(number)] = {"parent": str(number - 1), "children": children, "message": message}
    tea = {"title": "Tea from Wuyi", "create_time": 1_700_000_000, "current_node": "3", "mapping": mapping}
    return [tea, {"title": "Nothing", "mapping": {}}]


def open_entry(talk: Talk, name: str) -> None:
    talk.click("More")
    talk.page.get_by_role("dialog").get_by_role("button", name=name).click()
    expect(talk.page.get_by_role("heading", name=name, level=2)).to_be_visible()


def test_what_was_used_is_shown_by_day_on_a_phone_as_well(
    new_talk: NewTalk, puppet_url: str, model: PuppetModel
) -> None:
    puppet_talk = new_talk(puppet_url, viewport=NARROW, timezone_id="Asia/Shanghai")
    puppet_talk.send("hello")
    reply = model.next_reply()
    reply.say("Good day to you.")
    reply.end()
    puppet_talk.wait_for_end()
    # A turn counts a moment after its end.
    puppet_talk.page.wait_for_function(
        "async () => (await (await fetch('/api/usage')).json()).total.turns === 1", polling=100
    )
    used = puppet_talk.get("/api/usage")["total"]

    puppet_talk.click("Open the list of conversations")
    puppet_talk.page.route("**/api/usage?*", lambda route: route.abort())
    open_entry(puppet_talk, "Usage")
    dialog = puppet_talk.page.get_by_role("dialog")
    expect(dialog).to_contain_text("The usage could not be read.")
    puppet_talk.page.unroute_all()
    dialog.get_by_role("button", name="Today").click()
    row = [str(used[name]) for name in ("turns", "prompt_tokens", "completion_tokens")]
    expect(dialog.locator("tbody td")).to_have_text(row)
    expect(dialog.locator("tfoot td")).to_have_text(row)
    # This model does not tell what it used.
    expect(dialog.locator("tbody th")).to_contain_text("estimated")
    expect(dialog).to_contain_text(f"Tokens that are estimated: {used['estimated_tokens']}.")
    expect(dialog).to_contain_text("from 08:00 to 08:00 where you are")
    dialog.get_by_role("button", name="Back").click()
    expect(dialog.get_by_role("button", name="My personas")).to_be_focused()
    dialog.get_by_role("button", name="Close").click()
    expect(puppet_talk.page.get_by_role("button", name="More", exact=True)).to_be_focused()

    puppet_talk.page.get_by_role("button", name="Options for").click()
    expect(dialog).to_contain_text(f"Turns: 1, tokens in: {row[1]}, tokens out: {row[2]} (estimated)")


def test_a_file_comes_in_and_everything_goes_out(talk: Talk, tmp_path: Path) -> None:
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps(chatgpt()), "utf-8")
    broken = tmp_path / "notes.json"
    broken.write_text("no JSON at all", "utf-8")
    open_entry(talk, "Import and export")
    cancel_the_upload(talk, file)
    drop(talk, broken)
    bring_in(talk, file)
    take_everything_out(talk)
    talk.page.get_by_role("dialog").get_by_role("button", name="Close").click()
    talk.items.click()
    expect(talk.texts).to_have_text("A kind of tea.")


def test_what_is_not_understood_is_kept_where_that_is_asked_for(talk: Talk, tmp_path: Path) -> None:
    file = tmp_path / "conversations.json"
    file.write_text(json.dumps(chatgpt()), "utf-8")
    open_entry(talk, "Import and export")
    dialog = talk.page.get_by_role("dialog")
    dialog.get_by_label("Also keep what is not understood").check()
    dialog.locator("input[type=file]").set_input_files(file)
    expect(dialog.get_by_role("heading", name="The import is complete.")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    talk.items.click()
    expect(talk.replies).to_contain_text("a page about tea")


def cancel_the_upload(talk: Talk, file: Path) -> None:
    dialog = talk.page.get_by_role("dialog")
    held: list[Route] = []
    talk.page.route("**/api/import", lambda route, _: held.append(route))  # it does not get there
    dialog.locator("input[type=file]").set_input_files(file)
    expect(dialog).to_contain_text("Uploading “conversations.json”")
    dialog.get_by_role("button", name="Cancel the upload").click()
    expect(talk.status.first).to_have_text("Cancelled; nothing was imported.")
    expect(dialog.get_by_role("button", name="Choose a file")).to_be_focused()
    held[0].abort()
    talk.page.unroute_all()


def drop(talk: Talk, broken: Path) -> None:
    """A file that is dropped anywhere in the dialog."""
    dialog = talk.page.get_by_role("dialog")
    data = talk.page.evaluate_handle(
        "text => { const data = new DataTransfer(); data.items.add(new File([text], 'notes.json')); return data }",
        broken.read_text(),
    )
    dialog.get_by_role("heading", level=2).dispatch_event("drop", {"dataTransfer": data})
    expect(dialog).to_contain_text("This file is not valid JSON.")
    expect(dialog).to_contain_text("Code: invalid_request")


def bring_in(talk: Talk, file: Path) -> None:
    dialog = talk.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Import another file").click()
    dialog.locator("input[type=file]").set_input_files(file)
    expect(dialog.get_by_role("heading", name="The import is complete.")).to_be_visible()
    expect(dialog).to_contain_text("From ChatGPT: conversations.json")
    expect(dialog.locator(".import-counts dd")).to_have_text(["1", "2", "0"])
    dialog.get_by_text("Left out or changed").click()
    expect(dialog.locator(".import-skipped li")).to_contain_text(
        ["Conversations: without text", "Messages: output of toolsa page about tea"]
    )
    expect(talk.items).to_contain_text(["Tea from Wuyi"])


def take_everything_out(talk: Talk) -> None:
    dialog = talk.page.get_by_role("dialog")
    with talk.page.expect_download() as download:
        dialog.get_by_role("button", name="Export everything").click()
    assert download.value.suggested_filename == "lianhua.json"
    exported = json.loads(Path(download.value.path()).read_text("utf-8"))
    assert exported["format"] == "lianhua"
    said = [message["content"] for message in exported["conversations"][0]["messages"]]
    assert said == ["What is oolong?", "A kind of tea."]
    expect(dialog).to_contain_text("Exported.")


def test_the_shortcuts_of_the_keyboard(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    keyboard = puppet_talk.page.keyboard
    dialog = puppet_talk.page.get_by_role("dialog")
    # The very first keys on the page count too.
    keyboard.press("Control+/")
    expect(dialog.locator("dt")).to_contain_text(["Send the message", "New line", "Search conversations"])
    keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    stop_by_escape(puppet_talk, model)
    copy_and_edit(puppet_talk)
    keyboard.press("Control+Shift+O")
    expect(puppet_talk.own).to_have_count(0)
    expect(puppet_talk.input).to_be_focused()
    puppet_talk.page.set_viewport_size({"width": 360, "height": 700})
    searchbox = puppet_talk.page.get_by_role("searchbox")
    expect(searchbox).to_be_hidden()
    keyboard.press("Control+k")
    expect(searchbox).to_be_focused()
    keyboard.press("Control+Shift+O")
    expect(searchbox).to_be_hidden()
    expect(puppet_talk.input).to_be_focused()


def stop_by_escape(puppet_talk: Talk, model: PuppetModel) -> None:
    """From the input, and not while something is composed there."""
    keyboard = puppet_talk.page.keyboard
    puppet_talk.input.press("?")
    expect(puppet_talk.input).to_have_value("?")
    puppet_talk.send("count to a million")
    reply = model.next_reply()
    reply.say("one ")
    expect(puppet_talk.texts).to_have_text("one")
    keyboard.press("Control+k")
    expect(puppet_talk.page.get_by_role("searchbox")).to_be_focused()
    # Neither outside the input nor while it is composed does Escape stop a reply.
    keyboard.press("Escape")
    puppet_talk.input.dispatch_event("keydown", {"key": "Escape", "isComposing": True})
    puppet_talk.input.dispatch_event("keydown", {"key": "Escape", "keyCode": 229})
    reply.say("two")
    expect(puppet_talk.texts).to_have_text("one two")
    keyboard.press("Shift+Escape")
    expect(puppet_talk.input).to_be_focused()
    keyboard.press("Escape")
    expect(puppet_talk.replies).to_contain_text("You stopped this reply.")


def copy_and_edit(puppet_talk: Talk) -> None:
    keyboard = puppet_talk.page.keyboard
    keyboard.press("Control+Shift+C")
    expect(puppet_talk.status).to_have_text("Copied")
    assert puppet_talk.page.evaluate("navigator.clipboard.readText()") == "one two"
    keyboard.press("ArrowUp")
    editor = puppet_talk.page.get_by_label("Edit message")
    expect(editor).to_be_focused()
    expect(editor).to_have_value("count to a million")
    # The key that opened it has not moved the cursor in it.
    keyboard.type("!")
    expect(editor).to_have_value("count to a million!")
    editor.press("Escape")
