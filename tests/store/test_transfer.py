"""Whole conversations out of real stores and into them."""

import asyncio
import hashlib
import io
import json
import random
import re
import resource
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import asdict, replace
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from lianhua.chat.personas import OwnPersona
from lianhua.conversations.exporting import PIECE_BYTES, Exporter
from lianhua.conversations.importing import IMPORTS_AT_ONCE, UPLOADS_AT_ONCE, Importer, ImportLimits
from lianhua.errors import (
    ConversationNotFound,
    DiskFull,
    InvalidRequest,
    Overloaded,
    PayloadTooLarge,
    StoreUnavailable,
)
from lianhua.formats.branches import are_sound, grown
from lianhua.formats.report import ImportReport
from lianhua.formats.values import PortableConversation, PortableMessage
from lianhua.store.changes import Changes
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys, list_keys
from lianhua.store.client.scripts import Script
from lianhua.store.client.topology import Nodes
from lianhua.store.conversations import ConversationStore, Retention
from lianhua.store.messages import MessageStore
from lianhua.store.personas import OwnPersonas
from lianhua.store.preferences import PreferenceStore
from lianhua.store.search.query import ConversationSearch
from lianhua.store.transfer import incoming, outgoing
from lianhua.store.transfer import staged as staged_form
from lianhua.store.transfer.incoming import IncomingStore, Landed
from lianhua.store.transfer.outgoing import OutgoingStore
from lianhua.store.transfer.staged import Staged, staged
from tests.store.test_branches import NAME, OWNER, Talk
from tests.support.waiting import until

LIMIT = 4 * 1024 * 1024
DAY_MS = 86_400_000
ID = "5f0c5a0e-0000-4000-8000-{:012x}"


IMPATIENT: Final = {"patience_s": 0.0, "retry_s": 0.0}


class Transfers:
    """Everything that an import needs, over one store."""

    def __init__(
        self,
        nodes: Nodes,
        folder: Path,
        retention: Retention,
        kind: type[IncomingStore] = IncomingStore,
        piece_bytes: int = PIECE_BYTES,
        **limits: Any,
    ) -> None:
        self.nodes = nodes
        self.database = StoreClient(nodes)
        self.erasures = 0
        self.incoming, self.outgoing = kind(self.database, retention, self._erased), OutgoingStore(self.database)
        self.conversations = ConversationStore(self.database, retention)
        self.branches = MessageStore(self.database)
        self.personas = OwnPersonas(self.database)
        self.preferences = PreferenceStore(self.database)
        self.folder = folder
        self.exporter = Exporter(self.outgoing, self.personas, self.preferences, piece_bytes)
        self.importer = Importer(
            self.incoming, self.personas, self.preferences, folder, ImportLimits(LIMIT, 400_000, **limits)
        )

    def _erased(self) -> None:
        self.erasures += 1

    async def whole(self, name: str = NAME, owner: str = OWNER) -> PortableConversation:
        leaving = await self.outgoing.leaving(name, owner)
        messages = [message async for some in self.outgoing.messages(leaving) for message in some]
        return PortableConversation(**asdict(leaving.head), messages=tuple(messages))

    async def everything(self, owner: str = OWNER) -> bytes:
        return b"".join([piece async for piece in self.exporter.everything(owner)])

    async def bring(self, file: bytes, owner: str = OWNER) -> ImportReport:
        return await self.importer.bring(owner, chunks(file))

    async def listed(self, owner: str = OWNER) -> list[str]:
        page = await self.conversations.page(owner, None, 200)
        return [conversation.id for conversation in page.conversations]


async def chunks(file: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(file), 1_000_000):
        yield file[start : start + 1_000_000]


@pytest.fixture
def transfers(client: Redis, nodes: Nodes, tmp_path: Path) -> Transfers:
    return Transfers(nodes, tmp_path / "files", Retention(86_400, 0))


def skipped(report: ImportReport) -> dict[tuple[str, str], int]:
    return {(one.what, one.reason): one.count for one in report.skipped}


def conversation(number: int, texts: Sequence[str] = ("question", "answer"), **more: Any) -> dict[str, Any]:
    at = 1_700_000_000 + number
    return {
        "id": ID.format(number),
        "role": "assistant",
        "created_at": at,
        "updated_at": at,
        "title": f"title {number}",
        "messages": [
            {
                "id": f"m{place}",
                "role": "assistant" if place % 2 else "user",
                "content": text,
                "timestamp": at + place,
                **({"parent_id": f"m{place - 1}"} if place else {}),
            }
            for place, text in enumerate(texts)
        ],
        **more,
    }


def native(*conversations: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"format": "lianhua", "version": 1, **more, "conversations": conversations}).encode()


async def stored(client: Redis, name: str) -> dict[str, Any]:
    """All that the store holds of a conversation, but for its turns, its expiry and how old its ages are."""
    keys = ConversationKeys(name)
    meta = {key.decode(): value.decode() for key, value in (await client.hgetall(keys.meta)).items()}
    for field in ("expires_at", "import", "unsigned", "signed", "last"):
        meta.pop(field, None)
    order = [member.decode() for member in await client.zrange(keys.order, 0, -1)]
    pins = [pin.partition(":")[0] for pin in meta.pop("pins", "").split()]
    messages = await client.hgetall(keys.messages)
    return {
        "meta": meta | ({"usage": json.loads(meta["usage"])} if "usage" in meta else {}),
        "order": order,
        "pins": sorted(pins),
        "messages": {key.decode(): re.sub(r"^(\S+) \S+ ", r"\1 - ", value.decode()) for key, value in messages.items()},
        "tree": {key.decode(): value.decode() for key, value in (await client.hgetall(keys.tree)).items()},
    }


