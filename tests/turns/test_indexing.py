"""What is said becomes quick to find by itself."""

from collections.abc import Sequence

from redis.asyncio import Redis

from lianhua.errors import StoreUnavailable
from lianhua.models.scripted import Rule
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.client.topology import Nodes
from lianhua.store.search.index import NewTexts
from lianhua.store.search.ngrams import positions
from lianhua.turns.indexing import AT_ONCE, MOST_WAITING, IndexQueue
from tests.support.services import follow, open_service, start
from tests.support.waiting import stays, until


async def test_the_end_of_a_turn_signs_its_texts(client: Redis, nodes: Nodes) -> None:
    async with open_service(nodes, Rule(when="莲", pieces=("lotus ", "flower"))) as service:
        ref = await start(service, "What is a 莲花?")
        await follow(service, ref)
        keys = ConversationKeys(ref.conversation_id)

        async def is_signed() -> bool:
            return not await client.hget(keys.meta, "unsigned")

        await until(is_signed)
        bits = await client.get(keys.ngrams)
        assert bits is not None
        for position in {*positions("What is a 莲花?"), *positions("lotus flower")}:
            assert bits[position >> 3] & (0x80 >> (position & 7))
        assert not bits[0] & 0x80


class Indexed:
    """Takes what is to be indexed."""

    def __init__(self) -> None:
        self.calls: list[list[NewTexts]] = []
        self.error: Exception | None = None

    async def __call__(self, some: Sequence[NewTexts]) -> None:
        self.calls.append(list(some))
        if self.error:
            raise self.error


async def test_the_texts_of_many_turns_are_indexed_together() -> None:
    indexed = Indexed()
    queue = IndexQueue(indexed, gather_s=0.05)
    for number in range(AT_ONCE + 1):
        queue.add(f"c{number}", "ann", {f"m{number}": "text"})
    queue.add("c3", "ann", {"more": "text"})
    await until(lambda: sum(map(len, indexed.calls)) == AT_ONCE + 1)
    assert [len(call) for call in indexed.calls] == [AT_ONCE, 1]
    (third,) = [new for call in indexed.calls for new in call if new.conversation_id == "c3"]
    assert third.texts == {"m3": "text", "more": "text"}
    queue.add("later", "ann", {"m": "text"})
    await until(lambda: indexed.calls[-1][0].conversation_id == "later")
    await queue.stop()


async def test_a_store_that_is_away_takes_nothing_along() -> None:
    indexed = Indexed()
    indexed.error = StoreUnavailable("away")
    queue = IndexQueue(indexed, gather_s=0.01)
    queue.add("one", "ann", {"m": "text"})
    await until(lambda: indexed.calls)
    indexed.error = None
    queue.add("two", "ann", {"m": "text"})
    await until(lambda: indexed.calls[-1][0].conversation_id == "two")
    await queue.stop()


async def test_what_waits_is_bounded_forgotten_and_dropped_at_the_end() -> None:
    indexed = Indexed()
    queue = IndexQueue(indexed, gather_s=0.05)
    for number in range(MOST_WAITING + 5):
        queue.add(f"c{number}", "ann", {"m": "text"})
    queue.forget("c7")
    await until(lambda: sum(map(len, indexed.calls)) == MOST_WAITING - 1)
    names = {new.conversation_id for call in indexed.calls for new in call}
    assert names == {f"c{number}" for number in range(5, MOST_WAITING + 5)} - {"c7"}
    queue.add("last", "ann", {"m": "text"})
    await queue.stop()
    await stays(lambda: indexed.calls[-1][-1].conversation_id != "last", 0.1)
