"""Nothing is lost and nothing doubled, whatever happens in the middle."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import SCRIPT, NewTalk
from tests.conftest import StartServer
from tests.support.browser.line import Line
from tests.support.browser.talk import Talk
from tests.support.puppet_model import ToldModel


def test_a_reload_in_mid_reply_loses_nothing(told: Talk, model: ToldModel) -> None:
    told.send("tell me")
    reply = model.next_reply()
    reply.say("The **first** half ")
    expect(told.texts).to_have_text("The first half")
    told.reload()
    expect(told.own).to_have_text("tell me")
    expect(told.texts).to_have_text("The first half")
    reply.say("and the *second*.")
    reply.end()
    told.wait_for_end()
    expect(told.texts).to_have_text("The first half and the second.")
    assert [message["content"] for message in told.stored()] == ["tell me", "The **first** half and the *second*."]
    assert len(model.replies) == 1


def test_a_second_tab_follows_the_same_reply(told: Talk, model: ToldModel) -> None:
    told.send("tell us both")
    reply = model.next_reply()
    reply.say("Listen: ")
    expect(told.texts).to_have_text("Listen:")
    second = told.tab()
    expect(second.texts).to_have_text("Listen:")
    reply.say("here it is.")
    reply.end()
    for tab in (told, second):
        tab.wait_for_end()
        expect(tab.texts).to_have_text("Listen: here it is.")
    assert len(model.replies) == 1


def test_the_second_tab_stops_what_the_first_asked_for(told: Talk, model: ToldModel) -> None:
    told.send("tell us both")
    reply = model.next_reply()
    reply.say("Listen")
    second = told.tab()
    second.click("Stop the reply")
    for tab in (told, second):
        expect(tab.replies).to_contain_text("You stopped this reply.")
        expect(tab.texts).to_have_text("Listen")


def test_a_lost_network_in_mid_reply_loses_nothing(new_talk: NewTalk, told_url: str, model: ToldModel) -> None:
    with Line(told_url) as line:
        told = new_talk(line.url)
        told.send("tell me")
        reply = model.next_reply()
        reply.say("Before ")
        expect(told.texts).to_have_text("Before")
        # The browser alone leaves a stream open that it has already.
        told.context.set_offline(True)
        line.cut()
        expect(told.replies).to_contain_text("The connection was lost and is being restored.")
        reply.say("during ")
        line.mend()
        told.context.set_offline(False)
        expect(told.texts).to_have_text("Before during")
        expect(told.replies).not_to_contain_text("The connection was lost")
        reply.say("after.")
        reply.end()
        told.wait_for_end()
        expect(told.texts).to_have_text("Before during after.")
        assert told.stored()[-1]["content"] == "Before during after."
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
def test_a_reload_before_the_server_has_the_message_gives_it_back(told: Talk, model: ToldModel, held: str) -> None:
    waiting: list[Route] = []
    told.page.route(held, lambda route: waiting.append(route) if route.request.method == "POST" else route.continue_())
    told.send("an important thought")
    wait_until(told, lambda: len(waiting) == 1)
    expect(told.input).to_have_value("")
    told.reload()
    expect(told.input).to_have_value("an important thought")
    waiting[0].abort()
    told.page.unroute_all()
    assert model.replies == []

    told.input.press("Enter")
    model.next_reply().end()
    told.wait_for_end()
    told.reload()
    expect(told.own).to_have_text(["an important thought"])
    expect(told.input).to_have_value("")
    assert len(model.replies) == 1


def test_a_reload_before_the_answer_doubles_nothing(told: Talk, model: ToldModel) -> None:
    taken: list[Route] = []

    def take_and_keep_silent(route: Route) -> None:
        route.fetch()
        taken.append(route)

    told.page.route("**/turns", take_and_keep_silent)
    told.send("once only")
    wait_until(told, lambda: len(taken) == 1)
    model.next_reply().say("Only once.")
    told.reload()
    expect(told.texts).to_have_text("Only once.")
    expect(told.input).to_have_value("")
    taken[0].abort()
    told.page.unroute_all()
    model.replies[0].end()
    told.wait_for_end()
    expect(told.own).to_have_text(["once only"])
    expect(told.texts).to_have_text(["Only once."])
    assert len(told.stored()) == 2
    assert len(model.replies) == 1


def test_a_message_that_could_not_be_sent_is_sent_again_under_the_same_key(told: Talk, model: ToldModel) -> None:
    keys: list[str | None] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        route.abort()

    told.page.route("**/turns", lose)
    told.send("through thick and thin")
    expect(told.page.locator(".trouble")).to_contain_text("The server cannot be reached.")
    expect(told.input).to_have_value("through thick and thin")
    told.page.unroute_all()
    told.reload()
    expect(told.input).to_have_value("through thick and thin")

    with told.page.expect_request("**/turns") as again:
        told.input.press("Enter")
    keys.append(again.value.headers.get("idempotency-key"))
    assert len(keys) == 4
    assert len(set(keys)) == 1
    model.next_reply().end()
    told.wait_for_end()
    assert len(told.stored()) == 2


def wait_until(talk: Talk, holds: Callable[[], bool]) -> None:
    """Lets the browser go on until `holds`; the time limit of the test is its end."""
    while not holds():
        talk.page.wait_for_timeout(10)
