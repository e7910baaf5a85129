"""The editor of own personas: made, used, changed and deleted; what was typed is never lost."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, expect

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel, Reply

PROMPT = "Answer in verse.\nNever in prose."
TABS = 40  # from any field of the form to any other


def open_personas(talk: Talk) -> Locator:
    talk.click("More")
    talk.page.get_by_role("dialog").get_by_role("button", name="My personas").press("Enter")
    dialog = talk.page.get_by_role("dialog", name="My personas")
    expect(dialog).to_be_visible()
    return dialog


def tab_to(wanted: Locator) -> None:
    """Presses Tab until `wanted` has the focus."""
    for _ in range(TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        wanted.page.keyboard.press("Tab")
    raise AssertionError(f"no way to {wanted} by keyboard")


def answer(talk: Talk, model: PuppetModel, question: str) -> Reply:
    """What the model was asked, after it has answered."""
    talk.send(question)
    reply = model.next_reply()
    reply.say("Roses are red.")
    reply.end()
    talk.wait_for_end()
    return reply


def test_a_persona_is_made_by_keyboard_and_used_and_changed_and_deleted(puppet_talk: Talk, model: PuppetModel) -> None:
    make_the_poet(puppet_talk)
    talk_to_the_poet(puppet_talk, model)
    make_it_the_writer(puppet_talk, model)
    delete_the_writer(puppet_talk, model)


def own_personas(talk: Talk) -> Locator:
    """The rows of the list."""
    return talk.page.get_by_role("list", name="My personas").get_by_role("listitem")


def chosen_persona(talk: Talk) -> Locator:
    return talk.page.get_by_label("Persona", exact=True)


def make_the_poet(puppet_talk: Talk) -> None:
    """By keyboard alone, and with a number that is refused at first."""
    keyboard, page = puppet_talk.page.keyboard, puppet_talk.page
    tab_to(page.get_by_role("button", name="More", exact=True))
    keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("button", name="My personas")).to_be_focused()
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="New persona")).to_be_focused()
    keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    keyboard.type("Poet")
    tab_to(page.get_by_role("button", name="Use 🎨 as the icon"))
    keyboard.press("Enter")
    tab_to(page.get_by_label("Prompt"))
    keyboard.type(PROMPT)
    expect(page.get_by_text(f"{16_000 - len(PROMPT)} characters left")).to_be_visible()
    tab_to(page.get_by_label("Welcome text"))
    keyboard.type("What shall I write?")
    tab_to(page.get_by_label("Question 2"))
    keyboard.type("A poem about rain")
    temperature, reply_length = page.get_by_label("Temperature"), page.get_by_label("Reply length")
    tab_to(temperature)
    keyboard.type("3")
    expect(temperature).to_have_accessible_description("0 to 2, higher is freer")
    tab_to(reply_length)
    expect(temperature).to_have_attribute("aria-invalid", "true")
    expect(temperature).to_have_accessible_description("A number from 0 to 2, please.")
    keyboard.type("64")
    keyboard.press("Enter")
    expect(temperature).to_be_focused()
    keyboard.press("Control+A")
    keyboard.type("0,7")
    keyboard.press("Enter")
    row = own_personas(puppet_talk)
    expect(row).to_contain_text("Poet")
    expect(row.get_by_role("button", name="Edit")).to_be_focused()
    expect(page.get_by_text("“Poet” is saved.")).to_be_visible()


def talk_to_the_poet(puppet_talk: Talk, model: PuppetModel) -> None:
    keyboard, page, row = puppet_talk.page.keyboard, puppet_talk.page, own_personas(puppet_talk)
    tab_to(page.get_by_role("button", name="New persona"))
    tab_to(row.get_by_role("button", name="Talk to"))
    keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(puppet_talk.input).to_be_focused()
    checked = chosen_persona(puppet_talk).locator("optgroup[label='My personas'] option:checked")
    expect(checked).to_have_text("🎨 Poet")
    expect(page.get_by_text("What shall I write?")).to_be_visible()
    expect(page.locator(".suggestion")).to_have_text(["A poem about rain"])
    asked = answer(puppet_talk, model, "hello").body
    assert asked["messages"][0] == {"role": "system", "content": PROMPT}
    assert (asked["temperature"], asked["max_tokens"]) == (0.7, 64)
    expect(puppet_talk.replies.last).to_have_accessible_name("Poet")


def make_it_the_writer(puppet_talk: Talk, model: PuppetModel) -> None:
    page, row = puppet_talk.page, own_personas(puppet_talk)
    open_personas(puppet_talk)
    row.get_by_role("button", name="Edit").click()
    page.get_by_label("Prompt").fill("Answer in prose.")
    page.get_by_label("Name").fill("Writer")
    page.get_by_label("Temperature").fill("")
    page.get_by_label("Name").press("Enter")
    expect(row).to_contain_text("Writer")
    expect(chosen_persona(puppet_talk).locator("option:checked")).to_have_text("🎨 Writer")
    page.get_by_role("button", name="Close", exact=True).click()
    asked = answer(puppet_talk, model, "and again").body
    assert asked["messages"][0]["content"] == "Answer in prose."
    assert "temperature" not in asked


def delete_the_writer(puppet_talk: Talk, model: PuppetModel) -> None:
    page, row, chosen = puppet_talk.page, own_personas(puppet_talk), chosen_persona(puppet_talk)
    open_personas(puppet_talk)
    row.get_by_role("button", name="Delete").click()
    question = page.get_by_role("dialog", name="Delete “Writer”?")
    expect(question).to_contain_text("“Assistant” goes on answering")
    question.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    expect(page.get_by_role("button", name="New persona")).to_be_focused()
    page.get_by_role("button", name="Close", exact=True).click()
    expect(chosen.locator("option:checked")).to_have_text("💬 Assistant")
    expect(chosen.locator("optgroup")).to_have_count(0)
    assert answer(puppet_talk, model, "who are you?").messages[0]["content"] == prompt_of(puppet_talk, "assistant")


def test_what_was_typed_outlives_a_failed_save_a_reload_and_a_way_out(new_talk: NewTalk, scripted_url: str) -> None:
    talk = new_talk(scripted_url)
    page = talk.page
    personas = "**/api/personas"
    page.route(personas, lambda route: route.abort() if route.request.method == "POST" else route.fallback())
    dialog = open_personas(talk)
    dialog.get_by_role("button", name="Start from “AI teacher”").click()
    name, prompt, save = page.get_by_label("Name"), page.get_by_label("Prompt"), page.get_by_role("button", name="Save")
    expect(name).to_have_value("AI teacher (copy)")
    expect(prompt).to_have_value(prompt_of(talk, "teacher"))
    name.fill("Tutor")
    save.click()
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    expect(name).to_have_value("Tutor")

    talk.reload()
    talk.click("More")
    page.get_by_role("dialog").get_by_role("button", name="My personas").click()
    expect(page.get_by_text("What you had not saved is still here.")).to_be_visible()
    expect(prompt).to_have_value(prompt_of(talk, "teacher"))
    for leave in (lambda: prompt.press("Escape"), lambda: page.get_by_role("button", name="Cancel").click()):
        assert keeps_asking(talk, leave)
        expect(name).to_have_value("Tutor")
    # The Enter that ends a composition in Safari.
    composed = "{ key: 'Enter', keyCode: 229, bubbles: true, cancelable: true }"
    assert not name.evaluate(f"element => element.dispatchEvent(new KeyboardEvent('keydown', {composed}))")
    page.unroute(personas)
    save.click()
    expect(own_personas(talk)).to_contain_text("Tutor")
    new_conversations_begin_with_the_tutor(talk, new_talk)


def new_conversations_begin_with_the_tutor(talk: Talk, new_talk: NewTalk) -> None:
    """Here and on another device, until another one is chosen there."""
    page = talk.page
    begin = page.get_by_role("dialog").get_by_role("combobox", name="Persona")
    with page.expect_response("**/api/settings"):
        begin.select_option(label="👨‍🏫 Tutor")
    expect(page.locator(".head select").locator("option:checked")).to_have_text("👨‍🏫 Tutor")
    other = new_talk(talk.url, storage_state={"cookies": talk.context.cookies(), "origins": []})
    chosen = chosen_persona(other)
    expect(chosen.locator("option:checked")).to_have_text("👨‍🏫 Tutor")
    other.say("hello")
    assert other.get(f"/api/conversations/{other.conversation_id}")["role"].startswith("own-")
    other.choose("Persona", "programmer")
    other.open("#/")
    expect(chosen).to_have_value("programmer")


def prompt_of(talk: Talk, role: str) -> str:
    prompt: str = talk.get("/api/roles")["roles"][role]["prompt"]
    return prompt


def keeps_asking(talk: Talk, leave: Callable[[], Any]) -> bool:
    """Whether leaving the form asks first; says no then."""
    question = talk.page.get_by_role("dialog", name="Discard unsaved changes?")
    leave()
    question.get_by_role("button", name="Keep writing").click()
    expect(question).to_have_count(0)
    return talk.page.locator(".persona-form").is_visible()
