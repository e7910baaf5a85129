"""The core walk, in each engine: load, send, stream, reload in mid-reply, stop, server gone and back."""

from tests.browser.engines.conftest import NewReader
from tests.support.browser.line import Line
from tests.support.engines.reader import INPUT, OWN, REPLY, TEXT, TROUBLE, Reader
from tests.support.puppet_model import PuppetModel

LOST = "The connection was lost"


def test_a_reply_streams_in_and_survives_a_reload(reader: Reader, model: PuppetModel) -> None:
    reader.send("tell me")
    reader.sees(OWN, "tell me")
    reply = model.next_reply()
    reply.say("The **first** half ")
    reader.sees(TEXT, "The first half")
    reader.reload()
    reader.sees(OWN, "tell me")
    reader.sees(TEXT, "The first half")
    reply.say("and the *second*, $x^2$:\n\n```py\nprint('**as it is**')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    reply.end()
    reader.wait_for_end()
    reader.sees(f"{TEXT} strong", "first")
    reader.sees_in(f"{TEXT} pre", "print('**as it is**')")
    reader.sees(f"{TEXT} math")
    reader.sees_in(f"{TEXT} table", "1")
    assert [message["content"][:9] for message in reader.stored()] == ["tell me", "The **fir"]
    assert len(model.replies) == 1


def test_a_reply_is_stopped_and_goes_on(reader: Reader, model: PuppetModel) -> None:
    reader.send("tell me")
    model.next_reply().say("Half of ")
    reader.sees(TEXT, "Half of")
    reader.click("Stop the reply")
    reader.sees_in(REPLY, "You stopped this reply.")
    reader.has_typed("")
    reader.click("Continue")
    reply = model.next_reply()
    reply.say("it.")
    reply.end()
    reader.wait_for_end()
    reader.sees(TEXT, "Half of it.")
    assert [message["status"] for message in reader.stored()] == ["done", "done"]


def test_the_server_goes_and_comes_back(new_reader: NewReader, puppet_url: str, model: PuppetModel) -> None:
    with Line(puppet_url) as line:
        reader = new_reader(line.url)
        reader.send("tell me")
        reply = model.next_reply()
        reply.say("Before ")
        reader.sees(TEXT, "Before")
        line.cut()
        reader.sees_in(REPLY, LOST)
        reply.say("during ")
        line.mend()
        reader.sees(TEXT, "Before during")
        reply.say("after.")
        reply.end()
        reader.wait_for_end()
        reader.sees(TEXT, "Before during after.")
        assert LOST not in reader.texts(REPLY)[-1]

        line.cut()
        reader.send("and more")
        reader.sees_in(TROUBLE, "The server cannot be reached.")
        reader.has_typed("and more", INPUT)
        line.mend()
        reader.press("Enter")
        reply = model.next_reply()
        reply.say("More.")
        reply.end()
        reader.wait_for_end()
        reader.sees(TEXT, "More.")
        assert [message["content"] for message in reader.stored()] == [
            "tell me", "Before during after.", "and more", "More."
        ]  # fmt: skip
        assert len(model.replies) == 2
