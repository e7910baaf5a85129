"""What a user has chosen for good, on every kind of store."""

from redis.asyncio import Redis

from lianhua.store.client.client import StoreClient
from lianhua.store.client.topology import Nodes
from lianhua.store.preferences import Preferences, PreferenceStore


async def test_what_is_not_named_stays(client: Redis, nodes: Nodes) -> None:
    preferences = PreferenceStore(StoreClient(nodes))
    assert await preferences.get("ann") == Preferences()
    assert await preferences.change("ann", {"default_role": "teacher", "language": "zh"}) == Preferences(
        "teacher", None, "zh"
    )
    changed = await preferences.change("ann", {"default_model": "gpt 4o", "language": None})
    assert changed == await preferences.get("ann") == Preferences("teacher", "gpt 4o", None)
    assert await preferences.get("bob") == Preferences()
    assert await client.ttl("lianhua:{user:ann}:settings") == -1


async def test_nothing_chosen_leaves_nothing_in_the_store(client: Redis, nodes: Nodes) -> None:
    preferences = PreferenceStore(StoreClient(nodes))
    await preferences.change("ann", {"default_role": "teacher"})
    await preferences.change("ann", {"default_role": None})
    assert await client.exists("lianhua:{user:ann}:settings") == 0


async def test_an_unknown_language_counts_as_none(client: Redis, nodes: Nodes) -> None:
    await client.hset("lianhua:{user:ann}:settings", mapping={"language": "fr"})
    assert (await PreferenceStore(StoreClient(nodes)).get("ann")).language is None
