"""Tabs and devices of one person stay level, without being touched."""

from playwright.sync_api import BrowserContext, expect

from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel


def streams(context: BrowserContext) -> list[str]:
    """The addresses of the streams of changes that the tabs of a browser open from now on."""
    opened: list[str] = []
    context.on("request", lambda request: opened.append(request.url) if request.url.endswith("/api/events") else None)
    return opened


def test_a_second_tab_shows_what_the_first_one_does(talk: Talk) -> None:
    talk.say("hello")
    other = talk.tab()
    expect(other.items).to_have_count(1)
    talk.say("and again")
    expect(other.replies).to_have_count(2)
    expect(other.texts.last).to_have_text(talk.texts.last.inner_text())
    talk.page.goto(f"{talk.url}/#/")
    talk.say("something else")
    expect(other.items).to_have_count(2)


def test_a_reply_that_another_tab_asked_for_is_followed(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("tell me")
    reply = model.next_reply()
    reply.say("First.")
    reply.end()
    puppet_talk.wait_for_end()
    other = puppet_talk.tab()
    expect(other.texts).to_have_text("First.")
    puppet_talk.send("and now to both of us")
    reply = model.next_reply()
    reply.say("Listen:")
    expect(other.texts.last).to_have_text("Listen:")
    reply.say(" it goes on.")
    reply.end()
    for tab in (puppet_talk, other):
        tab.wait_for_end()
        expect(tab.texts.last).to_have_text("Listen: it goes on.")


def test_eight_tabs_need_one_connection_for_it(talk: Talk) -> None:
    opened = streams(talk.context)
    talk.say("hello")
    tabs = [talk.tab() for _ in range(7)]
    talk.say("to all of you")
    for tab in tabs:
        expect(tab.replies).to_have_count(2)
    assert len(opened) <= 1, "the first tab listens, perhaps since before we looked"
    before = len(opened)
    talk.page.close()
    tabs[0].say("the first one has gone")
    for tab in tabs:
        expect(tab.replies).to_have_count(3)
    assert len(opened) == before + 1
