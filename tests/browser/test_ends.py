"""Why a reply ended is said in words, with what can be done."""

from playwright.sync_api import Locator, expect

from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel, Reply


def ask(puppet_talk: Talk, model: PuppetModel) -> Reply:
    puppet_talk.send("tell me")
    return model.next_reply()


def button(puppet_talk: Talk, name: str) -> Locator:
    return puppet_talk.replies.last.locator(".end").get_by_role("button", name=name)


def test_a_reply_at_the_limit_of_its_length_offers_to_go_on(puppet_talk: Talk, model: PuppetModel) -> None:
    reply = ask(puppet_talk, model)
    reply.say("One, two, ")
    reply.end("length")
    expect(puppet_talk.replies).to_contain_text("The reply ends here because it has reached the limit of its length.")
    expect(puppet_talk.status).to_contain_text("limit of its length")
    button(puppet_talk, "Continue").click()
    reply = model.next_reply()
    reply.say("three.")
    reply.end()
    puppet_talk.wait_for_end()
    expect(puppet_talk.texts.last).to_have_text("One, two, three.")
    expect(puppet_talk.replies.last).not_to_contain_text("limit of its length")


def test_a_filter_is_named_and_nothing_goes_on_from_it(puppet_talk: Talk, model: PuppetModel) -> None:
    reply = ask(puppet_talk, model)
    reply.say("Take two ")
    reply.end("content_filter")
    expect(puppet_talk.replies).to_contain_text("its content filter does not let the rest through")
    expect(button(puppet_talk, "Try again")).to_be_visible()
    expect(button(puppet_talk, "Continue")).to_have_count(0)
    puppet_talk.click("Try again")
    model.next_reply().end("content_filter")
    expect(puppet_talk.replies).to_contain_text("held this reply back. Ask in other words.")


def test_thoughts_without_an_answer_offer_to_go_on(puppet_talk: Talk, model: PuppetModel) -> None:
    reply = ask(puppet_talk, model)
    reply.think("First I have to ")
    reply.end("length")
    expect(puppet_talk.replies).to_contain_text("has spent all its tokens on thinking and has written no answer")
    expect(button(puppet_talk, "Continue")).to_be_visible()
    button(puppet_talk, "Try again").click()
    reply = model.next_reply()
    reply.think("Well.")
    reply.end()
    expect(puppet_talk.replies.last).to_contain_text("The model has thought, but has written no answer.")
