"""A user's own personas on every kind of store."""

import asyncio

import msgspec
import pytest
from redis.asyncio import Redis

from lianhua.chat.personas import DEFAULT_ROLE, OwnPersona, Personas, new_own_id
from lianhua.errors import InvalidRequest, PersonaNotFound, StoreUnavailable, UnknownRole
from lianhua.store.client.client import StoreClient
from lianhua.store.client.topology import Nodes
from lianhua.store.personas import OWN_PERSONAS, OwnPersonas
from lianhua.turns.personas import AvailablePersonas
from tests.chat.test_personas import BUILT_IN


@pytest.fixture
def own(client: Redis, nodes: Nodes) -> OwnPersonas:
    return OwnPersonas(StoreClient(nodes))


def poet(**fields: object) -> OwnPersona:
    persona = OwnPersona(new_own_id(), "诗人", "🖋️", "writes verse", "You are a poet.", suggestions=("雨", 'a "b"'))
    return msgspec.structs.replace(persona, **fields)


async def test_what_was_made_comes_back_with_its_times(own: OwnPersonas) -> None:
    made = poet(model="gpt 4o", temperature=0.5, top_p=0.25, max_tokens=64, welcome="你好")
    kept = await own.create("ann", made)
    assert kept.created_at == kept.updated_at > 1e9
    assert msgspec.structs.replace(kept, created_at=0.0, updated_at=0.0) == made
    assert await own.get("ann", made.id) == kept
    assert await own.all("ann") == (kept,)


async def test_they_are_listed_in_the_order_in_which_they_were_made(own: OwnPersonas) -> None:
    made = [await own.create("ann", poet(name=f"poet {number}")) for number in range(5)]
    await own.change("ann", made[0].id, lambda persona: msgspec.structs.replace(persona, name="changed"))
    assert [persona.name for persona in await own.all("ann")] == ["changed", *(f"poet {n}" for n in range(1, 5))]


async def test_another_users_is_a_missing_one(own: OwnPersonas) -> None:
    made = await own.create("ann", poet())
    with pytest.raises(PersonaNotFound):
        await own.get("bob", made.id)
    with pytest.raises(PersonaNotFound):
        await own.change("bob", made.id, lambda persona: persona)
    with pytest.raises(PersonaNotFound):
        await own.remove("bob", made.id)
    assert await own.all("bob") == ()
    assert await own.all("ann") == (made,)


async def test_a_change_keeps_the_rest_and_moves_only_the_second_time(own: OwnPersonas) -> None:
    made = await own.create("ann", poet(temperature=1.5))
    changed = await own.change("ann", made.id, lambda p: msgspec.structs.replace(p, name="Dichter", temperature=None))
    assert (changed.name, changed.temperature, changed.prompt) == ("Dichter", None, made.prompt)
    assert changed.created_at == made.created_at < changed.updated_at
    assert await own.get("ann", made.id) == changed


async def test_changes_at_the_same_moment_all_take_effect(own: OwnPersonas) -> None:
    made = await own.create("ann", poet())
    fields = [{"name": "n"}, {"icon": "i"}, {"welcome": "w"}, {"max_tokens": 99}]
    await asyncio.gather(
        *(own.change("ann", made.id, lambda p, new=new: msgspec.structs.replace(p, **new)) for new in fields)
    )
    kept = await own.get("ann", made.id)
    assert (kept.name, kept.icon, kept.welcome, kept.max_tokens) == ("n", "i", "w", 99)


async def test_a_user_has_at_most_a_hundred_however_fast_they_are_made(own: OwnPersonas) -> None:
    made = await asyncio.gather(*(own.create("ann", poet()) for _ in range(OWN_PERSONAS + 5)), return_exceptions=True)
    assert sum(isinstance(persona, InvalidRequest) for persona in made) == 5
    listed = await own.all("ann")
    assert len(listed) == OWN_PERSONAS
    await own.remove("ann", listed[0].id)
    await own.create("ann", poet())
    await own.create("bob", poet())


async def test_making_one_twice_makes_one(own: OwnPersonas) -> None:
    made = poet()
    assert await own.create("ann", made) == await own.create("ann", made)
    assert len(await own.all("ann")) == 1


async def test_one_from_a_file_keeps_its_times_and_replaces_none(own: OwnPersonas) -> None:
    old = poet(created_at=1.5, updated_at=2.5)
    assert await own.bring("ann", old)
    assert await own.bring("ann", msgspec.structs.replace(old, name="another"))
    assert await own.all("ann") == (old,)
    brought = await asyncio.gather(*(own.bring("ann", poet()) for _ in range(OWN_PERSONAS + 5)))
    assert brought.count(True) == OWN_PERSONAS - 1
    assert len(await own.all("ann")) == OWN_PERSONAS


async def test_what_is_removed_is_gone_from_the_store(client: Redis, nodes: Nodes) -> None:
    erasures: list[None] = []
    own = OwnPersonas(StoreClient(nodes), lambda: erasures.append(None))
    made = await own.create("ann", poet())
    await own.remove("ann", made.id)
    with pytest.raises(PersonaNotFound):
        await own.remove("ann", made.id)
    assert await client.exists("lianhua:{user:ann}:personas") == 0
    assert len(erasures) == 1


async def test_they_never_expire(own: OwnPersonas, client: Redis) -> None:
    await own.create("ann", poet())
    assert await client.ttl("lianhua:{user:ann}:personas") == -1


async def test_a_role_is_the_servers_or_ones_own(own: OwnPersonas) -> None:
    roles = AvailablePersonas(Personas(BUILT_IN), own)
    made = await own.create("ann", poet(model="m", top_p=0.5))
    role = await roles.get("ann", made.id)
    assert (role.text("zh").prompt, role.text("en").prompt) == (made.prompt, made.prompt)
    assert (role.model, role.top_p, role.temperature) == ("m", 0.5, None)
    assert [persona.id for persona in await roles.all("ann")] == [*BUILT_IN, made.id]
    for foreign in ("bob", "~cookie"):
        with pytest.raises(UnknownRole):
            await roles.get(foreign, made.id)
        assert (await roles.get_or_default(foreign, made.id)).id == DEFAULT_ROLE
        assert [persona.id for persona in await roles.all(foreign)] == [*BUILT_IN]
    await roles.remove("ann", made.id)
    assert (await roles.get_or_default("ann", made.id)).id == DEFAULT_ROLE


async def test_the_servers_personas_cost_no_call_to_the_store(nodes: Nodes) -> None:
    own = OwnPersonas(StoreClient(nodes))
    roles = AvailablePersonas(Personas(BUILT_IN), own)
    await nodes.close()  # whoever asked the store now would hear of it
    for role in BUILT_IN:
        assert (await roles.get("ann", role)).id == role
        assert (await roles.get_or_default("ann", role)).id == role
    for unknown in ("pirate", "own-", "own-xyz", f"{new_own_id()}0"):
        with pytest.raises(UnknownRole):
            await roles.get("ann", unknown)
        with pytest.raises(PersonaNotFound):
            await roles.get_own("ann", unknown)
    assert len(await roles.all(None)) == len(BUILT_IN)
    with pytest.raises(StoreUnavailable):
        await roles.get("ann", new_own_id())
