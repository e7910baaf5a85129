"""Nothing is lost and nothing doubled, whatever happens in the middle."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import SCRIPT, NewTalk
from tests.conftest import StartServer
from tests.support.browser.line import Line
from tests.support.browser.talk import Talk
from tests.support.puppet_model import PuppetModel


def test_a_reload_in_mid_reply_loses_nothing(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("tell me")
    reply = model.next_reply()
    reply.say("The **first** half ")
    expect(puppet_talk.texts).to_have_text("The first half")
    puppet_talk.reload()
    expect(puppet_talk.own).to_have_text("tell me")
    expect(puppet_talk.texts).to_have_text("The first half")
    reply.say("and the *second*.")
    reply.end()
    puppet_talk.wait_for_end()
    expect(puppet_talk.texts).to_have_text("The first half and the second.")
    assert [message["content"] for message in puppet_talk.stored()] == [
        "tell me",
        "The **first** half and the *second*.",
    ]
    assert len(model.replies) == 1


def test_a_second_tab_follows_the_same_reply(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("tell us both")
    reply = model.next_reply()
    reply.say("Listen: ")
    expect(puppet_talk.texts).to_have_text("Listen:")
    second = puppet_talk.tab()
    expect(second.texts).to_have_text("Listen:")
    reply.say("here it is.")
    reply.end()
    for tab in (puppet_talk, second):
        tab.wait_for_end()
        expect(tab.texts).to_have_text("Listen: here it is.")
    assert len(model.replies) == 1


def test_the_second_tab_stops_what_the_first_asked_for(puppet_talk: Talk, model: PuppetModel) -> None:
    puppet_talk.send("tell us both")
    reply = model.next_reply()
    reply.say("Listen")
    second = puppet_talk.tab()
    second.click("Stop the reply")
    for tab in (puppet_talk, second):
        expect(tab.replies).to_contain_text("You stopped this reply.")
        expect(tab.texts).to_have_text("Listen")


def test_a_lost_network_in_mid_reply_loses_nothing(new_talk: NewTalk, puppet_url: str, model: PuppetModel) -> None:
    with Line(puppet_url) as line:
        puppet_talk = new_talk(line.url)
        puppet_talk.send("tell me")
        reply = model.next_reply()
        reply.say("Before ")
        expect(puppet_talk.texts).to_have_text("Before")
        # The browser alone leaves a stream open that it has already.
        puppet_talk.context.set_offline(True)
        line.cut()
        expect(puppet_talk.replies).to_contain_text("The connection was lost and is being restored.")
        reply.say("during ")
        line.mend()
        puppet_talk.context.set_offline(False)
        expect(puppet_talk.texts).to_have_text("Before during")
        expect(puppet_talk.replies).not_to_contain_text("The connection was lost")
        reply.say("after.")
        reply.end()
        puppet_talk.wait_for_end()
        expect(puppet_talk.texts).to_have_text("Before during after.")
        assert puppet_talk.stored()[-1]["content"] == "Before during after."
        assert len(model.replies) == 1


def test_the_history_survives_a_killed_server(new_talk: NewTalk, start_server: StartServer) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT))
    with Line(server.url) as line:
        talk = new_talk(line.url)
        talk.say("one")
        talk.say("two")
        before = talk.stored()
        server.kill()
        talk.send("three")
        expect(talk.page.locator(".trouble")).to_contain_text("The server cannot be reached.")
        expect(talk.input).to_have_value("three")

        line.target = start_server(LIANHUA_SCRIPT=str(SCRIPT)).url
        talk.input.press("Enter")
        expect(talk.texts).to_have_text(
            [*(message["content"] for message in before[1::2]), "echo: three (turn 3: 6 messages)"]
        )
        assert talk.stored()[:4] == before
        talk.reload()
        expect(talk.own).to_have_text(["one", "two", "three"])


@pytest.mark.parametrize("held", ["**/api/conversations", "**/turns"], ids=["a new conversation", "a turn"])
def test_a_reload_before_the_server_has_the_message_gives_it_back(
    puppet_talk: Talk, model: PuppetModel, held: str
) -> None:
    waiting: list[Route] = []
    puppet_talk.page.route(
        held, lambda route: waiting.append(route) if route.request.method == "POST" else route.continue_()
    )
    puppet_talk.send("an important thought")
    wait_until(puppet_talk, lambda: len(waiting) == 1)
    expect(puppet_talk.input).to_have_value("")
    puppet_talk.reload()
    expect(puppet_talk.input).to_have_value("an important thought")
    waiting[0].abort()
    puppet_talk.page.unroute_all()
    assert model.replies == []

    puppet_talk.input.press("Enter")
    model.next_reply().end()
    puppet_talk.wait_for_end()
    puppet_talk.reload()
    expect(puppet_talk.own).to_have_text(["an important thought"])
    expect(puppet_talk.input).to_have_value("")
    assert len(model.replies) == 1


def test_a_reload_before_the_answer_doubles_nothing(puppet_talk: Talk, model: PuppetModel) -> None:
    taken: list[Route] = []

    def take_and_keep_silent(route: Route) -> None:
        route.fetch()
        taken.append(route)

    puppet_talk.page.route("**/turns", take_and_keep_silent)
    puppet_talk.send("once only")
    wait_until(puppet_talk, lambda: len(taken) == 1)
    model.next_reply().say("Only once.")
    puppet_talk.reload()
    expect(puppet_talk.texts).to_have_text("Only once.")
    expect(puppet_talk.input).to_have_value("")
    taken[0].abort()
    puppet_talk.page.unroute_all()
    model.replies[0].end()
    puppet_talk.wait_for_end()
    expect(puppet_talk.own).to_have_text(["once only"])
    expect(puppet_talk.texts).to_have_text(["Only once."])
    assert len(puppet_talk.stored()) == 2
    assert len(model.replies) == 1


def test_a_message_that_could_not_be_sent_is_sent_again_under_the_same_key(
    puppet_talk: Talk, model: PuppetModel
) -> None:
    keys: list[str | None] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        route.abort()

    puppet_talk.page.route("**/turns", lose)
    puppet_talk.send("through thick and thin")
    expect(puppet_talk.page.locator(".trouble")).to_contain_text("The server cannot be reached.")
    expect(puppet_talk.input).to_have_value("through thick and thin")
    puppet_talk.page.unroute_all()
    puppet_talk.reload()
    expect(puppet_talk.input).to_have_value("through thick and thin")

    with puppet_talk.page.expect_request("**/turns") as again:
        puppet_talk.input.press("Enter")
    keys.append(again.value.headers.get("idempotency-key"))
    assert len(keys) == 4
    assert len(set(keys)) == 1
    model.next_reply().end()
    puppet_talk.wait_for_end()
    assert len(puppet_talk.stored()) == 2


def wait_until(talk: Talk, holds: Callable[[], bool]) -> None:
    """Lets the browser go on until `holds`; the time limit of the test is its end."""
    while not holds():
        talk.page.wait_for_timeout(10)
