"""What a person may expect of any model server, asked of Lianhua over HTTP. Each check returns what it saw, in a few
words, or fails an assertion.
"""

import asyncio
import time
from collections.abc import Callable

from tests.real_models.programs import Program
from tests.support.client import Client, Frame, Shown, Stream, events, shown, text_of, turns

PATIENCE_S = 240.0
FREE_AFTER_STOP_S = 2.0
NAME = "Zaphira"


async def said(person: Client, conversation: str, message: str, role: str = "plain") -> Shown:
    turn = await person.begin(conversation, message, role=role)
    return shown(await person.read(events(conversation, turn), patience_s=PATIENCE_S))


async def _seen(stream: Stream, chars: int) -> None:
    """Waits until so much of the reply is shown."""
    frames: list[Frame] = []
    async with asyncio.timeout(PATIENCE_S):
        async for frame in stream:
            frames.append(frame)
            if len(text_of(frames)) > chars:
                return
    raise AssertionError(f"the reply ended after {len(text_of(frames))} characters")


def ended(turn: Shown, *statuses: str) -> Shown:
    assert turn.end["status"] in (statuses or ("done",)), (turn.end, turn.notices, turn.text[:200])
    return turn


async def remembers(person: Client) -> str:
    """A name said in the first turn is known in the third."""
    conversation = await person.create()
    ended(await said(person, conversation, f"Hello! My name is {NAME}. Please remember it."))
    ended(await said(person, conversation, "What is 2 plus 3?"))
    turn = ended(await said(person, conversation, "What is my name?"))
    assert NAME in turn.text, turn.text
    return turn.text


async def keeps_its_persona(person: Client) -> str:
    conversation = await person.create()
    turn = ended(await said(person, conversation, "What is your name?", role="pear"))
    assert "Pear" in turn.text, turn.text
    return turn.text


async def tells_its_usage(person: Client) -> str:
    conversation = await person.create()
    turn = ended(await said(person, conversation, "Say hello."))
    usage = turn.end["usage"]
    assert usage["prompt_tokens"] > 0 and usage["completion_tokens"] > 0 and not usage.get("estimated"), usage
    return f"{usage['prompt_tokens']} and {usage['completion_tokens']} tokens"


async def takes_turns(person: Client, count: int, message: str = "Go on, please.") -> str:
    """So many turns in one conversation, all done; with the default window the prompt slides."""
    conversation = await person.create()
    for number in range(count):
        ended(await said(person, conversation, f"{number + 1}. {message}"))
    return f"{count} turns"


async def stops(person: Client, is_free: Callable[[], bool] | None) -> str:
    """A stop ends the reply, and the server's slot is free at once."""
    conversation = await person.create()
    turn = await person.begin(conversation, "Tell me a very long story about the sea.", role="long")
    async with person.stream(events(conversation, turn)) as stream:
        await _seen(stream, 20)
    began = time.monotonic()
    await person.stop(conversation, turn)
    end = shown(await person.read(events(conversation, turn), patience_s=PATIENCE_S))
    assert end.end["status"] == "stopped", end.end
    stopped_s = time.monotonic() - began
    if is_free is None:
        return f"stopped in {stopped_s:.2f} s"
    while not await asyncio.to_thread(is_free):
        assert time.monotonic() - began < stopped_s + FREE_AFTER_STOP_S, "the slot still works"
        await asyncio.sleep(0.02)
    return f"stopped in {stopped_s:.2f} s, the slot free after {time.monotonic() - began:.2f} s"


async def goes_on(person: Client) -> str:
    """A stopped reply is gone on with: the same text, and more of it."""
    conversation = await person.create()
    turn = await person.begin(conversation, "Count from one to thirty in words.", role="long")
    async with person.stream(events(conversation, turn)) as stream:
        await _seen(stream, 15)
    await person.stop(conversation, turn)
    cut = shown(await person.read(events(conversation, turn), patience_s=PATIENCE_S))
    reply = (await person.messages(conversation))[-1]
    answer = await person.ask("POST", turns(conversation), {"continue": reply["id"]})
    assert answer.status == 202, answer.body
    whole = ended(shown(await person.read(events(conversation, answer.json["turn_id"]), patience_s=PATIENCE_S)))
    assert whole.text.startswith(cut.text) and len(whole.text) > len(cut.text), (cut.text, whole.text)
    at = len(cut.text)
    return f"…{whole.text[max(0, at - 12) : at]!r} + {whole.text[at : at + 24]!r}"


async def outlives_a_restart(person: Client, program: Program) -> str:
    """The server is started again between two turns."""
    conversation = await person.create()
    ended(await said(person, conversation, f"My name is {NAME}."))
    await program.end()
    await program.start()
    turn = ended(await said(person, conversation, "Say hello."))
    return f"notices: {[notice['code'] for notice in turn.notices]}"


async def outlives_a_question_to_nobody(person: Client, program: Program) -> str:
    """A question while the server was down fails, and harms no later one."""
    conversation = await person.create()
    ended(await said(person, conversation, "Hello."))
    await program.end()
    began = time.monotonic()
    failed = ended(await said(person, conversation, "Are you there?"), "failed")
    waited_s = time.monotonic() - began
    assert failed.end["code"] == "model_unavailable", failed.end
    await program.start()
    for message in ("And now?", "Still there?"):
        ended(await said(person, conversation, message))
    return f"said so after {waited_s:.1f} s"


async def says_too_long(person: Client, words: int) -> str:
    """A message larger than the whole window is refused in its own words."""
    conversation = await person.create()
    turn = await said(person, conversation, "pebble " * words)
    assert turn.end["status"] == "failed" and turn.end["code"] == "context_too_long", turn.end
    return "context_too_long"


async def has_a_window(person: Client, count: int, words: int) -> str:
    """A conversation that grows past the window of a server that we know nothing of."""
    conversation = await person.create()
    notices: list[str] = []
    for number in range(count):
        turn = ended(await said(person, conversation, f"{number + 1}. " + "pebble " * words))
        notices += [notice["code"] for notice in turn.notices]
    return f"{count} turns, {notices.count('context_too_long')} of them with a smaller window"
