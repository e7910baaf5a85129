"""The search on real stores: all that is there is found, nothing that is gone or somebody else's."""

import asyncio
import random
import time
import unicodedata
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from lianhua.chat.context_report import ContextReport
from lianhua.chat.messages import Message
from lianhua.chat.turn import Turn, TurnRecord, TurnRef
from lianhua.errors import InvalidRequest
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys, list_keys
from lianhua.store.client.scripts import Argument
from lianhua.store.client.topology import Nodes
from lianhua.store.conversations import ConversationStore, Retention
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import Accepted, Append, NewTurn
from lianhua.store.search import index, query, reading
from lianhua.store.search.excerpt import Needle
from lianhua.store.search.ngrams import BITS, MADE_BIT, Signature, probe
from lianhua.store.search.query import ConversationSearch, FoundConversation
from tests.support.waiting import until

ACCOUNT = ContextReport(100, 10, 0)
ZH = "莲花出淤泥而不染濯清涟而不妖中通外直不蔓不枝香远益清亭亭净植可远观而不可亵玩焉的是了我你在有这他们"
EN = ["lotus", "Water", "bloom", "clean", "mud", "the", "of", "RISES", "Straße", "İzmir", "naïve", "purity", "a"]


class Archive:
    """Conversations that people have had, and the search over them."""

    def __init__(self, nodes: Nodes, cap: int = 0) -> None:
        retention = Retention(86_400, cap)
        self.database = StoreClient(nodes)
        self.conversations = ConversationStore(self.database, retention)
        self.journal = TurnJournal(self.database, retention, "worker")
        self.search = ConversationSearch(self.database, self.conversations)
        self.texts: dict[str, dict[str, str]] = {}  # of each conversation, by message id
        self._numbers = iter(range(1, 1_000_000))

    async def create(self, title: str = "", owner: str = "ann") -> str:
        name = str(uuid.uuid4())
        await self.conversations.create(name, owner, "assistant", None, title)
        self.texts[name] = {}
        return name

    async def begin(self, name: str, question: str, *, below: str | None = None, owner: str = "ann") -> Turn:
        """A turn that has just begun, below the newest message or the one named ("": at the root)."""
        number = next(self._numbers)
        if below is None:
            (head,) = await self.database.ask(("HGET", ConversationKeys(name).meta, "head"))
            below = head.decode()
        turn = Turn(TurnRef(name, f"{number:x}"))
        message = Message(f"u{number}", "user", question, parent_id=below or None)
        started = turn.start(f"u{number}", f"r{number}", "model")
        record = TurnRecord(f"u{number}", f"r{number}", "model", "assistant", ACCOUNT, key=f"key {number}")
        answer = await self.journal.accept(NewTurn(turn.ref, owner, "body", message, record, started, question[:20]))
        assert isinstance(answer, Accepted), answer
        self.texts[name][f"u{number}"] = question
        return turn

    async def end(self, turn: Turn, reply: str) -> None:
        reply_id = f"r{int(turn.ref.turn_id, 16)}"
        if reply:
            assert await self.journal.append([Append.of(turn.ref, turn.text_piece(reply))]) == ["ok"]
        record = TurnRecord(f"u{reply_id[1:]}", reply_id, "model", "assistant", ACCOUNT, key=f"key {reply_id[1:]}")
        message = Message(reply_id, "assistant", reply)
        assert await self.journal.finish(turn.ref, turn.end("done", "stop"), message, record) == "ok"
        self.texts[turn.ref.conversation_id][reply_id] = reply

    async def say(self, name: str, question: str, reply: str, *, below: str | None = None, owner: str = "ann") -> None:
        turn = await self.begin(name, question, below=below, owner=owner)
        await self.end(turn, reply)
        await self.enlist(name, owner)

    async def enlist(self, name: str, owner: str = "ann") -> None:
        conversation = await self.conversations.get(name, owner)
        listed, *_ = list_keys(owner)
        await self.database.ask(("ZADD", listed, repr(conversation.updated_at), name))

    async def index(self, name: str, owner: str = "ann", texts: Mapping[str, str] | None = None) -> None:
        await self.search.index(name, owner, self.texts[name] if texts is None else texts)

    async def find(self, wanted: str, owner: str = "ann", limit: int = 50) -> list[FoundConversation]:
        """Everything that is found, joined from pages."""
        found: list[FoundConversation] = []
        before: str | None = None
        while True:
            page = await self.search.page(owner, wanted, before, limit)
            assert len(page.found) <= limit
            found += page.found
            before = page.next
            if before is None:
                return found

    async def names(self, wanted: str, owner: str = "ann", limit: int = 50) -> list[str]:
        return [found.conversation.id for found in await self.find(wanted, owner, limit)]

    async def indexed(self, name: str) -> bool:
        """Whether the search asks the signature alone."""
        keys = ConversationKeys(name)
        waiting, flag = await self.database.ask(("HGET", keys.meta, "unsigned"), ("GETBIT", keys.ngrams, 0))
        assert (not waiting) == (flag == 0)
        return not waiting

    async def until_indexed(self, name: str) -> None:
        await until(lambda: self.indexed(name))


