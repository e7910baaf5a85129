"""Whatever comes between the page and a reply: what is shown in the end is what is stored, to the character."""

from playwright.sync_api import expect

from tests.browser.conftest import NewTalk
from tests.browser.line import Line
from tests.browser.talk import Talk
from tests.browser.told_model import Reply, ToldModel
from tests.conftest import StartServer

LOST = "The connection was lost"
TABS = 8


def numbers(first: int, last: int) -> str:
    """Text in which each gap and each double shows."""
    return "".join(f"{number} " for number in range(first, last))


def expect_as_stored(talk: Talk, text: str) -> None:
    talk.wait_for_end()
    expect(talk.texts.last).to_have_text(text.strip())
    stored = talk.stored()[-1]
    assert (stored["content"], stored["status"]) == (text, "done")
    talk.reload()
    expect(talk.texts.last).to_have_text(text.strip())


def begin(talk: Talk, model: ToldModel) -> Reply:
    """A reply that has said the numbers below 100."""
    talk.send("count")
    reply = model.next_reply()
    reply.say(numbers(0, 100))
    expect(talk.texts.last).to_contain_text("99")
    return reply


def test_a_deploy_behind_a_proxy_in_mid_reply_and_while_sending(
    new_talk: NewTalk, told_url: str, model: ToldModel
) -> None:
    with Line(told_url) as line:
        talk = new_talk(line.url)
        reply = begin(talk, model)
        line.answer_502()
        expect(talk.replies).to_contain_text(LOST)
        reply.say(numbers(100, 200))
        line.mend()
        expect(talk.texts).to_contain_text("199")
        expect(talk.replies).not_to_contain_text(LOST)
        reply.say(numbers(200, 300))
        reply.end()
        expect_as_stored(talk, numbers(0, 300))

        # A message sent meanwhile waits for the server, or is given back; it is never lost and never doubled.
        line.answer_502()
        talk.send("and on")
        expect(talk.page.locator(".trouble")).to_be_visible()
        expect(talk.input).to_have_value("and on")
        line.mend()
        talk.input.press("Enter")
        reply = model.next_reply()
        reply.say("On.")
        reply.end()
        expect_as_stored(talk, "On.")
        assert [message["content"] for message in talk.stored()[0::2]] == ["count", "and on"]
        assert len(model.replies) == 2


def test_a_laptop_that_sleeps_in_mid_reply(new_talk: NewTalk, told_url: str, model: ToldModel) -> None:
    with Line(told_url) as line:
        talk = new_talk(line.url)
        reply = begin(talk, model)
        lid = talk.context.new_cdp_session(talk.page)
        lid.send("Page.setWebLifecycleState", {"state": "frozen"})
        line.cut()
        reply.say(numbers(100, 200))
        line.mend()
        lid.send("Page.setWebLifecycleState", {"state": "active"})
        expect(talk.texts).to_contain_text("199")
        reply.say(numbers(200, 300))
        reply.end()
        expect_as_stored(talk, numbers(0, 300))
        assert len(model.replies) == 1


def test_a_server_killed_in_mid_reply_and_started_again(
    new_talk: NewTalk, start_server: StartServer, model: ToldModel
) -> None:
    settings = {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "told"}
    first = start_server(**settings)
    with Line(first.url) as line:
        talk = new_talk(line.url)
        begin(talk, model)
        first.kill()
        line.cut()
        expect(talk.replies).to_contain_text(LOST)
        line.target = start_server(**settings).url
        line.mend()
        # Nobody may have seen the end of what the lost process was told: the rest is asked for, or its loss is said.
        talk.wait_for_end()
        stored = talk.stored()[-1]
        assert numbers(0, 100).startswith(stored["content"])
        assert stored["status"] in ("interrupted", "failed")
        expect(talk.texts.last).to_have_text(stored["content"].strip())
        expect(talk.replies).to_contain_text("The reply was cut off. What had been written is kept here.")
        talk.click("Continue")
        reply = model.next_reply()
        reply.say(numbers(100, 200))
        reply.end()
        expect_as_stored(talk, stored["content"] + numbers(100, 200))


def test_eight_tabs_on_one_running_reply(told: Talk, model: ToldModel) -> None:
    """HTTP/1.1 gives a browser six connections to a server: no tab may starve the others."""
    reply = begin(told, model)
    tabs = [told, *(told.tab() for _ in range(TABS - 1))]
    reply.say(numbers(100, 200))
    for tab in tabs:
        tab.page.bring_to_front()
        expect(tab.texts).to_contain_text("199")
    reply.say(numbers(200, 300))
    reply.end()
    for tab in tabs:
        tab.page.bring_to_front()
        tab.wait_for_end()
        expect(tab.texts).to_have_text(numbers(0, 300).strip())
    assert len(model.replies) == 1
    assert told.stored()[-1]["content"] == numbers(0, 300)
