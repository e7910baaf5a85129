"""Logging in, as people with accounts do it on the page."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.conftest import NewTalk
from tests.browser.test_axe import find
from tests.support.browser.talk import Talk
from tests.support.browser.team import Team, forgive, log_in, take
from tests.support.members import PASSWORD


def test_a_link_sets_the_password_and_the_page_is_theirs(visitor: Talk, team: Team) -> None:
    take(visitor, team.link("ann"))
    assert "link=" not in visitor.page.url
    visitor.say("hello")
    visitor.page.get_by_role("button", name="More").click()
    visitor.page.get_by_role("button", name="Account").click()
    expect(visitor.page.get_by_role("dialog")).to_contain_text("ann")
    expect(visitor.page.get_by_role("dialog")).to_contain_text("here")


def test_who_is_not_logged_in_is_asked_and_goes_on_at_the_same_place(
    visitor: Talk, new_talk: NewTalk, team: Team
) -> None:
    expect(visitor.page.get_by_role("dialog", name="Log in")).to_be_visible()
    assert find(visitor) == []
    link = team.link("ben")
    take(visitor, link)
    visitor.say("something to come back to")
    place = visitor.conversation_id
    visitor.context.clear_cookies()
    visitor.write("half a thought")
    visitor.page.goto(f"{team.url}/#/c/{place}")
    visitor.page.reload()
    log_in(visitor, "ben", "not the password at all")
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    log_in(visitor, "ben")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    expect(visitor.own).to_have_text(["something to come back to"])
    expect(visitor.input).to_have_value("half a thought")


def test_a_login_that_ends_meanwhile_asks_again_and_keeps_what_was_typed(visitor: Talk, team: Team) -> None:
    take(visitor, team.link("cid"))
    visitor.say("hello")
    visitor.context.clear_cookies()
    visitor.send("and on with it")
    expect(visitor.page.get_by_role("dialog", name="Log in")).to_be_visible()
    log_in(visitor, "cid")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    expect(visitor.own.first).to_have_text("hello")
    expect(visitor.input).to_have_value("and on with it")


def test_a_used_link_says_so(visitor: Talk, team: Team) -> None:
    link = team.link("dan")
    take(visitor, link)
    visitor.page.goto(f"{team.url}/#link={link}")
    visitor.page.reload()
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    visitor.page.get_by_role("dialog").get_by_role("button", name="Log in").click()
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)  # who has used it is logged in


def open_account(talk: Talk) -> Locator:
    talk.page.get_by_role("button", name="More").click()
    talk.page.get_by_role("button", name="Account").click()
    return talk.page.get_by_role("dialog")


def test_a_new_password_ends_the_other_logins_and_a_wrong_one_asks_for_none(
    visitor: Talk, new_talk: NewTalk, team: Team
) -> None:
    take(visitor, team.link("fay"))
    other = new_talk(team.url)
    log_in(other, "fay")
    expect(other.page.get_by_role("dialog")).to_have_count(0)
    dialog = open_account(visitor)
    dialog.get_by_text("Change the password").click()
    change = dialog.get_by_role("button", name="Change it")
    dialog.get_by_label("Password until now").fill("not the password at all")
    dialog.get_by_label("New password").fill("another battery staple")
    change.click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(dialog).to_have_count(1)
    assert find(visitor) == []

    dialog.get_by_label("Password until now").fill(PASSWORD)
    change.click()
    expect(dialog.get_by_text("signed out everywhere else")).to_be_visible()
    expect(dialog.get_by_role("button", name="Sign out there")).to_have_count(0)
    expect(other.page.get_by_role("dialog", name="Log in")).to_be_visible()
    log_in(other, "fay", "another battery staple")
    expect(other.page.get_by_role("dialog")).to_have_count(0)
    visitor.page.get_by_role("button", name="Close").click()
    visitor.say("still here")
    forgive(other)


def test_a_token_is_shown_once_and_copied(new_talk: NewTalk, team: Team) -> None:
    talk = new_talk(team.url, permissions=["clipboard-read", "clipboard-write"])
    take(talk, team.link("gus"))
    dialog = open_account(talk)
    dialog.get_by_label("Name").fill("reader")
    dialog.get_by_label("Chat (read and write)").uncheck()
    dialog.get_by_role("button", name="New token").click()
    expect(dialog.get_by_label("shown this once")).to_have_count(0)  # it has to be allowed something
    dialog.get_by_label("Read only").check()
    dialog.get_by_label("Expires").select_option("never")
    dialog.get_by_role("button", name="New token").click()
    shown = dialog.get_by_label("shown this once")
    expect(shown).to_have_value(re.compile("^lh_"))
    expect(dialog.get_by_text("read · never expires · never used")).to_be_visible()
    dialog.get_by_role("button", name="Copy").click()
    expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
    assert talk.page.evaluate("navigator.clipboard.readText()") == shown.input_value()
    talk.page.get_by_role("button", name="Close").click()
    dialog = open_account(talk)
    expect(dialog.get_by_text("read · never expires · never used")).to_be_visible()
    expect(dialog.get_by_label("shown this once")).to_have_count(0)
    forgive(talk)


def test_other_logins_and_tokens_are_ended_where_they_are_listed(visitor: Talk, new_talk: NewTalk, team: Team) -> None:
    take(visitor, team.link("eve"))
    other = new_talk(team.url)
    log_in(other, "eve")
    expect(other.page.get_by_role("dialog")).to_have_count(0)
    visitor.page.get_by_role("button", name="More").click()
    visitor.page.get_by_role("button", name="Account").click()
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Sign out there")).to_have_count(1)
    assert find(visitor) == []
    dialog.get_by_role("button", name="Sign out there").click()
    expect(dialog.get_by_role("button", name="Sign out there")).to_have_count(0)
    expect(other.page.get_by_role("dialog", name="Log in")).to_be_visible()

    dialog.get_by_label("Name").fill("my script")
    dialog.get_by_role("button", name="New token").click()
    shown = dialog.get_by_label("shown this once")
    expect(shown).to_have_value(re.compile("^lh_"))
    expect(shown).to_be_focused()
    expect(dialog.get_by_text("my script")).to_be_visible()
    expect(dialog.get_by_text(re.compile(r"^chat · expires .* · never used$"))).to_be_visible()
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog.get_by_text("my script")).to_have_count(0)

    dialog.get_by_role("button", name="Log out").click()
    expect(visitor.page.get_by_role("dialog", name="Log in")).to_be_visible()
    forgive(other)