async def keys_of(nodes: Nodes) -> list[str]:
    """Every key of the store but what its readers leave."""
    return sorted([key.decode() for node in nodes.all() for key in await node.client.keys("*")])


async def talked(nodes: Nodes, cap: int = 0) -> Talk:
    """A conversation with edits, second answers, pins, and a branch that was turned back to."""
    talk = Talk(nodes, cap)
    await talk.open()
    await talk.say(1)
    await talk.branches.pin(NAME, OWNER, "u1", pinned=True)
    await talk.say(2)
    await talk.say(3)
    await talk.say(4, "r1", beside="u2")
    await talk.answer("u4", "r4b")
    await talk.say(5)
    if await talk.branches.message(NAME, OWNER, "u3"):
        await talk.answer("u3", "r3b")
    await talk.say(6, "")
    await talk.branches.pin(NAME, OWNER, "r4b", pinned=True)
    back = "u2" if await talk.branches.message(NAME, OWNER, "u2") else "r4b"
    await talk.branches.switch(NAME, OWNER, back)
    return talk


@pytest.mark.parametrize("cap", [0, 5])
async def test_an_imported_conversation_is_stored_as_if_it_had_been_said(
    client: Redis, nodes: Nodes, transfers: Transfers, cap: int
) -> None:
    talk = await talked(nodes, cap)
    before, file, branch = await stored(client, NAME), await transfers.everything(), await talk.branch()
    await transfers.conversations.erase(NAME, OWNER, keep_conversation=False)
    assert skipped(await transfers.bring(file)) == {}
    assert await stored(client, NAME) == before
    assert await transfers.everything() == file
    now = await talk.branch()
    assert [replace(placed.message, turn_id=None) for placed in branch] == [placed.message for placed in now]
    assert [placed.siblings for placed in branch] == [placed.siblings for placed in now]
    # And it goes on like any other.
    await talk.say(7)
    before_it = [placed.message.id for placed in now if placed.message.id in await talk.ids()]
    assert await talk.ids() == [*before_it, "u7", "r7"]
    await talk.branches.switch(NAME, OWNER, now[0].siblings[-1])
    assert (await talk.ids())[0] == now[0].siblings[-1]


async def test_branches_are_what_the_store_would_have_given(nodes: Nodes, transfers: Transfers) -> None:
    chance = random.Random(5)
    talk = Talk(nodes)
    await talk.open()
    await talk.say(0)
    for number in range(1, 25):
        known = list(range(number))
        match chance.randrange(4):
            case 0:
                await talk.say(number, f"r{chance.choice(known)}")
            case 1:
                await talk.answer(f"u{chance.choice(known)}", f"s{number}")
                await talk.say(number + 1_000, f"s{number}")
                await talk.say(number)
            case _:
                await talk.say(number)
    there = await transfers.whole()
    in_time = sorted(there.messages, key=lambda message: message.timestamp)
    bare = [replace(message, depth=0, branch=0, sibling=0) for message in in_time]
    messages, branches = grown(bare)
    assert branches == there.branches
    assert sorted(messages, key=lambda message: message.id) == sorted(there.messages, key=lambda message: message.id)
    assert are_sound(there.messages, there.branches)


async def test_everything_comes_back_byte_for_byte(client: Redis, nodes: Nodes, transfers: Transfers) -> None:
    persona = OwnPersona("own-0123456789", "海盗", "🏴", "", "Talk like a pirate", temperature=0.5)
    await transfers.personas.create(OWNER, persona)
    await transfers.preferences.change(OWNER, {"default_role": persona.id, "language": "en"})
    await talked(nodes)
    for number in range(12):
        await transfers.bring(native(conversation(number, ["😀 text"] * number, pinned=number == 3)))
    file = await transfers.everything()
    assert json.loads(file)["settings"] == {"default_role": persona.id, "language": "en"}
    for node in nodes.all():
        await node.client.flushall()
    report = await transfers.bring(file)
    assert (asdict(report.imported), report.skipped) == (
        {"conversations": 13, "messages": 14 + sum(range(12)), "personas": 1, "extended": None}, (),
    )  # fmt: skip
    assert await transfers.everything() == file
    nothing = b'{"format":"lianhua","version":1,"settings":{},"personas":[],\n"conversations":[\n],\n'
    digest = hashlib.sha256(nothing).hexdigest().encode()
    assert await transfers.everything("somebody else") == (
        nothing + b'"end":{"conversations":0,"bytes":%d,"sha256":"%b"}}\n' % (len(nothing), digest)
    )


