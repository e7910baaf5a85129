"""A page that the browser keeps for the way back holds nothing that others need, and is level when shown again."""

from tests.browser.engines.conftest import NewReader
from tests.support.engines.reader import OWN, REPLY, TEXT, Reader
from tests.support.puppet_model import PuppetModel

HELD = """async () => (await navigator.locks.query()).held.map(({ name }) => name)"""


def leave(reader: Reader) -> None:
    reader.page.go("about:blank")


def come_back(reader: Reader) -> None:
    reader.page.back()
    reader.waits_until(lambda: reader.page.run("() => document.querySelector('.composer') !== null"), wanted=True)


def test_another_tab_leads_while_the_leader_is_away_and_both_are_level_again(
    reader: Reader, model: PuppetModel
) -> None:
    say(reader, model, "first", "One.")
    other = reader.tab()
    leave(reader)
    other.page.front()
    other.waits_until(lambda: "lianhua" in other.page.run(HELD), wanted=True)
    third = other.tab()
    third.sees(TEXT, "One.")
    say(third, model, "second", "Two.")
    other.page.front()
    other.sees(TEXT, "Two.")

    reader.page.front()
    come_back(reader)
    reader.sees(OWN, "second")
    reader.sees(TEXT, "Two.")
    # It hears of what others do, too, and others of what it does.
    third.page.close()
    other.page.front()
    say(other, model, "third", "Three.")
    reader.page.front()
    reader.sees(TEXT, "Three.")
    say(reader, model, "fourth", "Four.")
    other.page.front()
    other.sees(TEXT, "Four.")


def test_a_reply_goes_on_for_a_reader_who_went_away_and_came_back(reader: Reader, model: PuppetModel) -> None:
    reader.send("tell me")
    reply = model.next_reply()
    reply.say("Before, ")
    reader.sees(TEXT, "Before,")
    leave(reader)
    reply.say("meanwhile, ")
    come_back(reader)
    reader.sees(TEXT, "Before, meanwhile,")
    reply.say("afterwards.")
    reply.end()
    reader.wait_for_end()
    reader.sees(TEXT, "Before, meanwhile, afterwards.")
    assert "connection" not in reader.texts(REPLY)[-1]
    # Alone as it is, it is the one that hears of changes again.
    reader.waits_until(lambda: "lianhua" in reader.page.run(HELD), wanted=True)
    assert len(model.replies) == 1


def test_places_for_streams_are_free_while_those_who_had_them_are_away(
    new_reader: NewReader, puppet_url: str, model: PuppetModel
) -> None:
    reader = new_reader(puppet_url)
    reader.send("tell us")
    reply = model.next_reply()
    reply.say("One ")
    reader.sees(TEXT, "One")
    reader.waits_until(lambda: "lianhua-0" in reader.page.run(HELD), wanted=True)
    other = reader.tab()
    other.sees(TEXT, "One")
    reader.page.front()
    leave(reader)
    other.page.front()
    other.waits_until(lambda: [name for name in other.page.run(HELD) if name.startswith("lianhua-")], ["lianhua-1"])
    reply.end()
    other.wait_for_end()


def say(reader: Reader, model: PuppetModel, question: str, answer: str) -> None:
    reader.send(question)
    reply = model.next_reply()
    reply.say(answer)
    reply.end()
    reader.sees(TEXT, answer)
    reader.wait_for_end()
