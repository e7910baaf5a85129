"""Accounts, their credentials and invites, on every kind of store."""

import asyncio

import pytest
from redis.asyncio import Redis

from lianhua.errors import InvalidRequest, UserNotFound
from lianhua.store.client.client import StoreClient
from lianhua.store.client.topology import Nodes
from lianhua.store.credentials import CredentialStore
from lianhua.store.groups import Group, GroupStore, InviteStore
from lianhua.store.sessions import SESSIONS, SessionStore
from lianhua.store.tokens import TOKENS, TokenStore
from lianhua.store.users import UserStore


@pytest.fixture
def database(client: Redis, nodes: Nodes) -> StoreClient:
    return StoreClient(nodes)


async def test_an_account_is_made_once(database: StoreClient) -> None:
    users = UserStore(database)
    assert await users.add("ann", "admin", "", "first")
    assert await users.add("ann", "admin", "", "first")  # its answer was lost
    assert not await users.add("ann", "user", "", "second")
    assert [(one.name, one.role, one.has_password) for one in await users.all()] == [("ann", "admin", False)]
    await users.remove("ann")
    assert await users.all() == []
    with pytest.raises(UserNotFound):
        await users.change("ann", {"role": "user"}, ends_sessions=True)


async def test_a_link_is_used_up_by_one_password(database: StoreClient) -> None:
    users = UserStore(database)
    await users.add("ann", "user", "", "first")
    await users.add_link("ann", "d1", 60)
    await users.add_link("ann", "d2", 60)
    assert not await users.link_is_good("ann", "d1")  # another one came after it
    used = await asyncio.gather(*(users.use_link("ann", "d2", f"hash {number}") for number in range(8)))
    assert used.count(True) == 1
    assert await users.use_link("ann", "d2", f"hash {used.index(True)}")  # the same again: the answer was lost
    assert await users.password_of("ann") == f"hash {used.index(True)}"
    await users.add_link("ann", "late", 0)
    assert not await users.use_link("ann", "late", "x")


async def test_a_session_holds_until_it_is_ended_or_its_account_is_off(database: StoreClient) -> None:
    users, sessions, credentials = UserStore(database), SessionStore(database), CredentialStore(database)
    await users.add("ann", "user", "physics", "first")
    assert await sessions.add("ann", "d1", "Browser", "127.0.0.1")
    found = await credentials.holder("s", "ann", "d1")
    assert found and (found.role, found.group, found.scopes) == ("user", "physics", ())
    assert await credentials.holder("t", "ann", "d1") is None
    assert await credentials.holder("s", "ben", "d1") is None
    await users.change("ann", {"state": "disabled"}, ends_sessions=False)
    assert await credentials.holder("s", "ann", "d1") is None
    assert not await sessions.add("ann", "d2", "", "")
    await users.change("ann", {"state": "active"}, ends_sessions=True)
    assert await sessions.of("ann") == []


async def test_the_session_unseen_for_longest_gives_way_and_a_token_does_not(database: StoreClient) -> None:
    users, sessions, tokens = UserStore(database), SessionStore(database), TokenStore(database)
    await users.add("ann", "user", "", "first")
    for number in range(SESSIONS + 3):
        await sessions.add("ann", f"{number:064}", "", "")
    assert len(await sessions.of("ann")) == SESSIONS
    for number in range(TOKENS):
        await tokens.add("ann", f"{number:064}", "t", ["read"], 60)
    with pytest.raises(InvalidRequest):
        await tokens.add("ann", "one more", "t", ["read"], 60)
    found = await CredentialStore(database).holder("t", "ann", f"{0:064}")
    assert found and found.scopes == ("read",)


async def test_an_invite_goes_to_one_name(database: StoreClient) -> None:
    invites = InviteStore(database)
    await invites.add("d1", "user", "physics", "root", 60)
    taken = await asyncio.gather(*(invites.take("d1", f"n{number}") for number in range(8)))
    (name,) = [f"n{number}" for number, one in enumerate(taken) if one]
    assert await invites.take("d1", name)
    assert await invites.take("d1", "") is None
    await invites.give_back("d1")
    assert await invites.take("d1", "other")
    assert await invites.revoke((await invites.all())[0].id)
    assert await invites.all() == []
    await invites.add("late", "user", "", "root", 0)
    assert await invites.take("late", "x") is None


async def test_a_group_is_kept_as_it_is(database: StoreClient) -> None:
    groups = GroupStore(database)
    group = Group("physics", ("a", "b"), 3.5, 10, True, {"tokens_a_day": 5.0})
    await groups.put(group)
    assert await groups.all() == [group]
    await groups.remove("physics")
    assert await groups.get("physics") is None