async def test_an_id_that_somebody_else_has_is_not_given_again(transfers: Transfers) -> None:
    file = native(conversation(1), conversation(1), conversation(2, id="not one of ours"))
    twice = {("conversation", "known_already"): 1, ("message", "known_already"): 2}
    assert skipped(await transfers.bring(file)) == twice
    # The same as if nobody had it: what is somebody else's does not show.
    assert skipped(await transfers.bring(file, "bob")) == twice
    assert len(await transfers.listed()) == len(await transfers.listed("bob")) == 2
    assert ID.format(1) in await transfers.listed()
    assert not set(await transfers.listed()) & set(await transfers.listed("bob"))
    with pytest.raises(ConversationNotFound):
        await transfers.conversations.get(ID.format(1), "bob")


async def test_a_file_that_is_brought_again_changes_nothing(transfers: Transfers) -> None:
    file = native(conversation(1), conversation(2, id="not one of ours"), conversation(3, id=""))
    for owner in (OWNER, "bob"):  # each has all of it, and the other's makes no difference
        await transfers.bring(file, owner)
        before, keys = await transfers.everything(owner), await keys_of_all(transfers)
        report = await transfers.bring(file, owner)
        assert asdict(report.imported) == {"conversations": 0, "messages": 0, "personas": 0, "extended": None}
        assert skipped(report) == {("conversation", "known_already"): 3, ("message", "known_already"): 6}
        assert skipped(await transfers.bring(before, owner)) == skipped(report), "as an export of ours too"
        assert await transfers.everything(owner) == before
        assert await keys_of_all(transfers) == keys, "and nothing is kept for that"


async def keys_of_all(transfers: Transfers) -> list[str]:
    return [key for key in await keys_of(transfers.nodes) if "barrier" not in key]


async def test_only_what_is_new_in_a_known_conversation_comes(transfers: Transfers, client: Redis) -> None:
    await transfers.bring(native(conversation(1)))
    longer = conversation(1, ["question", "answer", "and now?", "now too"])
    beside = {"id": "b1", "role": "assistant", "content": "beside", "timestamp": 1_700_000_009, "parent_id": "m0"}
    report = await transfers.bring(native({**longer, "messages": [*longer["messages"], beside]}))
    assert (report.imported.conversations, report.imported.messages, report.imported.extended) == (0, 3, 1)
    assert skipped(report) == {("message", "known_already"): 2}
    page = await transfers.branches.page(ID.format(1), OWNER, None, 10)
    assert [placed.message.content for placed in page.messages] == ["question", "answer", "and now?", "now too"]
    assert [placed.message.depth for placed in page.messages] == [0, 1, 2, 3]
    assert page.messages[1].siblings == ("m1", "b1")
    there = await transfers.whole(ID.format(1))
    assert are_sound(there.messages, there.branches)
    before = await transfers.everything()
    for node in transfers.nodes.all():
        await node.client.flushall()
    await transfers.bring(before)
    assert await transfers.everything() == before, "as if all had come at once"
    found = await ConversationSearch(transfers.database, transfers.conversations).page(OWNER, "now too", None, 10)
    assert [one.conversation.id for one in found.found] == [ID.format(1)]


async def test_what_was_said_here_since_stays_and_a_changed_text_is_reported(transfers: Transfers) -> None:
    await transfers.bring(native(conversation(1)))
    mine = message("mine", parent_id="m1")
    whole = await transfers.whole(ID.format(1))
    extended = await transfers.incoming.extend(OWNER, replace(whole, messages=(*whole.messages, mine)))
    assert extended is not None and extended.new == 1
    changed = conversation(1, ["question", "another answer", "more"])
    assert skipped(await transfers.bring(native(changed))) == {
        ("message", "changed"): 1,
        ("message", "known_already"): 1,
    }
    texts = {one.id: one.content for one in (await transfers.whole(ID.format(1))).messages}
    assert texts == {"m0": "question", "m1": "answer", "mine": "mine", "m2": "more"}
    assert (await transfers.conversations.get(ID.format(1), OWNER)).message_count == 4
    page = await transfers.branches.page(ID.format(1), OWNER, None, 10)
    assert page.head == "mine", "the view stays where its reader is"


async def test_what_retention_has_dropped_does_not_come_again(nodes: Nodes, tmp_path: Path, client: Redis) -> None:
    transfers = Transfers(nodes, tmp_path, Retention(86_400, 4))
    file = native(conversation(1, [f"text {number}" for number in range(10)]))
    assert skipped(await transfers.bring(file)) == {("message", "retention"): 6}
    before = await transfers.everything()
    report = await transfers.bring(file)
    assert (report.imported.messages, skipped(report)) == (
        0, {("conversation", "known_already"): 1, ("message", "known_already"): 4, ("message", "retention"): 6},
    )  # fmt: skip
    assert await transfers.everything() == before
    report = await transfers.bring(native(conversation(1, [f"text {number}" for number in range(12)])))
    assert (report.imported.messages, report.imported.extended) == (2, 1)
    found = await transfers.whole(ID.format(1))
    assert [one.content for one in found.messages] == [f"text {number}" for number in range(8, 12)]