@pytest.fixture
async def archive(client: Redis, nodes: Nodes) -> Archive:
    return Archive(nodes)


def _bytes(answer: object) -> list[bytes]:
    """Every text in an answer of the store."""
    if isinstance(answer, list):
        return [value for part in answer for value in _bytes(part)]
    return [answer] if isinstance(answer, bytes) else []


def sentence(chance: random.Random) -> str:
    """Chinese, English or both."""
    zh = "".join(chance.choices(ZH, k=chance.randint(3, 40)))
    en = " ".join(chance.choices(EN, k=chance.randint(2, 12)))
    return chance.choice([zh, en, f"{zh}，{en}。", f'{en}：“{zh}”\n\\ "{en}" 👍🏽'])


async def test_everything_is_found_that_a_plain_look_finds(archive: Archive) -> None:
    chance = random.Random(4)
    titles: dict[str, str] = {}
    for number in range(24):
        name = await archive.create(sentence(chance)[:60] if number % 3 else "")
        for _ in range(chance.randint(0, 3)):
            await archive.say(name, sentence(chance), sentence(chance))
            if chance.random() < 0.6:
                await archive.index(name)
        titles[name] = (await archive.conversations.get(name, "ann")).title
        await archive.enlist(name)
    order = list(reversed(titles))

    everything = [text for texts in archive.texts.values() for text in texts.values()]
    wanted = ["莲", "a", "ü", "\n", '"', "\\", "STRASSE", "i̇zmir", "👍", "没有的词", "nowhere to be seen"]
    for _ in range(60):
        text = chance.choice(everything)
        start = chance.randrange(len(text))
        wanted.append(text[start : start + chance.choice([1, 1, 2, 2, 3, 4, 6, 12, 200])])
    for part in wanted:
        for written in {part, part.upper()}:
            folded = written.casefold()
            expected = [
                name
                for name in order
                if folded in titles[name].casefold()
                or any(folded in text.casefold() for text in archive.texts[name].values())
            ]
            assert await archive.names(written, limit=7) == expected, written


async def test_nothing_is_found_of_somebody_else(archive: Archive) -> None:
    for owner in ("ann", "bob"):
        await archive.say(await archive.create(owner=owner), f"莲花 of {owner}", "lotus", owner=owner)
    for owner in ("ann", "bob"):
        (found,) = await archive.find("莲花", owner)
        assert found.conversation.owner == owner
    # Not even where a list names it by mistake.
    name = (await archive.names("莲花", "bob"))[0]
    await archive.database.ask(("ZADD", list_keys("ann")[0], repr(time.time()), name))
    assert await archive.names("of bob", "ann") == []
    await archive.index(name, "ann")
    assert not await archive.indexed(name)


async def test_a_turn_is_found_as_soon_as_it_has_begun(archive: Archive) -> None:
    name = await archive.create()
    turn = await archive.begin(name, "Where do 莲花 grow?")
    await archive.enlist(name)
    assert await archive.names("莲花") == [name]
    assert await archive.names("grow?") == [name]
    await archive.end(turn, "In the mud 淤泥")
    assert await archive.names("淤泥") == [name]
    assert await archive.names("荷") == []


