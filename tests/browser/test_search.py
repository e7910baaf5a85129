"""Finding what was said, and taking it away."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.support.browser.talk import Talk

ENOUGH_FOR_TWO_PAGES = 52


def search(talk: Talk, words: str) -> None:
    talk.page.get_by_role("searchbox", name="Search conversations").fill(words)


def ask(talk: Talk, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the server answers this person, as from another device."""
    response = talk.context.request.fetch(
        f"{talk.url}/api/conversations/{talk.conversation_id}{path}", method=method, data=body
    )
    assert response.ok, response.text()
    answer: dict[str, Any] = response.json()
    return answer


def test_a_search_opens_the_message_on_its_branch(talk: Talk) -> None:
    talk.say("a cup of <b>jasmine</b> tea")
    talk.say("and biscuits")
    talk.own.first.hover()
    talk.own.first.get_by_role("button", name="Edit").click()
    editor = talk.page.get_by_label("Edit message")
    editor.fill("a pot of coffee")
    editor.press("Enter")
    expect(talk.texts).to_have_text(["echo: a pot of coffee (turn 1: 2 messages)"])
    talk.wait_for_end()
    talk.click("New conversation")
    talk.say("something else")

    search(talk, "JASMINE")
    matches = talk.page.locator(".found-match")
    expect(matches).to_have_count(2)
    expect(matches.last).to_have_text("a cup of <b>jasmine</b> tea")
    expect(matches.last.locator("mark")).to_have_text("jasmine")
    expect(talk.status).to_have_text("Conversations found: 1.")
    matches.last.click()
    sought = talk.page.locator("article.sought")
    expect(sought).to_have_count(1)
    expect(sought).to_be_focused()
    expect(sought).to_contain_text("a cup of <b>jasmine</b> tea")
    expect(talk.own).to_have_count(2)
    expect(sought).to_have_count(0)

    search(talk, "there is no such word")
    expect(talk.page.locator(".side-note")).to_have_text("Nothing was found.")
    talk.page.keyboard.press("Escape")
    expect(talk.items.locator(".side-title")).to_have_count(2)
    expect(talk.page.get_by_role("searchbox")).to_have_value("")

    talk.page.route("**/api/conversations?q=*", lambda route: route.abort())
    search(talk, "coffee")
    expect(talk.page.locator(".side-note")).to_contain_text("The search did not work.")
    talk.page.unroute_all()
    talk.page.locator(".side-note").get_by_role("button", name="Try again").click()
    expect(matches.first).to_contain_text("a pot of coffee")


def test_a_search_goes_back_as_far_as_it_takes(talk: Talk) -> None:
    talk.say("the very first needle")
    ask(talk, "PATCH", "", {"pinned": True})  # keeps them all
    for number in range(ENOUGH_FOR_TWO_PAGES):
        turn = ask(talk, "POST", "/turns", {"message": f"straw {number}"})
        talk.context.request.get(talk.url + turn["events_url"])  # until it is over
    talk.reload()
    # What is further up comes by itself, so that the browser finds it, too.
    expect(talk.own).to_have_count(ENOUGH_FOR_TWO_PAGES + 1)
    search(talk, "needle")
    talk.page.locator(".found-match", has_not_text="echo").click()
    sought = talk.page.locator("article.sought")
    expect(sought).to_contain_text("the very first needle")
    expect(sought).to_be_in_viewport(ratio=1)


def test_a_conversation_is_exported_before_it_is_deleted(talk: Talk, tmp_path: Path) -> None:
    talk.say("keep this")
    options = talk.page.get_by_role("button", name="Options for")
    dialog = talk.page.get_by_role("dialog")
    options.click()
    with talk.page.expect_download() as taken:
        dialog.get_by_role("button", name="Markdown").click()
    assert taken.value.suggested_filename == "keep this.md"
    taken.value.save_as(tmp_path / "talk.md")
    assert "keep this" in (tmp_path / "talk.md").read_text("utf-8")

    # Where it cannot be exported, nothing is deleted.
    dialog.get_by_role("button", name="Delete conversation").click()
    talk.page.route("**/export?*", lambda route: route.abort())
    dialog.get_by_role("button", name="Export, then delete").click()
    expect(dialog).to_contain_text("The export did not work, so nothing was deleted.")
    talk.page.unroute_all()
    assert len(talk.stored()) == 2

    with talk.page.expect_download() as taken:
        dialog.get_by_role("button", name="Export, then delete").click()
    taken.value.save_as(tmp_path / "talk.json")
    assert "keep this" in json.dumps(json.loads((tmp_path / "talk.json").read_text("utf-8")))
    expect(talk.items).to_have_count(0)
    assert talk.get("/api/conversations")["conversations"] == []