async def test_a_deleted_conversation_comes_again_and_leaves_no_trace(transfers: Transfers) -> None:
    keys = await keys_of_all(transfers)
    await transfers.bring(native(conversation(1)))
    await transfers.conversations.erase(ID.format(1), OWNER, keep_conversation=False)
    # Of what was erased a hash is known for a day, so that a request that is repeated is told from one that is new.
    left = [key for key in await keys_of_all(transfers) if not key.endswith((":feed", ":erased"))]
    assert left == keys
    assert (await transfers.bring(native(conversation(1)))).imported.conversations == 1
    await transfers.conversations.erase(ID.format(1), OWNER, keep_conversation=True)
    report = await transfers.bring(native(conversation(1)))
    assert (report.imported.messages, report.imported.extended) == (2, 1)
    found = await transfers.whole(ID.format(1))
    assert (found.title, found.current, [one.content for one in found.messages]) == (
        "title 1", "m1", ["question", "answer"],
    )  # fmt: skip
    assert are_sound(found.messages, found.branches)


async def test_the_same_file_at_the_same_time_in_two_processes_comes_once(nodes: Nodes, tmp_path: Path) -> None:
    one, other = (Transfers(nodes, tmp_path, Retention(86_400, 0)) for _ in range(2))
    for node in nodes.all():
        await node.client.flushall()
    file = native(*(conversation(number) for number in range(40)))
    await asyncio.gather(one.bring(file), other.bring(file))
    assert sorted(await one.listed()) == [ID.format(number) for number in range(40)]
    for number in range(40):
        assert len((await one.whole(ID.format(number))).messages) == 2
    assert skipped(await one.bring(file))["conversation", "known_already"] == 40


async def test_what_is_staged_ends_by_itself_and_what_is_settled_does_not(
    client: Redis, nodes: Nodes, tmp_path: Path
) -> None:
    transfers = Transfers(nodes, tmp_path, Retention(0, 0))
    one = staged(PortableConversation(**conversation(1) | {"messages": (message("a"),)}), transfers.incoming.retention)
    name = (await transfers.incoming.stage(OWNER, "mark", one, set())).id
    keys = ConversationKeys(name)
    alive = [key for key in keys.lasting if await client.exists(key)]
    assert {keys.meta, keys.messages, keys.order, keys.tree, keys.ngrams} == set(alive)
    assert all([0 < await client.pttl(key) <= DAY_MS for key in alive])
    assert await transfers.listed() == []
    ends_at = float(await client.hget(keys.meta, "expires_at") or 0)
    assert abs(ends_at * 1000 - await client.pexpiretime(keys.meta)) < 5_000, "whoever looks is told the truth"
    await transfers.incoming.enlist(OWNER, "mark", [(name, one.updated_at, one.pinned)])
    await transfers.incoming.settle(OWNER, "mark", [name])
    assert [await client.pttl(key) for key in alive] == [-1] * 5
    assert await transfers.listed() == [name]


def message(name: str, **more: Any) -> PortableMessage:
    return PortableMessage(id=name, role="user", content=name, timestamp=1, **more)


async def test_an_import_expires_from_now_on_whatever_its_age(client: Redis, transfers: Transfers) -> None:
    await transfers.bring(native(conversation(1), conversation(2, pinned=True)))
    found = await transfers.conversations.get(ID.format(1), OWNER)
    assert found.updated_at == 1_700_000_001
    keys = ConversationKeys(found.id)
    alive = [key for key in keys.lasting if await client.exists(key)]
    assert all([DAY_MS - 60_000 < await client.pttl(key) <= DAY_MS for key in alive])
    assert found.expires_at is not None
    pinned = await transfers.conversations.get(ID.format(2), OWNER)
    assert (pinned.expires_at, await client.pttl(ConversationKeys(pinned.id).meta)) == (None, -1)
    await transfers.conversations.create(ID.format(3), OWNER, "assistant", None, "")
    assert await transfers.listed() == [ID.format(3), ID.format(2), ID.format(1)], "what is old stays in the list"


async def test_retention_keeps_the_newest_and_says_how_many_it_does_not(
    nodes: Nodes, tmp_path: Path, client: Redis
) -> None:
    transfers = Transfers(nodes, tmp_path, Retention(86_400, 4))
    long = conversation(1, [f"text {number}" for number in range(10)])
    long["messages"][1]["pinned"] = True
    report = await transfers.bring(native(long, conversation(2, ["x"] * 6, pinned=True)))
    assert skipped(report) == {("message", "retention"): 5}
    assert report.imported.messages == 11
    page = await transfers.branches.page(ID.format(1), OWNER, None, 10)
    assert [placed.message.content for placed in page.messages] == [f"text {n}" for n in (1, 6, 7, 8, 9)]
    assert [placed.message.depth for placed in page.messages] == [1, 6, 7, 8, 9]
    assert (page.total, page.dropped) == (10, 5)
    assert (await transfers.conversations.get(ID.format(1), OWNER)).message_count == 5
    assert (await transfers.conversations.get(ID.format(2), OWNER)).message_count == 6
    # What comes next finds its place: the cap holds.
    file = await transfers.everything()
    for node in nodes.all():
        await node.client.flushall()
    assert skipped(await transfers.bring(file)) == {}
    assert await transfers.everything() == file


class Failing(IncomingStore):
    """A store that goes away in the middle of an import."""

    left = 0
    at = "stage"

    async def stage(self, owner: str, mark: str, staged: Staged, tried: set[str]) -> Landed:
        landed = await super().stage(owner, mark, staged, tried)
        self._pass("stage")
        return landed

    async def enlist(self, owner: str, mark: str, arrived: Sequence[tuple[str, float, bool]]) -> None:
        self._pass("enlist")
        await super().enlist(owner, mark, arrived)

    async def settle(self, owner: str, mark: str, names: Sequence[str]) -> list[str]:
        await super().settle(owner, mark, names[:2])
        self._pass("settle")
        return await super().settle(owner, mark, names)

    def _pass(self, at: str) -> None:
        if self.at == at:
            self.left -= 1
            if self.left < 0:
                raise StoreUnavailable("gone")