async def test_matches_come_title_first_then_newest_message_first(archive: Archive) -> None:
    name = await archive.create("About the Lotus")
    for number in range(4):
        await archive.say(name, f"lotus {number}", "nothing")
    (found,) = await archive.find("LOTUS")
    ids = [match.message_id for match in found.matches]
    questions = [message for message in archive.texts[name] if message.startswith("u")]
    assert ids == [None, *reversed(questions[1:])]
    assert [match.excerpt.text for match in found.matches] == ["About the Lotus", "lotus 3", "lotus 2", "lotus 1"]
    assert found.matches[0].excerpt.highlights == ((10, 15),)


async def test_reasoning_ids_and_models_are_not_searched(archive: Archive) -> None:
    name = await archive.create()
    await archive.say(name, "question", "answer")
    assert await archive.names("assistant") == []
    assert await archive.names("timestamp") == []
    assert await archive.names("u1") == []


async def test_what_was_erased_is_not_found(archive: Archive) -> None:
    kept, gone = await archive.create("a title"), await archive.create("a title")
    for name in (kept, gone):
        await archive.say(name, "莲花", "lotus")
        await archive.index(name)
        await archive.say(name, "淤泥", "mud")
    for wanted in ("莲花", "mud", "title"):
        assert await archive.names(wanted) == [gone, kept]
    await archive.conversations.erase(kept, "ann", keep_conversation=True)
    await archive.conversations.erase(gone, "ann", keep_conversation=False)
    for name in (kept, gone):
        await archive.index(name)  # late
        await archive.search._indexer.reindex(name, "ann")
    for wanted in ("莲花", "mud", "title"):
        assert await archive.names(wanted) == []
    for name in (kept, gone):
        keys = ConversationKeys(name)
        assert await archive.database.ask(("BITCOUNT", keys.ngrams), ("HEXISTS", keys.meta, "unsigned")) == [0, 0]
    assert await archive.database.ask(("EXISTS", ConversationKeys(gone).ngrams)) == [0]
    await archive.say(kept, "荷花", "lotus again")
    assert await archive.names("荷花") == [kept]


async def test_an_erased_text_that_is_signed_late_leaves_no_bit_behind(archive: Archive) -> None:
    name = await archive.create()
    await archive.say(name, "莲花", "lotus")
    before = dict(archive.texts[name])
    await archive.conversations.erase(name, "ann", keep_conversation=True)
    turn = await archive.begin(name, "荷")
    await archive.index(name, texts=before)
    await archive.end(turn, "")
    await archive.enlist(name)
    await archive.index(name, texts=before)
    (bits,) = await archive.database.ask(("GET", ConversationKeys(name).ngrams))
    only = Signature()
    only.add("荷")
    assert bits == only.bitmap()


async def test_a_text_that_goes_while_it_is_signed_leaves_no_bit_behind(archive: Archive) -> None:
    name = await archive.create("talk")
    await archive.index(name)
    keys = ConversationKeys(name)
    bits = await archive.database.ask(("GET", keys.ngrams))
    late = Signature()
    late.add("莲花")
    args = ["ann", late.bitmap(), "talk", "u1"]
    assert await archive.database.run(
        archive.search._indexer._index, [keys.meta, keys.ngrams, f"{keys.ngrams}:new"], args
    ) == [b"ok"]
    assert await archive.database.ask(("GET", keys.ngrams)) == bits


async def test_a_message_that_comes_twice_while_it_is_read_is_one_match(archive: Archive) -> None:
    name = await archive.create("talk")
    await archive.say(name, "莲花", "lotus")
    (read,) = [read async for read in reading.read_conversations(archive.database, "ann", [name])]
    read._first[1] *= 2  # as the store may answer while it makes room for more
    matches = await query._matches(read, Needle("lotus"))
    assert [match.excerpt.text for match in matches] == ["lotus"]


async def test_a_renamed_conversation_is_found_by_its_new_title_only(archive: Archive) -> None:
    name = await archive.create("莲花")
    await archive.index(name)
    assert await archive.names("莲花") == [name]
    await archive.conversations.update(name, "ann", {"title": "Mud 淤泥"})
    for _ in range(2):
        assert await archive.names("淤泥") == [name]
        assert await archive.names("莲花") == []
        await archive.index(name)
        assert await archive.indexed(name)


