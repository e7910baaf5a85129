"""What a person does with a conversation."""

from playwright.sync_api import expect

from tests.browser.conftest import WINDOW_MESSAGES
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel


def test_each_turn_is_answered_with_the_ones_before(talk: Talk) -> None:
    assert talk.say("My name is Lin.") == "echo: My name is Lin. (turn 1: 2 messages)"
    assert talk.say("I live in Hangzhou.") == "echo: I live in Hangzhou. (turn 2: 4 messages)"
    assert talk.say("Where do I live?") == "echo: Where do I live? (turn 3: 6 messages)"
    assert talk.own.all_inner_texts() == ["My name is Lin.", "I live in Hangzhou.", "Where do I live?"]
    expect(talk.page.get_by_role("heading", level=1)).to_have_text("My name is Lin.")
    expect(talk.status).to_have_text("The reply is complete.")


def test_a_suggestion_begins_the_conversation(talk: Talk) -> None:
    suggestion = talk.page.locator(".suggestion").first
    text = suggestion.inner_text()
    suggestion.click()
    expect(talk.texts).to_have_text([f"echo: {text} (turn 1: 2 messages)"])
    expect(talk.page.locator(".suggestion")).to_have_count(0)


def test_a_persona_answers_from_the_turn_it_is_chosen_for(puppet_talk: Talk, model: PuppetModel) -> None:
    roles = puppet_talk.get("/api/roles")["roles"]
    for persona, turn in (("teacher", 1), ("programmer", 2)):
        puppet_talk.choose("Persona", persona)
        puppet_talk.send(f"question {turn}")
        reply = model.next_reply()
        assert reply.messages[0] == {"role": "system", "content": roles[persona]["prompt"]}
        assert len(reply.messages) == 2 * turn
        reply.say("An answer.")
        reply.end()
        puppet_talk.wait_for_end()
        expect(puppet_talk.replies.last).to_have_accessible_name(roles[persona]["name"])
    # Who said what stays so.
    puppet_talk.reload()
    expect(puppet_talk.replies.first).to_have_accessible_name(roles["teacher"]["name"])
    assert [message.get("persona") for message in puppet_talk.stored()[1::2]] == ["teacher", "programmer"]


def test_conversations_are_switched_between(talk: Talk) -> None:
    talk.say("about tea")
    talk.click("New conversation")
    expect(talk.own).to_have_count(0)
    talk.say("about rain")
    expect(talk.items.locator(".side-title")).to_have_text(["about rain", "about tea"])

    talk.items.filter(has_text="about tea").click()
    expect(talk.own).to_have_text(["about tea"])
    assert talk.say("more tea") == "echo: more tea (turn 2: 4 messages)"
    talk.page.go_back()
    expect(talk.own).to_have_text(["about rain"])


def test_a_running_reply_goes_on_behind_another_conversation(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("a long story")
    reply = model.next_reply()
    reply.say("Once upon ")
    expect(puppet_talk.texts).to_have_text("Once upon")
    puppet_talk.click("New conversation")
    expect(puppet_talk.replies).to_have_count(0)
    reply.say("a time.")
    puppet_talk.items.filter(has_text="a long story").click()
    expect(puppet_talk.texts).to_have_text("Once upon a time.")
    reply.end()
    puppet_talk.wait_for_end()
    assert len(model.replies) == 1


def test_stop_keeps_what_was_said(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("count to a million")
    reply = model.next_reply()
    reply.say("one two three")
    expect(puppet_talk.texts).to_have_text("one two three")
    puppet_talk.click("Stop the reply")
    expect(puppet_talk.replies).to_contain_text("You stopped this reply.")
    puppet_talk.wait_for_end()
    reply.say("four")
    puppet_talk.reload()
    expect(puppet_talk.texts).to_have_text("one two three")
    stored = puppet_talk.stored()[-1]
    assert (stored["content"], stored["status"]) == ("one two three", "stopped")
    # The conversation is free for the next question.
    puppet_talk.send("enough")
    assert model.next_reply().messages[-1]["content"] == "enough"


def test_a_conversation_is_cleared_only_when_confirmed(talk: Talk) -> None:
    talk.say("a secret")
    talk.click("Clear conversation")
    dialog = talk.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    expect(talk.own).to_have_text("a secret")

    talk.click("Clear conversation")
    dialog.get_by_role("button", name="Clear").click()
    expect(talk.own).to_have_count(0)
    expect(talk.status).to_have_text("The conversation was cleared.")
    talk.reload()
    expect(talk.page.locator(".suggestion").first).to_be_visible()
    assert talk.stored() == []
    assert talk.say("anew") == "echo: anew (turn 1: 2 messages)"


def test_a_conversation_is_renamed_pinned_and_deleted(talk: Talk) -> None:
    talk.say("untidy")
    talk.page.get_by_role("button", name="Options for").click()
    dialog = talk.page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("tidy")
    dialog.get_by_label("Pin").check()
    dialog.get_by_role("button", name="Save").click()
    expect(talk.items).to_contain_text(["tidy"])
    expect(talk.items).to_contain_text(["does not expire"])
    expect(talk.page.get_by_role("heading", level=1)).to_have_text("tidy")

    talk.page.get_by_role("button", name="Options for").click()
    dialog.get_by_role("button", name="Delete conversation").click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(talk.items).to_have_count(0)
    expect(talk.own).to_have_count(0)
    assert talk.get("/api/conversations")["conversations"] == []


def test_a_failed_reply_says_why_and_is_tried_again(talk: Talk) -> None:
    talk.say("[refused]")
    expect(talk.replies.last).to_contain_text("There was no reply. The model's server refused this request.")
    expect(talk.status).to_contain_text("There was no reply.")

    talk.say("[fails once]")
    expect(talk.replies.last).to_contain_text("Half of")
    expect(talk.replies.last).to_contain_text("cut off. What had been written is kept here. The model took too long")
    talk.click("Try again")
    expect(talk.page.get_by_role("button", name="Try again")).to_have_count(0)
    talk.wait_for_end()
    expect(talk.texts.last).to_have_text("Half of")
    expect(talk.page.get_by_role("button", name="Try again")).to_have_count(0)
    # Beside the one that failed, and not behind it.
    expect(talk.own).to_have_text(["[refused]", "[fails once]"])
    expect(talk.replies.last.locator(".branches")).to_have_text("2 / 2")


def test_what_was_sent_is_shown_for_each_reply(talk: Talk) -> None:
    turns = WINDOW_MESSAGES // 2 + 1
    for turn in range(1, turns + 1):
        talk.say(f"question {turn}")
    last = talk.replies.last
    last.get_by_role("button", name="What was sent").click()
    rows = last.locator(".sent-row")
    expect(rows.first).to_contain_text("The persona's prompt")
    expect(rows.last).to_contain_text(f"question {turns}")
    # The persona, an exchange and the question: a window that is full loses a block of its oldest messages.
    expect(last.locator(".sent-row:not(.left)")).to_have_count(4)
    expect(rows.filter(has_text="question 1").first).to_contain_text("left out")
    expect(last.locator(".sent-sum")).to_contain_text("Sent: 4, left out: 4")
    expect(last.get_by_role("meter")).to_be_visible()