@pytest.mark.parametrize("at", ["stage", "enlist", "settle"])
async def test_an_import_that_the_store_fails_leaves_nothing(
    client: Redis, nodes: Nodes, tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfers = Transfers(nodes, tmp_path, Retention(86_400, 0), Failing, **IMPATIENT)
    monkeypatch.setattr(Failing, "left", 3 if at == "stage" else 0)
    monkeypatch.setattr(Failing, "at", at)
    persona = asdict(OwnPersona("own-0123456789", "n", "", "", "p"))
    with pytest.raises(StoreUnavailable):
        await transfers.bring(native(*(conversation(number) for number in range(100)), personas=[persona]))
    left = [key for key in await keys_of(nodes) if not key.endswith(":feed") and "barrier" not in key]
    assert left == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("owner", [OWNER, "bob"])
async def test_an_import_that_is_taken_back_takes_nothing_else_along(
    client: Redis, nodes: Nodes, tmp_path: Path, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfers = Transfers(nodes, tmp_path, Retention(86_400, 0))
    file = native(*(conversation(number, pinned=number == 2) for number in range(5)))
    await transfers.bring(file)
    before, listed = await transfers.everything(), await transfers.listed()
    assert transfers.erasures == 0
    failing = Transfers(nodes, tmp_path, Retention(86_400, 0), Failing, **IMPATIENT)
    monkeypatch.setattr(Failing, "left", 0)
    monkeypatch.setattr(Failing, "at", "enlist")
    with pytest.raises(StoreUnavailable):
        await failing.bring(file if owner != OWNER else native(*(conversation(number) for number in range(9))), owner)
    assert (await transfers.everything(), await transfers.listed()) == (before, listed)
    assert failing.erasures == 1, "the store's files are to forget it too"


async def cut_off(transfers: Transfers, *numbers: int, text: str = "before", listed: bool = False) -> None:
    """An import whose process is killed before its end."""
    for number in numbers:
        messages = tuple(message(f"{text}{place}") for place in range(3))
        one = staged(
            PortableConversation(**conversation(number) | {"messages": messages}), transfers.incoming.retention
        )
        landed = await transfers.incoming.stage(OWNER, "killed", one, set())
        assert landed == Landed(ID.format(number), False)
        if listed:
            await transfers.incoming.enlist(OWNER, "killed", [(landed.id, one.updated_at, one.pinned)])


async def test_what_an_import_has_left_gives_way_to_the_next_one(client: Redis, transfers: Transfers) -> None:
    await cut_off(transfers, 0, 1)
    report = await transfers.bring(native(*(conversation(number) for number in range(3))))
    assert skipped(report) == {}
    assert sorted(await transfers.listed()) == [ID.format(number) for number in range(3)]
    for number in range(3):
        assert [one.content for one in (await transfers.whole(ID.format(number))).messages] == ["question", "answer"]
        assert await client.hget(ConversationKeys(ID.format(number)).meta, "staged") is None
    # Settled ones do not give way.
    assert skipped(await transfers.bring(native(conversation(0)))) == {
        ("conversation", "known_already"): 1, ("message", "known_already"): 2,
    }  # fmt: skip


async def test_what_an_import_has_left_in_the_list_or_somebody_elses_stays(client: Redis, transfers: Transfers) -> None:
    await cut_off(transfers, 0, listed=True)
    await cut_off(transfers, 1)
    report = await transfers.bring(native(conversation(0)))
    assert (report.imported.extended, report.imported.messages) == (1, 2)
    assert await client.hget(ConversationKeys(ID.format(0)).meta, "staged") is None, "from now on it stays"
    assert skipped(await transfers.bring(native(conversation(1)), "bob")) == {}
    for number in range(2):
        assert (await transfers.whole(ID.format(number))).messages[0].content == "before0"
    assert ID.format(1) not in await transfers.listed("bob")


async def test_what_was_deleted_or_replaced_before_an_import_is_over_is_counted(nodes: Nodes, tmp_path: Path) -> None:
    class Overtaken(IncomingStore):
        async def enlist(self, owner: str, mark: str, arrived: Sequence[tuple[str, float, bool]]) -> None:
            await super().enlist(owner, mark, arrived)
            await transfers.conversations.erase(ID.format(1), owner, keep_conversation=False)

    transfers = Transfers(nodes, tmp_path, Retention(86_400, 0), Overtaken)
    for node in nodes.all():
        await node.client.flushall()
    assert skipped(await transfers.bring(native(conversation(1), conversation(2)))) == {("conversation", "gone"): 1}
    assert await transfers.listed() == [ID.format(2)]


async def trickle(began: asyncio.Event) -> AsyncIterator[bytes]:
    began.set()
    yield b"{"
    await asyncio.sleep(60)


async def test_an_upload_leaves_the_store_its_room_on_the_disk(
    transfers: Transfers, nodes: Nodes, tmp_path: Path
) -> None:
    full = Transfers(nodes, tmp_path, Retention(86_400, 0), kept_free_bytes=2**60)
    with pytest.raises(DiskFull):
        await full.bring(native(conversation(1)))
    assert await transfers.listed() == []
    assert (await transfers.bring(native(conversation(1)))).imported.conversations == 1


async def test_a_disk_that_takes_no_more_is_said_in_a_word(transfers: Transfers) -> None:
    had = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, had[1]))  # the kernel refuses as it would on a full disk
    try:
        with pytest.raises(DiskFull):
            await transfers.bring(b" " * 3_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, had)
    assert (await transfers.bring(native(conversation(1)))).imported.conversations == 1