async def test_a_title_that_is_replaced_while_it_is_signed_is_still_found(archive: Archive) -> None:
    name = await archive.create("one")
    await archive.conversations.update(name, "ann", {"title": "two"})
    keys = ConversationKeys(name)
    (waiting,) = await archive.database.ask(("HGET", keys.meta, "unsigned"))
    # As if the signer had read the conversation before the title was changed.
    args = ["ann", Signature().bitmap(), "one", *waiting.decode().split()]
    await archive.database.run(archive.search._indexer._index, [keys.meta, keys.ngrams, f"{keys.ngrams}:new"], args)
    assert not await archive.indexed(name)
    assert await archive.names("two") == [name]


async def test_a_title_from_the_first_message_is_found_when_it_is_signed(archive: Archive) -> None:
    name = await archive.create()
    await archive.say(name, "How do I\nbake bread?", "reply")
    await archive.database.ask(("HSET", ConversationKeys(name).meta, "title", "How do I bake bread?"))
    await archive.index(name)
    assert await archive.indexed(name)
    (found,) = await archive.find("I bake")
    assert [match.message_id for match in found.matches] == [None]


async def is_empty(archive: Archive, name: str) -> bool:
    """Whether no key of the conversation is left."""
    return not any(await archive.database.ask(*(("EXISTS", key) for key in ConversationKeys(name).lasting)))


async def test_an_expired_conversation_is_not_found(archive: Archive) -> None:
    name = await archive.create("莲花")
    await archive.say(name, "淤泥", "mud")
    await archive.database.ask(*(("PEXPIRE", key, 1) for key in ConversationKeys(name).lasting))
    await until(lambda: is_empty(archive, name))
    for wanted in ("莲花", "mud"):
        assert await archive.names(wanted) == []


async def test_what_retention_has_dropped_is_not_found(client: Redis, nodes: Nodes) -> None:
    archive = Archive(nodes, cap=4)
    name = await archive.create()
    await archive.say(name, "莲花", "lotus")
    await archive.conversations.update(name, "ann", {"title": "talk"})
    await archive.index(name)
    for number in range(2):
        await archive.say(name, f"q{number}", f"a{number}")
    assert await archive.names("莲花") == []
    assert await archive.names("q1") == [name]
    await archive.search._indexer.reindex(name, "ann")
    only = Signature()
    for text in ("talk", "q0", "a0", "q1", "a1"):
        only.add(text)
    assert await archive.database.ask(("GET", ConversationKeys(name).ngrams)) == [only.bitmap()]


async def test_every_branch_is_searched(archive: Archive) -> None:
    name = await archive.create("talk")
    await archive.say(name, "the lotus", "blooms 莲花")
    await archive.say(name, "the water lily", "floats 睡莲", below="")
    await archive.index(name)
    for wanted in ("莲花", "睡莲", "the lotus", "the water"):
        assert await archive.names(wanted) == [name]


async def test_signing_leaves_the_expiry_as_it_was(archive: Archive) -> None:
    name = await archive.create("莲花")
    keys = ConversationKeys(name)
    for write in (archive.index, lambda name: archive.search._indexer.reindex(name, "ann")):
        await archive.say(name, "question", "reply")
        before, was = await archive.database.ask(("PEXPIRETIME", keys.meta), ("PEXPIRETIME", keys.ngrams))
        assert before == was > 0
        await write(name)
        assert await archive.indexed(name)
        assert await archive.database.ask(("PEXPIRETIME", keys.meta), ("PEXPIRETIME", keys.ngrams)) == [before, before]
    await archive.conversations.update(name, "ann", {"pinned": "1"})
    await archive.say(name, "question", "reply")
    await archive.index(name)
    assert await archive.database.ask(("PEXPIRETIME", keys.ngrams)) == [-1]
    assert await archive.database.ask(("EXISTS", f"{keys.ngrams}:new")) == [0]


async def test_texts_that_the_signer_does_not_know_are_read(archive: Archive) -> None:
    name = await archive.create("talk")
    await archive.say(name, "莲花", "lotus")
    await archive.say(name, "淤泥", "mud")
    await archive.index(name, texts={})
    assert await archive.indexed(name)
    for wanted in ("莲花", "lotus", "淤泥", "mud", "talk"):
        assert await archive.names(wanted) == [name]


