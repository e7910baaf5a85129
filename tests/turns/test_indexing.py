"""What is said becomes quick to find by itself."""

from redis.asyncio import Redis

from lianhua.models.scripted import Rule
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.client.topology import Nodes
from lianhua.store.search.ngrams import positions
from tests.support.services import follow, open_service, start
from tests.support.waiting import until


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