class Killed(IncomingStore):
    """Of a process that is killed where `at` says: nothing of it is taken back."""

    at = "settle"

    async def enlist(self, owner: str, mark: str, arrived: Sequence[tuple[str, float, bool]]) -> None:
        if self.at == "enlist":
            self._enlist = Script("list_entry")  # which refuses these keys: all but the list itself is written
        await super().enlist(owner, mark, arrived)

    async def settle(self, owner: str, mark: str, names: Sequence[str]) -> list[str]:
        await super().settle(owner, mark, names[:2])
        raise StoreUnavailable("killed")

    async def remove(self, owner: str, mark: str, names: Sequence[str]) -> None:
        pass


async def test_what_was_listed_when_the_process_was_killed_is_kept(client: Redis, nodes: Nodes, tmp_path: Path) -> None:
    week = Retention(7 * 86_400, 0)
    with pytest.raises(StoreUnavailable):
        await Transfers(nodes, tmp_path, week, Killed, **IMPATIENT).bring(
            native(*(conversation(number) for number in range(5)))
        )
    metas = [ConversationKeys(ID.format(number)).meta for number in range(5)]
    assert sum([await client.pttl(meta) <= DAY_MS for meta in metas]) == 3
    transfers = Transfers(nodes, tmp_path, week)
    transfers.importer.start()

    async def have_arrived() -> bool:
        return not await client.exists("lianhua:{arriving}")

    await until(have_arrived)
    await transfers.importer.stop()
    assert len(await transfers.listed()) == 5
    for number, meta in enumerate(metas):
        assert not await client.hexists(meta, "staged")
        for key in ConversationKeys(ID.format(number)).lasting:
            assert not await client.exists(key) or await client.pttl(key) > DAY_MS
    assert await transfers.incoming.settle_left() == 0
    assert not [key for key in await keys_of(nodes) if key.endswith(":left")]


async def lists_outlive_their_conversations(transfers: Transfers, client: Redis) -> None:
    names = await transfers.listed()
    last = max([await client.pexpiretime(ConversationKeys(name).meta) for name in names])
    assert last > 0
    assert await client.pexpiretime(list_keys(OWNER)[0]) >= last


async def test_the_list_does_not_expire_before_what_was_imported(
    client: Redis, nodes: Nodes, tmp_path: Path, transfers: Transfers
) -> None:
    await transfers.bring(native(*(conversation(number) for number in range(200))))
    await lists_outlive_their_conversations(transfers, client)


async def test_the_list_does_not_expire_before_what_was_made_final_later(
    client: Redis, nodes: Nodes, tmp_path: Path
) -> None:
    week = Retention(7 * 86_400, 0)
    with pytest.raises(StoreUnavailable):
        await Transfers(nodes, tmp_path, week, Killed, **IMPATIENT).bring(native(conversation(1), conversation(2)))
    await asyncio.sleep(0.2)
    transfers = Transfers(nodes, tmp_path, week)
    assert await transfers.incoming.settle_left() == 2
    await lists_outlive_their_conversations(transfers, client)


async def test_what_was_not_listed_when_the_process_was_killed_still_goes(
    client: Redis, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Killed, "at", "enlist")
    week = Retention(7 * 86_400, 0)
    with pytest.raises(ResponseError):
        await Transfers(nodes, tmp_path, week, Killed, **IMPATIENT).bring(native(conversation(1)))
    transfers = Transfers(nodes, tmp_path, week)
    assert await transfers.incoming.settle_left() == 0
    assert await transfers.listed() == []
    for key in await keys_of(nodes):
        assert "barrier" in key or 0 < await client.pttl(key) <= DAY_MS, key


async def test_slow_uploads_hold_nobody_up_until_they_are_many(transfers: Transfers) -> None:
    uploads: list[asyncio.Task[ImportReport]] = []
    for number in range(UPLOADS_AT_ONCE):
        report = await transfers.bring(native(conversation(number)), f"user{number}")
        assert report.imported.conversations == 1
        began = asyncio.Event()
        uploads.append(asyncio.create_task(transfers.importer.bring(f"slow{number}", trickle(began))))
        await began.wait()
    with pytest.raises(Overloaded):
        await transfers.bring(native())
    for upload in uploads:
        upload.cancel()
    await asyncio.gather(*uploads, return_exceptions=True)
    assert (await transfers.bring(native(conversation(9)))).imported.conversations == 1
    assert list(transfers.folder.iterdir()) == []