async def test_a_text_that_comes_while_another_is_signed_waits_for_its_own_turn(archive: Archive) -> None:
    name = await archive.create()
    await archive.say(name, "莲花", "lotus")
    keys = ConversationKeys(name)
    (waiting,) = await archive.database.ask(("HGET", keys.meta, "unsigned"))
    turn = await archive.begin(name, "淤泥")
    args = ["ann", Signature().bitmap(), "莲花", *waiting.decode().split()]
    await archive.database.run(archive.search._indexer._index, [keys.meta, keys.ngrams, f"{keys.ngrams}:new"], args)
    assert not await archive.indexed(name)
    assert await archive.names("淤泥") == [name]
    await archive.end(turn, "mud")
    await archive.index(name)
    assert await archive.indexed(name)


@pytest.mark.parametrize("indexed_meanwhile", [False, True])
async def test_a_conversation_that_changes_while_it_is_signed_anew_stays_as_it_was(
    archive: Archive, indexed_meanwhile: bool
) -> None:
    name = await archive.create("talk")
    await archive.say(name, "莲花", "lotus")
    await archive.index(name)
    (read,) = [read async for read in reading.read_conversations(archive.database, "ann", [name])]
    await archive.say(name, "淤泥", "mud")
    if indexed_meanwhile:
        await archive.index(name)
    keys, state = ConversationKeys(name), read.state
    args = ["ann", Signature().bitmap(), state.title, state.last, state.unsigned]
    answer = await archive.database.run(archive.search._indexer._reindex, [keys.meta, keys.ngrams], args)
    assert answer == [b"changed"]
    for wanted in ("莲花", "淤泥"):
        assert await archive.names(wanted) == [name]


async def test_what_was_read_in_vain_is_signed(archive: Archive) -> None:
    waiting, everything = await archive.create("talk"), await archive.create("talk")
    for name in (waiting, everything):
        await archive.say(name, "莲花", "lotus")
    await archive.database.ask(("HSET", ConversationKeys(everything).meta, "unsigned", "*"))
    assert await archive.names("nowhere") == []
    for name in (waiting, everything):
        await archive.until_indexed(name)
    await archive.search.stop()
    assert await archive.names("莲花") == [everything, waiting]


async def test_a_conversation_with_too_many_to_name_is_signed_whole(archive: Archive) -> None:
    name = await archive.create("talk")
    await archive.say(name, "莲花", "lotus")
    await archive.database.ask(("HSET", ConversationKeys(name).meta, "unsigned", "*"))
    await archive.index(name, texts={})
    assert await archive.indexed(name)
    assert await archive.names("lotus") == [name]


