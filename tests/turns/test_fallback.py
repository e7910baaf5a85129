"""Another model in the place of one that cannot answer, when the worker is lost meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from redis.asyncio import Redis

from lianhua.chat.prompt import Prompt
from lianhua.errors import ModelUnavailable
from lianhua.models.port import Delta, Finish, GenerationOptions, ModelInfo, TextDelta
from lianhua.store.client.topology import Nodes
from lianhua.turns.periodic import Intervals
from tests.support.services import end_of, follow, open_service, start, text_of
from tests.support.waiting import until


class Model:
    """Behind the port: one that cannot answer, one that says nothing, one that answers with its name."""

    def __init__(self, name: str, does: str, *fallback: str) -> None:
        self.info = ModelInfo(name, name, "scripted", 8_192, fallback=fallback)
        self._does = does
        self.asked = 0

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        self.asked += 1
        if self._does == "fails":
            raise ModelUnavailable("not here")
        if self._does == "waits":
            await asyncio.sleep(60)
        yield [TextDelta(self.info.name), Finish("stop")]

    async def close(self) -> None:
        pass


async def test_a_takeover_goes_on_with_the_model_that_was_asked_last(client: Redis, nodes: Nodes) -> None:
    times = Intervals(renew_s=600)
    first, second = Model("first", "fails", "second", "third"), Model("second", "waits")
    elsewhere = [Model("first", "answers", "second", "third"), Model("second", "fails"), Model("third", "answers")]
    async with (
        open_service(nodes, model=first, others=[second, Model("third", "answers")], intervals=times) as one,
        open_service(nodes, model=elsewhere[0], others=elsewhere[1:], worker="two", intervals=times) as two,
    ):
        ref = await start(one, "go")
        await until(lambda: second.asked)
        assert (await one.turns.turn("ann", ref)).record.model == "second"
        await client.hset(f"lianhua:{{{ref.conversation_id}}}", "t.lease", "1")
        seen = await follow(two, ref)
        record = (await two.turns.turn("ann", ref)).record
        (_, reply) = (await two.conversations.messages("ann", ref.conversation_id, None, 10)).messages
    assert (text_of(seen), end_of(seen)["status"]) == ("third", "done")
    assert [model.asked for model in elsewhere] == [0, 1, 1]
    assert (record.model, record.asked, reply.message.model) == ("third", "first", "third")