async def test_imports_that_have_arrived_wait_for_their_turn(nodes: Nodes, client: Redis, tmp_path: Path) -> None:
    at_once: list[int] = []

    class Watched(IncomingStore):
        working = 0

        async def enlist(self, owner: str, mark: str, arrived: Sequence[tuple[str, float, bool]]) -> None:
            self.working += 1
            at_once.append(self.working)
            await until(lambda: len(at_once) >= IMPORTS_AT_ONCE)
            await asyncio.sleep(0.05)  # for one more than may come
            await super().enlist(owner, mark, arrived)
            self.working -= 1

    transfers = Transfers(nodes, tmp_path, Retention(86_400, 0), Watched)
    users = [f"user{number}" for number in range(UPLOADS_AT_ONCE)]
    reports = await asyncio.gather(*(transfers.bring(native(conversation(n)), user) for n, user in enumerate(users)))
    assert [report.imported.conversations for report in reports] == [1] * UPLOADS_AT_ONCE
    assert max(at_once) == IMPORTS_AT_ONCE


async def test_an_import_that_takes_too_long_is_taken_back(nodes: Nodes, client: Redis, tmp_path: Path) -> None:
    class Stuck(IncomingStore):
        async def enlist(self, owner: str, mark: str, arrived: Sequence[tuple[str, float, bool]]) -> None:
            await asyncio.sleep(60)

    transfers = Transfers(nodes, tmp_path, Retention(86_400, 0), Stuck, import_s=0.5)
    with pytest.raises(InvalidRequest, match="takes longer"):
        await transfers.bring(native(conversation(1)))
    assert await keys_of(nodes) == []


async def test_branches_that_the_store_has_forgotten_leave_no_gap(client: Redis, nodes: Nodes, tmp_path: Path) -> None:
    transfers = Transfers(nodes, tmp_path, Retention(86_400, 3))
    talk = Talk(nodes, cap=3)
    await talk.open()
    await talk.say(1)
    for number in range(90):
        await talk.answer("u1", f"s{number}")
    await talk.say(2)
    file = await transfers.everything()
    numbers = [int(name[2:]) for name in await client.hkeys(ConversationKeys(NAME).tree) if name.startswith(b"b:")]
    there = await transfers.whole()
    assert len(numbers) == len(there.branches) < max(numbers)
    assert are_sound(there.messages, there.branches)
    await transfers.conversations.erase(NAME, OWNER, keep_conversation=False)
    assert skipped(await transfers.bring(file)) == {}
    assert await transfers.everything() == file
    await talk.say(3)
    assert (await talk.ids())[-2:] == ["u3", "r3"]


async def test_an_import_that_is_given_up_leaves_nothing(nodes: Nodes, client: Redis, tmp_path: Path) -> None:
    class Slow(IncomingStore):
        async def stage(self, owner: str, mark: str, staged: Staged, tried: set[str]) -> Landed:
            landed = await super().stage(owner, mark, staged, tried)
            await asyncio.sleep(len(tried) > 30 and 60)
            return landed

    transfers = Transfers(nodes, tmp_path, Retention(86_400, 0), Slow)
    running = asyncio.create_task(transfers.bring(native(*(conversation(number) for number in range(200)))))

    async def have_come() -> bool:
        return len(await keys_of(nodes)) >= 100

    await until(have_come)
    with pytest.raises(Overloaded):
        await transfers.bring(native())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await keys_of(nodes) == []


@pytest.mark.parametrize("broken", [b"", b"]", b'{"format":"lianhua","version":1,"conversations":[{'])
async def test_a_file_that_is_broken_at_its_end_brings_nothing(
    nodes: Nodes, transfers: Transfers, broken: bytes
) -> None:
    file = native(*(conversation(number) for number in range(50)))
    with pytest.raises(InvalidRequest):
        await transfers.bring(file[:-2] + broken)
    assert await keys_of(nodes) == []
    assert list(transfers.folder.iterdir()) == []


async def test_a_file_that_is_too_large_brings_nothing(nodes: Nodes, transfers: Transfers) -> None:
    file = native(conversation(1, ["x" * LIMIT]))
    with pytest.raises(PayloadTooLarge):
        await transfers.bring(file)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", file)
    with pytest.raises(InvalidRequest, match="more than 4 MB"):
        await transfers.bring(packed.getvalue())
    assert await keys_of(nodes) == []


async def test_a_long_conversation_goes_in_many_pieces(
    client: Redis, transfers: Transfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("READ_IDS", 7), ("READ_BYTES", 3_000), ("WRITTEN_BYTES", 2_000), ("WRITTEN_FIELDS", 5)):
        for module in (incoming, outgoing, staged_form):
            monkeypatch.setattr(module, name, value, raising=False)
    texts = [f"text {number} " * (number % 90) for number in range(300)]
    long = conversation(1, texts)
    long["messages"][7]["pinned"] = long["messages"][200]["pinned"] = True
    await transfers.bring(native(long))
    found = await transfers.whole(ID.format(1))
    assert [message.content for message in found.messages] == texts
    assert [message.depth for message in found.messages] == list(range(300))
    assert [message.id for message in found.messages if message.pinned] == ["m7", "m200"]
    assert (await transfers.conversations.get(ID.format(1), OWNER)).message_count == 300


async def test_a_message_that_no_reply_could_be_is_shortened(transfers: Transfers) -> None:
    long = conversation(1, ["x" * 500_000, "y" * 399_999])
    long["messages"][1]["reasoning"] = "because"
    assert skipped(await transfers.bring(native(long))) == {("message", "shortened"): 2}
    first, second = (await transfers.whole(ID.format(1))).messages
    assert (len(first.content), len(second.content), second.reasoning) == (400_000, 399_999, "b")


