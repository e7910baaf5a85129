"""What administrators do on the page, and what becomes of the others meanwhile."""

import re

from playwright.sync_api import Locator, expect

from tests.browser.conftest import NewTalk
from tests.browser.test_axe import find
from tests.support.browser.talk import Talk
from tests.support.browser.team import Team, forgive, log_in, open_link, take
from tests.support.members import PASSWORD

LINK = re.compile(r"/#link=.+$")


def open_admin(talk: Talk, part: str = "People") -> Locator:
    talk.page.get_by_role("button", name="More").click()
    talk.page.get_by_role("button", name="Administration").click()
    dialog = talk.page.get_by_role("dialog", name="Administration")
    dialog.get_by_role("button", name=part).click()
    expect(dialog.locator("section[aria-busy=false]")).to_be_visible()
    return dialog


def person(dialog: Locator, name: str) -> Locator:
    return dialog.get_by_role("listitem").filter(has=dialog.page.locator("summary", has_text=name))


def shown_link(dialog: Locator, label: str) -> str:
    shown = dialog.get_by_label(label)
    expect(shown).to_have_value(LINK)
    expect(shown).to_be_focused()
    return shown.input_value()


def test_a_person_who_is_disabled_sees_the_login_and_comes_back_when_enabled(
    visitor: Talk, new_talk: NewTalk, team: Team
) -> None:
    take(visitor, team.link("admin-a", "--admin"))
    other = new_talk(team.url)
    take(other, team.link("hal"))
    other.say("hello")
    row = person(open_admin(visitor), "hal")
    row.locator("summary").click()
    row.get_by_role("button", name="Disable").click()
    expect(row.locator("summary")).to_contain_text("disabled")
    expect(other.page.get_by_role("dialog", name="Log in")).to_be_visible()
    log_in(other, "hal")
    expect(other.page.get_by_role("alert")).to_be_visible()

    row.get_by_role("button", name="Enable").click()
    expect(row.locator("summary")).not_to_contain_text("disabled")
    log_in(other, "hal")
    expect(other.page.get_by_role("dialog")).to_have_count(0)
    expect(other.own).to_have_text(["hello"])
    forgive(other)


def test_an_invite_is_accepted_with_a_name_and_a_password_and_leads_to_the_chat(
    visitor: Talk, new_talk: NewTalk, team: Team
) -> None:
    take(visitor, team.link("admin-b", "--admin"))
    dialog = open_admin(visitor, "Invites")
    dialog.get_by_role("button", name="New invite").click()
    address = shown_link(dialog, "Invite link")
    expect(dialog.get_by_text("made by admin-b")).to_be_visible()

    guest = new_talk(team.url)
    open_link(guest, address)
    expect(guest.page.get_by_role("dialog", name="Welcome")).to_be_visible()
    guest.page.get_by_role("textbox", name="Name").fill("ida")
    guest.page.get_by_label("New password").fill(PASSWORD)
    assert find(guest) == []
    guest.page.get_by_role("button", name="Set it and log in").click()
    expect(guest.page.get_by_role("dialog")).to_have_count(0)
    guest.say("hello")
    forgive(guest)

    dialog.get_by_role("button", name="New invite").click()
    expect(dialog.get_by_label("Invite link")).not_to_have_value(address)
    revoked = shown_link(dialog, "Invite link")
    dialog.get_by_role("button", name="Revoke").click()
    expect(dialog.get_by_text("made by admin-b")).to_have_count(0)
    expect(dialog.get_by_label("Invite link")).to_have_count(0)
    late = new_talk(team.url)
    open_link(late, revoked)
    expect(late.page.get_by_role("alert")).to_be_visible()
    forgive(late)


def test_a_person_is_added_moved_given_another_link_and_deleted(visitor: Talk, new_talk: NewTalk, team: Team) -> None:
    take(visitor, team.link("admin-c", "--admin"))
    dialog = open_admin(visitor, "Groups")
    dialog.get_by_text("Add a group").click()
    dialog.get_by_label("Name").fill("readers")
    dialog.get_by_label("Days kept").last.fill("7")
    dialog.get_by_role("button", name="Add", exact=True).click()
    readers = person(dialog, "readers")
    readers.locator("summary").click()
    expect(readers.get_by_label("Days kept")).to_have_value("7")
    expect(readers.get_by_label("Messages kept")).to_have_value("")

    dialog.get_by_role("button", name="People").click()
    dialog.get_by_text("Add a person").click()
    dialog.get_by_label("Name").fill("jon")
    dialog.get_by_role("button", name="Add and make a link").click()
    first = shown_link(dialog, "One-time link for jon")
    row = person(dialog, "jon")
    expect(row.locator("summary")).to_contain_text("no password yet")
    row.locator("summary").click()
    row.get_by_role("button", name="New one-time link").click()
    expect(dialog.get_by_label("One-time link for jon")).not_to_have_value(first)
    take(new_talk(team.url), shown_link(dialog, "One-time link for jon").rpartition("#link=")[2])

    row.get_by_label("Group").select_option("readers")
    row.get_by_label("Role").select_option("Administrator")
    row.get_by_role("button", name="Save").click()
    expect(row.locator("summary")).to_contain_text("Administrator · readers")

    row.get_by_role("button", name="Delete…").click()
    question = visitor.page.get_by_role("dialog", name="Delete jon?")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    assert find(visitor) == []
    question.get_by_role("button", name="Delete everything").click()
    expect(question).to_have_count(0)
    expect(row).to_have_count(0)
    expect(dialog.get_by_role("heading", name="People")).to_be_focused()


def test_nobody_else_is_offered_the_administration_and_nobody_can_disable_themselves(
    visitor: Talk, new_talk: NewTalk, team: Team
) -> None:
    take(visitor, team.link("admin-d", "--admin"))
    own = person(open_admin(visitor), "admin-d")
    own.locator("summary").click()
    expect(own.get_by_role("button", name="New one-time link")).to_be_visible()
    expect(own.get_by_role("button")).to_have_count(1)
    other = new_talk(team.url)
    take(other, team.link("kim"))
    other.page.get_by_role("button", name="More").click()
    expect(other.page.get_by_role("button", name="Account")).to_be_visible()
    expect(other.page.get_by_role("button", name="Administration")).to_have_count(0)
    forgive(other)


def test_axe_finds_nothing_in_the_administration_on_a_phone(new_talk: NewTalk, team: Team) -> None:
    talk = new_talk(team.url, locale="zh-CN", viewport={"width": 360, "height": 700}, reduced_motion="reduce")
    open_link(talk, f"{team.url}/#link={team.link('admin-e', '--admin')}")
    talk.page.get_by_label("新密码").fill(PASSWORD)
    talk.page.get_by_role("button", name="设置并登录").click()
    expect(talk.page.get_by_role("dialog")).to_have_count(0)
    talk.page.locator("header button").first.click()
    talk.page.locator(".side-foot button").first.click()
    talk.page.get_by_role("button", name="人员、邀请").click()
    dialog = talk.page.get_by_role("dialog", name="管理")
    for part in ("人员", "邀请", "组", "用量"):
        dialog.get_by_role("button", name=part, exact=True).click()
        expect(dialog.locator("section[aria-busy=false]")).to_be_visible()
        for summary in (dialog.locator("summary").first, dialog.locator("summary").last):
            if part in ("人员", "组") and summary.locator("xpath=..").get_attribute("open") is None:
                summary.click()
        assert find(talk) == [], part
        assert talk.page.evaluate("document.querySelector('dialog').scrollWidth <= innerWidth - 32"), part
    forgive(talk)
