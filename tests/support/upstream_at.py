"""What the tests of a bad upstream share: an upstream at an address that a server already knows, and one turn with it.

A server learns its upstream's address when it starts, so the address has to outlive the upstreams that answer there,
one a test.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from tests.support.client import PATIENCE_S, Client, Shown, events, shown
from tests.support.stillness import Stopwatch, Took
from tests.support.upstream import DONE, Answer, Upstream, chunk, text
from tests.support.upstream import events as streamed

FINISH = chunk(finish="stop")
HELLO = streamed(text("Hel"), text("lo"), FINISH, DONE)


class UpstreamAt(Upstream):
    """An upstream on a port that was chosen before."""

    def __init__(self, port: int, *answers: Answer) -> None:
        super().__init__(*answers)
        self._port = port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self.base_url = base_url(self._port)
        return self


def base_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


@dataclass(frozen=True)
class Reply:
    """What a person is to get: how it ended, what was shown, and the codes of the notices before it."""

    status: str
    code: str | None = None
    text: str = ""
    reasoning: str = ""
    notices: tuple[str, ...] = ()


def said(content: str, reasoning: str = "", *notices: str) -> Reply:
    """A reply that came to its end."""
    return Reply("done", None, content, reasoning, notices)


def failed(code: str, *notices: str, reasoning: str = "") -> Reply:
    """A reply of which no text was shown."""
    return Reply("failed", code, "", reasoning, notices)


def cut(content: str, code: str, reasoning: str = "") -> Reply:
    """A reply of which some text was shown; that is kept."""
    return Reply("interrupted", code, content, reasoning)


async def one_turn(client: Client, *answers: Answer, port: int, patience_s: float = PATIENCE_S) -> tuple[Shown, Took]:
    """A turn in a new conversation, for which the upstream is to be asked once for each answer, and no more; how long
    it took. Afterwards the conversation is shown to be usable.
    """
    async with UpstreamAt(port, *answers, HELLO) as upstream:
        conversation = await client.create()
        watch = Stopwatch()
        turn = await client.begin(conversation, "a question")
        whole = shown(await client.read(events(conversation, turn), patience_s=patience_s))
        took = watch.took()
        assert len(upstream.requests) == len(answers)
        await is_kept(client, conversation, whole)
        await goes_on(client, conversation, whole)
        assert len(upstream.requests) == len(answers) + 1
        given = [message["content"] for message in upstream.requests[-1].json["messages"][1:]]
        # What was not answered is said again, in one message with the next question.
        assert given == (["a question", whole.text, "another"] if whole.text else ["a question\n\nanother"])
    return whole, took


async def is_kept(client: Client, conversation: str, whole: Shown) -> None:
    """What was shown is what is stored, and what a viewer gets who comes afterwards."""
    reply = (await client.messages(conversation))[-1]  # a very long one comes in a page of its own
    assert (reply["content"], reply.get("reasoning") or "") == (whole.text, whole.reasoning)
    assert (reply["status"], reply.get("code")) == (whole.end["status"], whole.end.get("code"))
    assert reply["finish_reason"] == whole.end["finish_reason"]
    again = shown(await client.read(events(conversation, whole.turn["turn_id"])))
    assert (again.text, again.reasoning, again.end) == (whole.text, whole.reasoning, whole.end)


async def goes_on(client: Client, conversation: str, whole: Shown) -> None:
    """The conversation takes the next turn."""
    assert (await client.get(f"/api/conversations/{conversation}"))["running_turn_id"] is None
    after = await client.say(conversation, "another")
    assert (after.end["status"], after.text) == ("done", "Hello")
    assert after.turn["turn_id"] != whole.turn["turn_id"]


def reply_of(whole: Shown) -> Reply:
    """What was shown, in the words of what is expected."""
    codes = tuple(notice["code"] for notice in whole.notices)
    assert all(notice["message"] for notice in whole.notices)
    assert bool(whole.end.get("message")) == ("code" in whole.end), "a code comes with words for people"
    return Reply(whole.end["status"], whole.end.get("code"), whole.text, whole.reasoning, codes)


def data(content: Any) -> bytes:
    """An event whose data is not one of the well-formed chunks."""
    return b"data: " + (content if isinstance(content, bytes) else str(content).encode()) + b"\n\n"