async def test_tabs_hear_of_what_has_come(transfers: Transfers) -> None:
    changes = Changes(transfers.database)
    await transfers.conversations.create(ID.format(999), OWNER, "assistant", None, "")
    seen = await changes.latest(OWNER)
    await transfers.bring(native(*(conversation(number) for number in range(3))))
    page = await changes.after(OWNER, seen)
    assert sorted(change.conversation_id for _, change in page.changes) == [ID.format(n) for n in range(3)]
    assert {change.change for _, change in page.changes} == {"created"}
    await transfers.bring(native(*(conversation(number) for number in range(100, 160))))
    page = await changes.after(OWNER, page.last)
    assert page.missed, "so many that a tab is to read the list again"
    assert (await changes.after(OWNER, page.last)).missed is False


async def test_an_export_goes_on_while_conversations_come_and_go(client: Redis, nodes: Nodes, tmp_path: Path) -> None:
    transfers = Transfers(nodes, tmp_path, Retention(86_400, 0), piece_bytes=1)
    await transfers.bring(native(*(conversation(number, ["x"] * 20) for number in range(6))))
    pieces = []
    async for piece in transfers.exporter.everything(OWNER):
        pieces.append(piece)
        if len(pieces) == 2:
            for number in (0, 3):
                await transfers.conversations.erase(ID.format(number), OWNER, keep_conversation=False)
            await transfers.conversations.create(ID.format(77), OWNER, "assistant", None, "")
    found = json.loads(b"".join(pieces))["conversations"]
    assert [one["id"] for one in found] == [ID.format(number) for number in (0, 1, 2, 4, 5)]
    await transfers.bring(b"".join(pieces), "bob")


async def test_the_search_finds_what_was_imported_without_reading_the_rest(client: Redis, transfers: Transfers) -> None:
    texts = [[f"nothing {number}", "很普通"] for number in range(20)]
    texts[7][1] = "a lotus 莲花 in the pond"
    await transfers.bring(native(*(conversation(number, text) for number, text in enumerate(texts))))
    search = ConversationSearch(transfers.database, transfers.conversations)
    for wanted in ("莲花", "LOTUS", "title 7"):
        page = await search.page(OWNER, wanted, None, 10)
        assert ID.format(7) in [found.conversation.id for found in page.found]
    assert [await client.getbit(ConversationKeys(ID.format(n)).ngrams, 0) for n in range(20)] == [0] * 20


async def test_personas_and_settings_come_along_but_replace_nothing(transfers: Transfers) -> None:
    mine = OwnPersona("own-0123456789", "Mine", "", "", "I am mine")
    await transfers.personas.create(OWNER, mine)
    await transfers.preferences.change(OWNER, {"language": "zh"})
    same, other = asdict(mine), asdict(replace(mine, prompt="I am another"))
    settings = {"language": "en", "default_role": mine.id, "colour": "red"}
    report = await transfers.bring(native(personas=[same], settings=settings))
    assert skipped(report) == {
        ("persona", "known_already"): 1, ("setting", "set_already"): 1, ("setting", "unknown"): 1,
    }  # fmt: skip
    chosen = await transfers.preferences.get(OWNER)
    assert (chosen.language, chosen.default_role, chosen.default_model) == ("zh", mine.id, None)
    report = await transfers.bring(native(conversation(1, role=mine.id), personas=[other]))
    assert skipped(report) == {("persona", "new_id"): 1}
    (new,) = [persona for persona in await transfers.personas.all(OWNER) if persona.id != mine.id]
    assert new.prompt == "I am another"
    assert (await transfers.conversations.get(ID.format(1), OWNER)).role == new.id


async def test_a_user_cannot_bring_more_personas_than_one_may_have(transfers: Transfers) -> None:
    personas = [asdict(OwnPersona(f"own-{number:010x}", str(number), "", "", "p")) for number in range(103)]
    report = await transfers.bring(native(personas=personas))
    assert (report.imported.personas, skipped(report)) == (100, {("persona", "too_many"): 3})


async def test_another_user_has_nothing_to_take_out(nodes: Nodes, transfers: Transfers) -> None:
    await talked(nodes)
    with pytest.raises(ConversationNotFound):
        await transfers.exporter.open("bob", NAME)
    assert NAME.encode() not in await transfers.everything("bob")


async def test_markdown_is_the_branch_that_is_shown_with_its_gaps(nodes: Nodes, tmp_path: Path, client: Redis) -> None:
    transfers = Transfers(nodes, tmp_path, Retention(86_400, 5))
    talk = await talked(nodes, cap=5)
    shown = await talk.ids()
    text = b"".join(
        [piece async for piece in transfers.exporter.as_markdown(await transfers.exporter.open(OWNER, NAME), "en")]
    ).decode()
    assert text.startswith("# title\n\n- Begun: 20")
    assert re.findall(r"(?:question|reply) (\S+)", text) == [
        name if name.startswith("r") else name[1:] for name in shown
    ]
    assert "messages here are no longer kept*" in text
    assert re.search(r"\*\*User\*\* · \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n\nquestion 1\n", text)
