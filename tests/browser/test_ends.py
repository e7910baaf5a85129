"""Why a reply ended is said in words, with what can be done."""

from playwright.sync_api import Locator, expect

from tests.support.browser.talk import Talk
from tests.support.puppet_model import Reply, ToldModel


def ask(told: Talk, model: ToldModel) -> Reply:
    told.send("tell me")
    return model.next_reply()


def button(told: Talk, name: str) -> Locator:
    return told.replies.last.locator(".end").get_by_role("button", name=name)


def test_a_reply_at_the_limit_of_its_length_offers_to_go_on(told: Talk, model: ToldModel) -> None:
    reply = ask(told, model)
    reply.say("One, two, ")
    reply.end("length")
    expect(told.replies).to_contain_text("The reply ends here because it has reached the limit of its length.")
    expect(told.status).to_contain_text("limit of its length")
    button(told, "Continue").click()
    reply = model.next_reply()
    reply.say("three.")
    reply.end()
    told.wait_for_end()
    expect(told.texts.last).to_have_text("One, two, three.")
    expect(told.replies.last).not_to_contain_text("limit of its length")


def test_a_filter_is_named_and_nothing_goes_on_from_it(told: Talk, model: ToldModel) -> None:
    reply = ask(told, model)
    reply.say("Take two ")
    reply.end("content_filter")
    expect(told.replies).to_contain_text("its content filter does not let the rest through")
    expect(button(told, "Try again")).to_be_visible()
    expect(button(told, "Continue")).to_have_count(0)
    told.click("Try again")
    model.next_reply().end("content_filter")
    expect(told.replies).to_contain_text("held this reply back. Ask in other words.")


def test_thoughts_without_an_answer_offer_to_go_on(told: Talk, model: ToldModel) -> None:
    reply = ask(told, model)
    reply.think("First I have to ")
    reply.end("length")
    expect(told.replies).to_contain_text("has spent all its tokens on thinking and has written no answer")
    expect(button(told, "Continue")).to_be_visible()
    button(told, "Try again").click()
    reply = model.next_reply()
    reply.think("Well.")
    reply.end()
    expect(told.replies.last).to_contain_text("The model has thought, but has written no answer.")
