"""Whatever comes between the page and a reply: what is shown in the end is what is stored, to the character."""

from tests.browser.engines.conftest import NewReader
from tests.conftest import StartServer
from tests.support.browser.line import Line
from tests.support.engines.reader import INPUT, OWN, REPLY, TEXT, TROUBLE, Reader
from tests.support.puppet_model import PuppetModel, Reply

LOST = "The connection was lost"
TABS = 8


def numbers(first: int, last: int) -> str:
    """Text in which each gap and each double shows."""
    return "".join(f"{number} " for number in range(first, last))


def expect_as_stored(reader: Reader, text: str) -> None:
    reader.wait_for_end()
    reader.sees(TEXT, text)
    stored = reader.stored()[-1]
    assert (stored["content"], stored["status"]) == (text, "done")
    reader.reload()
    reader.sees(TEXT, text)


def begin(reader: Reader, model: PuppetModel) -> Reply:
    """A reply that has said the numbers below 100."""
    reader.send("count")
    reply = model.next_reply()
    reply.say(numbers(0, 100))
    reader.sees_in(TEXT, "99")
    return reply


def test_a_deploy_behind_a_proxy_in_mid_reply_and_while_sending(
    new_reader: NewReader, puppet_url: str, model: PuppetModel
) -> None:
    with Line(puppet_url) as line:
        reader = new_reader(line.url)
        reply = begin(reader, model)
        line.answer_502()
        reader.sees_in(REPLY, LOST)
        reply.say(numbers(100, 200))
        line.mend()
        reader.sees_in(TEXT, "199")
        reader.waits_until(lambda: LOST in reader.texts(REPLY)[-1], wanted=False)
        reply.say(numbers(200, 300))
        reply.end()
        expect_as_stored(reader, numbers(0, 300))

        # A message sent meanwhile waits for the server, or is given back; it is never lost and never doubled.
        line.answer_502()
        reader.send("and on")
        reader.sees(TROUBLE)
        reader.has_typed("and on")
        line.mend()
        reader.press("Enter")
        reply = model.next_reply()
        reply.say("On.")
        reply.end()
        expect_as_stored(reader, "On.")
        assert [message["content"] for message in reader.stored()[0::2]] == ["count", "and on"]
        assert len(model.replies) == 2


def test_a_laptop_that_sleeps_in_mid_reply(new_reader: NewReader, puppet_url: str, model: PuppetModel) -> None:
    with Line(puppet_url) as line:
        reader = new_reader(line.url)
        reply = begin(reader, model)
        reader.page.sleep()
        line.cut()
        reply.say(numbers(100, 200))
        line.mend()
        reader.page.wake()
        reader.sees_in(TEXT, "199")
        reply.say(numbers(200, 300))
        reply.end()
        expect_as_stored(reader, numbers(0, 300))
        assert len(model.replies) == 1


def test_a_server_killed_in_mid_reply_and_started_again(
    new_reader: NewReader, start_server: StartServer, model: PuppetModel
) -> None:
    settings = {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": model.base_url, "OPENAI_MODEL": "puppet"}
    first = start_server(**settings)
    with Line(first.url) as line:
        reader = new_reader(line.url)
        begin(reader, model)
        first.kill()
        line.cut()
        reader.sees_in(REPLY, LOST)
        line.target = start_server(**settings).url
        line.mend()
        # Nobody may have seen the end of what the lost process was told: the rest is asked for, or its loss is said.
        reader.wait_for_end()
        stored = reader.stored()[-1]
        assert numbers(0, 100).startswith(stored["content"])
        assert stored["status"] in ("interrupted", "failed")
        reader.sees(TEXT, stored["content"])
        reader.sees_in(REPLY, "The reply was cut off. What had been written is kept here.")
        reader.click("Continue")
        reply = model.next_reply()
        reply.say(numbers(100, 200))
        reply.end()
        expect_as_stored(reader, stored["content"] + numbers(100, 200))


def test_eight_tabs_on_one_running_reply(reader: Reader, model: PuppetModel) -> None:
    """HTTP/1.1 gives a browser six connections to a server: no tab may starve the others."""
    reply = begin(reader, model)
    tabs = [reader, *(reader.tab() for _ in range(TABS - 1))]
    reply.say(numbers(100, 200))
    for tab in tabs:
        tab.page.front()
        tab.sees_in(TEXT, "199")
    reply.say(numbers(200, 300))
    reply.end()
    for tab in tabs:
        tab.page.front()
        tab.wait_for_end()
        tab.sees(TEXT, numbers(0, 300))
    assert len(model.replies) == 1
    assert reader.stored()[-1]["content"] == numbers(0, 300)


def test_a_second_tab_stops_what_the_first_asked_for(reader: Reader, model: PuppetModel) -> None:
    reader.send("tell us both")
    model.next_reply().say("Listen")
    second = reader.tab()
    second.sees(TEXT, "Listen")
    second.click("Stop the reply")
    for tab in (second, reader):
        tab.page.front()
        tab.sees_in(REPLY, "You stopped this reply.")
        tab.sees(TEXT, "Listen")
        tab.sees(OWN, "tell us both")
        tab.has_typed("", INPUT)