async def test_a_signature_that_is_too_full_is_made_anew_but_not_each_time(archive: Archive) -> None:
    name = await archive.create("talk")
    await archive.say(name, "莲花", "lotus")
    await archive.index(name)
    keys = ConversationKeys(name)
    full = b"\x7f" + b"\xff" * (BITS // 8 - 1) + b"\x80"

    async def fill() -> None:
        await archive.database.ask(("SET", keys.ngrams, full))

    await fill()
    assert await archive.names("nowhere") == []

    async def is_made_anew() -> bool:
        return (await archive.database.ask(("GET", keys.ngrams)))[0] != full

    await until(is_made_anew)
    await fill()  # nothing has been dropped since: it is as full as it has to be
    before = archive.search._indexer._later
    assert await archive.names("nowhere") == []
    assert archive.search._indexer._later is before
    await archive.say(name, "莲花", "lotus")
    await archive.index(name)
    assert await archive.names("nowhere") == []

    async def is_half_empty() -> bool:
        return (await archive.database.ask(("BITCOUNT", keys.ngrams)))[0] <= BITS // 2

    await until(is_half_empty)


async def test_long_conversations_and_long_texts_are_searched_whole(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE_MESSAGES", 3)
    name = await archive.create("talk")
    for number in range(20):
        await archive.say(name, f"question number {number} 问", f"reply {number} 答")
    await archive.say(name, "long", "ß" * 49_995 + " needle " + "x" * 60_000 + "针")
    for _ in range(2):
        for wanted in ("number 0 问", "number 19", "reply 7 答", "ß Needle x", "x针"):
            assert await archive.names(wanted) == [name]
        (found,) = await archive.find("问")
        assert [match.excerpt.text for match in found.matches] == [f"question number {n} 问" for n in (19, 18, 17)]
        await archive.index(name)
        assert await archive.indexed(name)


async def test_what_is_read_at_once_is_bounded_by_its_bytes(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = 20_000
    monkeypatch.setattr(reading, "READ_BYTES", bound)
    large = [await archive.create("large") for _ in range(2)]
    for name in large:
        for number in range(4):
            await archive.say(name, f"针 {number} " + "莲" * 2_500, "x" * 25_000 + " NEEDLE")
        await archive.say(name, "short", "mud")
    small = [await archive.create("small") for _ in range(6)]
    for name in small:
        await archive.say(name, "needle 针 " + "x" * 4_000, "mud")
    came = 0
    ask = archive.database.ask

    async def watched(*requests: tuple[Argument, ...]) -> list[Any]:
        nonlocal came
        answers = await ask(*requests)
        values = [value for answer in answers for value in _bytes(answer)]
        came = max(came, sum(map(len, values)) - max(map(len, values), default=0))
        return answers

    monkeypatch.setattr(archive.database, "ask", watched)
    for _ in range(2):
        for wanted in ("needle", "针"):
            assert await archive.names(wanted) == [*reversed(small), *reversed(large)]
        (*_, found) = await archive.find("mud")
        assert [match.excerpt.text for match in found.matches] == ["mud"]
        for name in large:
            await archive.search.index(name, "ann", {})
            assert await archive.indexed(name)
            await archive.search._indexer.reindex(name, "ann")
    assert 0 < came < bound * 1.2  # beside one message, and all that is no text


async def test_what_a_server_does_not_tell_the_size_of_is_read_by_the_sizes_of_its_messages(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await archive.create("talk")
    await archive.say(name, "莲花", "lotus")

    async def untold(*_: object) -> list[int]:
        return [-1]

    monkeypatch.setattr(archive.database, "run", untold)
    (read,) = [read async for read in reading.read_conversations(archive.database, "ann", [name])]
    assert read._first is None
    assert {text.content async for text in read.texts()} == {"莲花", "lotus"}


async def test_others_have_a_turn_before_a_long_message_is_decoded() -> None:
    turns: list[str] = []

    async def pieces() -> AsyncIterator[list[bytes]]:
        body = msgspec.json.encode({"id": "u1", "content": "莲花" * 50_000})
        asyncio.get_running_loop().call_soon(turns.append, "somebody else's")
        yield [b"- - 0\n" + body]

    met = [(text.id, *turns) async for text in reading._texts(pieces(), "莲".encode())]
    assert met == [("u1", "somebody else's")]


@pytest.mark.parametrize(("step", "read"), [(1, 2_000), (2, 2_000), (3, 1), (250, 1)])
async def test_pages_have_no_gap_and_no_double(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, step: int, read: int
) -> None:
    monkeypatch.setattr(query, "STEP_CONVERSATIONS", step)
    monkeypatch.setattr(query, "READ_CONVERSATIONS", read)
    names = [await archive.create("lotus" if number % 3 else "mud") for number in range(13)]
    at = time.time()
    for number, name in enumerate(names):  # many of one moment
        await archive.database.ask(("ZADD", list_keys("ann")[0], repr(at + number // 7), name))
    order = sorted(names[7:], reverse=True) + sorted(names[:7], reverse=True)
    expected = [name for name in order if names.index(name) % 3]
    for limit in (1, 2, 50):
        assert await archive.names("lotus", limit=limit) == expected
    assert sorted(await archive.names("mud")) == sorted(set(names) - set(expected))


async def test_a_page_that_has_searched_enough_says_where_to_go_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "STEP_CONVERSATIONS", 2)
    monkeypatch.setattr(query, "SCANNED_CONVERSATIONS", 4)
    oldest = await archive.create("lotus")
    for _ in range(8):
        await archive.create("mud")
    page = await archive.search.page("ann", "lotus", None, 10)
    assert page.found == ()
    assert page.next is not None
    assert await archive.names("lotus") == [oldest]


async def test_a_cursor_of_no_list_is_refused(archive: Archive) -> None:
    with pytest.raises(InvalidRequest):
        await archive.search.page("ann", "lotus", "yesterday", 10)


async def test_many_searches_at_once_all_come_to_their_end(archive: Archive) -> None:
    names = [await archive.create(f"lotus {number}") for number in range(5)]
    found = await asyncio.gather(*(archive.names(f"lotus {number % 5}") for number in range(30)))
    assert found == [[names[number % 5]] for number in range(30)]
    await archive.search.stop()


async def test_stopping_ends_what_is_signed_in_the_background(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "REINDEXED", 2)
    names = [await archive.create("talk") for _ in range(4)]
    assert await archive.names("nowhere") == []
    await archive.search.stop()
    await archive.search.stop()
    assert sum([await archive.indexed(name) for name in names]) <= 2
    assert await archive.names("talk") == names[::-1]


SPELT = ("café", "테스트", "Việt", "ガラス", "ＡＢＣ １２３", "ﬁne", "क़लम")


@pytest.mark.parametrize("word", SPELT)
async def test_a_word_is_found_in_every_way_to_write_it(archive: Archive, word: str) -> None:
    ways = list(dict.fromkeys(unicodedata.normalize(form, word) for form in ("NFC", "NFD", "NFKC", "NFKD")))
    named = [await archive.create(f"title {way}!") for way in ways]
    talked = [await archive.create() for _ in ways]
    for name, way in zip(talked, ways, strict=True):
        await archive.say(name, f"“{way}”, a question", "mud")
    for _ in range(2):
        for wanted in [*ways, word.upper()]:
            found = await archive.find(wanted)
            assert {each.conversation.id for each in found} == {*named, *talked}
            for each in found:
                for match in each.matches:
                    ((start, end),) = match.excerpt.highlights
                    assert match.excerpt.text[start:end] in ways
        for name in (*named, *talked):
            await archive.index(name)
            assert await archive.indexed(name)


async def as_before_the_one_form(archive: Archive, name: str, *texts: str) -> None:
    """Its signature as an earlier version made it: of the texts as they are written."""
    digits = bytearray(b"0" * BITS)
    for text in texts:
        ngrams = {bit for size in (1, 2, 3) for at in range(len(text)) for bit in probe(text[at : at + size])}
        for bit in ngrams:
            digits[bit] = 49
    keys = ConversationKeys(name)
    await archive.database.ask(("HDEL", keys.meta, "unsigned"))
    await archive.database.ask(("SET", keys.ngrams, int(digits, 2).to_bytes(BITS // 8, "big")))


async def made_anew(archive: Archive, name: str) -> bool:
    (bit,) = await archive.database.ask(("GETBIT", ConversationKeys(name).ngrams, MADE_BIT))
    return bool(bit)


async def test_a_store_of_an_earlier_version_is_searched_in_both_ways_and_signed_anew(archive: Archive) -> None:
    texts = ["莲花 and cafe\u0301", "莲花 and café", "wide ｃａｆｅ", "nothing"]
    names = [await archive.create(text) for text in texts]
    for name, text in zip(names, texts, strict=True):
        await as_before_the_one_form(archive, name, text)
    assert await archive.names("莲花") == names[1::-1]
    assert set(await archive.names("CAFE\u0301")) == set(await archive.names("café")) == set(names[:2])

    async def all_made_anew() -> bool:
        return all([await made_anew(archive, name) for name in names])

    await until(all_made_anew)
    assert names[2] in await archive.names("cafe")
    await archive.search.stop()


async def test_a_signature_of_an_earlier_version_is_made_anew_with_the_next_message(archive: Archive) -> None:
    name = await archive.create("ＬＯＴＵＳ")
    await as_before_the_one_form(archive, name, "ＬＯＴＵＳ")
    await archive.say(name, "question", "reply")
    assert not await made_anew(archive, name)
    await archive.index(name)
    assert await made_anew(archive, name)
    assert await archive.names("lotus") == [name]


async def test_one_users_searches_take_one_place(archive: Archive) -> None:
    for _ in range(20):
        await archive.create("lotus")
    await archive.create("lotus", owner="bob")
    order: list[str] = []

    async def search(owner: str) -> None:
        await archive.find("lotus", owner)
        order.append(owner)

    await asyncio.gather(*(search(owner) for owner in ["ann"] * 6 + ["bob"]))
    assert order.index("bob") < 2


async def test_the_bytes_that_are_read_end_a_page(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for _ in range(4):
        names.append(await archive.create())
        await archive.say(names[-1], "where does the lotus grow", "in the mud")
    monkeypatch.setattr("lianhua.store.search.query.READ_BYTES", 1)
    page = await archive.search.page("ann", "lotus", None, 50)
    assert [found.conversation.id for found in page.found] == names[-1:]
    assert page.next
    assert await archive.names("lotus") == names[::-1]
