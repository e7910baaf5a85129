"""The tree of messages on real stores: where messages come to stand, pages, windows, switches, pins, retention."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from redis.asyncio import Redis

from lianhua.chat.context_report import ContextReport
from lianhua.chat.messages import Message, Usage
from lianhua.chat.turn import Turn, TurnRecord, TurnRef
from lianhua.errors import ConversationNotFound, InvalidRequest
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import ConversationKeys
from lianhua.store.client.topology import Nodes
from lianhua.store.conversations import ConversationStore, Retention
from lianhua.store.journal.log import TurnJournal
from lianhua.store.journal.values import Accepted, Append, NewTurn
from lianhua.store.messages import PINNED_MESSAGES, MessageStore, Placed

OWNER = "ann"
NAME = "5f0c5a0e-0000-4000-8000-0000000000aa"
ACCOUNT = ContextReport(100, 10, 0)


class Talk:
    """A conversation in which turns are opened and ended at will. Question N is `uN`, its reply `rN`."""

    def __init__(self, nodes: Nodes, cap: int = 0) -> None:
        retention = Retention(86_400, cap)
        database = StoreClient(nodes)
        self.conversations = ConversationStore(database, retention)
        self.branches = MessageStore(database)
        self._journal = TurnJournal(database, retention, "worker")
        self._turns = 0

    async def open(self) -> None:
        await self.conversations.create(NAME, OWNER, "assistant", None, "")

    async def say(
        self, number: int, parent: str | None = None, *, beside: str = "", meanwhile: str | None = None
    ) -> None:
        """Question and reply, below `parent`: None is the newest message, "" the beginning. While the reply is made,
        somebody turns to the branch of `meanwhile`.
        """
        head = (await self.branches.page(NAME, OWNER, None, 1)).head
        below = head if parent is None else parent
        question = Message(f"u{number}", "user", f"question {number}", parent_id=below or None)
        expected = head if parent is None else None
        await self._turn(question, f"r{number}", beside=beside, expected_head=expected, meanwhile=meanwhile)

    async def answer(self, question_id: str, reply_id: str) -> None:
        """Another reply to a question that is there."""
        question = await self.branches.message(NAME, OWNER, question_id)
        assert question is not None
        await self._turn(question, reply_id, answered_again=True)

    async def _turn(
        self,
        question: Message,
        reply_id: str,
        *,
        beside: str = "",
        answered_again: bool = False,
        expected_head: str | None = None,
        meanwhile: str | None = None,
    ) -> None:
        self._turns += 1
        turn = Turn(TurnRef(NAME, f"{self._turns:x}"))
        record = TurnRecord(question.id, reply_id, "model", "assistant", ACCOUNT, key=f"key{self._turns}")
        started = turn.start(question.id, reply_id, "model")
        new = NewTurn(
            turn.ref, OWNER, "body", question, record, started, "title", beside, answered_again, expected_head
        )
        accepted = await self._journal.accept(new)
        assert isinstance(accepted, Accepted), accepted
        assert await self._journal.append([Append.of(turn.ref, turn.text_piece(f"reply {reply_id}"))]) == ["ok"]
        if meanwhile:
            await self.branches.switch(NAME, OWNER, meanwhile)
        usage = Usage(3, 2, estimated=True, cached_tokens=1)
        reply = Message(reply_id, "assistant", turn.text, usage=usage, finish_reason="length")
        assert await self._journal.finish(turn.ref, turn.end("done", "stop"), reply, record) == "ok"

    async def branch(self) -> list[Placed]:
        """The whole current branch, joined from small pages."""
        joined: list[Placed] = []
        before = None
        while True:
            page = await self.branches.page(NAME, OWNER, before, 3)
            joined = [*page.messages, *joined]
            before = page.next
            if before is None:
                assert page.total == len(joined) + sum(placed.dropped_before for placed in joined)
                return joined

    async def ids(self) -> list[str]:
        return [placed.message.id for placed in await self.branch()]


def ids_of(messages: Sequence[Message]) -> list[str]:
    return [message.id for message in messages]


@pytest.fixture
async def talk(client: Redis, nodes: Nodes) -> Talk:
    talk = Talk(nodes)
    await talk.open()
    return talk


async def test_an_edit_and_another_reply_are_siblings(talk: Talk) -> None:
    for number in (1, 2, 3):
        await talk.say(number)
    await talk.say(4, "r1", beside="u2")  # an edit of question 2
    assert await talk.ids() == ["u1", "r1", "u4", "r4"]
    await talk.answer("u4", "r4b")
    branch = await talk.branch()
    assert [placed.message.id for placed in branch] == ["u1", "r1", "u4", "r4b"]
    assert [placed.siblings for placed in branch] == [("u1",), ("r1",), ("u2", "u4"), ("r4", "r4b")]
    assert [placed.message.depth for placed in branch] == [0, 1, 2, 3]
    assert [placed.message.parent_id for placed in branch] == [None, "u1", "r1", "u4"]
    await talk.say(5, "", beside="u1")  # an edit of the very first
    assert await talk.ids() == ["u5", "r5"]
    assert (await talk.branch())[0].siblings == ("u1", "u5")


async def test_a_switch_goes_down_to_the_newest_end(talk: Talk) -> None:
    for number in (1, 2, 3):
        await talk.say(number)
    await talk.say(4, "r1")
    await talk.answer("u4", "r4b")
    await talk.branches.switch(NAME, OWNER, "u2")
    assert await talk.ids() == ["u1", "r1", "u2", "r2", "u3", "r3"]
    await talk.branches.switch(NAME, OWNER, "r1")  # on the current branch already
    assert (await talk.ids())[-1] == "r3"
    await talk.branches.switch(NAME, OWNER, "u4")
    assert await talk.ids() == ["u1", "r1", "u4", "r4b"]
    await talk.branches.switch(NAME, OWNER, "r4")
    assert await talk.ids() == ["u1", "r1", "u4", "r4"]
    await talk.say(5)  # goes on from where one stands
    assert await talk.ids() == ["u1", "r1", "u4", "r4", "u5", "r5"]


async def test_a_switch_finds_the_end_of_a_branch_that_is_longer_than_one_look(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lianhua.store.messages.SWITCH_STEPS", 3)
    for number in range(1, 9):
        await talk.say(number)
    await talk.say(9, "")
    await talk.branches.switch(NAME, OWNER, "u1")
    assert (await talk.ids())[-1] == "r8"


async def test_the_window_is_of_the_branch_that_is_asked_for(talk: Talk) -> None:
    for number in (1, 2, 3):
        await talk.say(number)
    await talk.say(4, "r1")
    newest = await talk.branches.window(NAME, OWNER, 3)
    assert (ids_of(newest.messages), newest.head, newest.total) == (["r1", "u4", "r4"], "r4", 4)
    at = await talk.branches.window(NAME, OWNER, 2, at="r2")
    assert (ids_of(at.messages), at.total) == (["u2", "r2"], 4)
    before = await talk.branches.window(NAME, OWNER, 20, before="u3")
    assert (ids_of(before.messages), before.total) == (["u1", "r1", "u2", "r2"], 4)
    first = await talk.branches.window(NAME, OWNER, 20, before="u1")
    assert (first.messages, first.total) == ((), 0)
    assert (await talk.branches.window(NAME, OWNER, 20, at="")).total == 0
    with pytest.raises(InvalidRequest):
        await talk.branches.window(NAME, OWNER, 20, at="nobody")


async def test_a_pinned_message_is_in_the_windows_of_its_branch_only(talk: Talk) -> None:
    for number in range(1, 6):
        await talk.say(number)
    await talk.branches.pin(NAME, OWNER, "u2", pinned=True)
    await talk.branches.pin(NAME, OWNER, "r4", pinned=True)
    window = await talk.branches.window(NAME, OWNER, 3)
    assert (ids_of(window.pinned), ids_of(window.messages)) == (["u2"], ["r4", "u5", "r5"])
    assert window.pins == {"u2", "r4"}
    await talk.say(6, "r1")  # a branch that begins above both
    assert (await talk.branches.window(NAME, OWNER, 1)).pinned == ()
    await talk.branches.switch(NAME, OWNER, "r5")
    assert ids_of((await talk.branches.window(NAME, OWNER, 1)).pinned) == ["u2", "r4"]
    assert [placed.pinned for placed in await talk.branch()] == [False, False, True] + [False] * 4 + [
        True,
        False,
        False,
    ]
    await talk.branches.pin(NAME, OWNER, "u2", pinned=False)
    assert ids_of((await talk.branches.window(NAME, OWNER, 1)).pinned) == ["r4"]


async def test_bytes_bound_a_page_and_what_a_prompt_is_made_from(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        await talk.say(number)
    await talk.branches.pin(NAME, OWNER, "u0", pinned=True)
    whole = await talk.branch()
    (row,) = [placed for placed in whole if placed.message.id == "r5"]
    monkeypatch.setattr("lianhua.store.messages.READ_BYTES", 600)  # of some messages
    pages, before = [], None
    while True:
        page = await talk.branches.page(NAME, OWNER, before, 50)
        pages.append(page)
        assert page.total == len(whole)
        assert page.dropped == 0
        before = page.next
        if before is None:
            break
    assert [placed for page in reversed(pages) for placed in page.messages] == whole
    assert 1 < len(pages) < len(whole)
    window = await talk.branches.window(NAME, OWNER, 20)
    assert 1 <= len(window.messages) < len(whole) - 1
    assert [message.id for message in window.messages][-1] == row.message.id
    assert (window.total, ids_of(window.pinned)) == (len(whole), ["u0"])
    # One that is larger than all that is read at once still comes, alone.
    monkeypatch.setattr("lianhua.store.messages.READ_BYTES", 1)
    page = await talk.branches.page(NAME, OWNER, None, 50)
    assert [placed.message.id for placed in page.messages] == [page.next] == ["r5"]
    assert ids_of((await talk.branches.window(NAME, OWNER, 20)).messages) == ["r5"]


async def test_pins_have_a_limit_and_need_a_message(talk: Talk) -> None:
    for number in range(1, PINNED_MESSAGES // 2 + 2):
        await talk.say(number)
    ids = await talk.ids()
    for message_id in ids[:PINNED_MESSAGES]:
        await talk.branches.pin(NAME, OWNER, message_id, pinned=True)
    await talk.branches.pin(NAME, OWNER, ids[0], pinned=True)  # it is already
    with pytest.raises(InvalidRequest, match="pinned: at most"):
        await talk.branches.pin(NAME, OWNER, ids[-1], pinned=True)
    with pytest.raises(InvalidRequest, match="no such message"):
        await talk.branches.pin(NAME, OWNER, "nobody", pinned=True)


async def test_retention_says_what_it_has_dropped_and_leaves_what_is_pinned(client: Redis, nodes: Nodes) -> None:
    talk = Talk(nodes, cap=4)
    await talk.open()
    await talk.say(1)
    await talk.branches.pin(NAME, OWNER, "r1", pinned=True)
    for number in range(2, 7):
        await talk.say(number)
    branch = await talk.branch()
    assert [placed.message.id for placed in branch] == ["r1", "u5", "r5", "u6", "r6"]
    assert [placed.dropped_before for placed in branch] == [1, 6, 0, 0, 0]
    page = await talk.branches.page(NAME, OWNER, None, 2)
    assert (page.total, page.dropped, page.kept, page.next) == (12, 0, 5, "u6")
    assert ids_of((await talk.branches.window(NAME, OWNER, 1)).pinned) == ["r1"]
    await talk.branches.pin(NAME, OWNER, "r1", pinned=False)  # the oldest by age again
    await talk.say(7)
    assert await talk.ids() == ["u6", "r6", "u7", "r7"]
    left = await client.hkeys(ConversationKeys(NAME).tree)
    assert not any(field in left for field in (b"c:u1", b"c:r1", b"c:u4")), "children of nobody"


async def test_another_reply_to_the_oldest_question_keeps_its_question(client: Redis, nodes: Nodes) -> None:
    talk = Talk(nodes, cap=4)
    await talk.open()
    for number in (1, 2):
        await talk.say(number)
    await talk.answer("u1", "r1b")
    assert await talk.ids() == ["u1", "r1b"]


async def test_an_edit_whose_parent_was_dropped_stands_where_it_was(client: Redis, nodes: Nodes) -> None:
    talk = Talk(nodes, cap=4)
    await talk.open()
    for number in (1, 2, 3):
        await talk.say(number)
    assert await talk.ids() == ["u2", "r2", "u3", "r3"]
    await talk.say(4, "r1", beside="u2")
    (question, _) = await talk.branch()
    assert (question.message.depth, question.dropped_before, question.message.parent_id) == (2, 2, "r1")
    # What a pin means across that fork is known without the messages that are gone.
    await talk.branches.pin(NAME, OWNER, "r4", pinned=True)
    for number in (5, 6, 7):
        await talk.say(number)
    assert ids_of((await talk.branches.window(NAME, OWNER, 1)).pinned) == ["r4"]


async def test_the_view_never_stands_on_a_message_that_was_dropped(client: Redis, nodes: Nodes) -> None:
    talk = Talk(nodes, cap=2)
    await talk.open()
    await talk.say(1)
    await talk.say(2, "", beside="u1", meanwhile="r1")  # somebody turns back while the reply is made
    assert await talk.ids() == ["u2", "r2"]


async def test_a_switch_finds_what_is_newer_than_a_gap(client: Redis, nodes: Nodes) -> None:
    talk = Talk(nodes, cap=4)
    await talk.open()
    await talk.say(1)
    await talk.branches.pin(NAME, OWNER, "u1", pinned=True)
    for number in (2, 3, 4):
        await talk.say(number)
    await talk.say(5, "", beside="u1")
    assert await talk.ids() == ["u5", "r5"]
    await talk.branches.switch(NAME, OWNER, "u1")
    assert await talk.ids() == ["u1", "u4", "r4"]


async def test_branches_without_a_message_are_forgotten(client: Redis, nodes: Nodes) -> None:
    talk = Talk(nodes, cap=4)
    await talk.open()
    await talk.say(1)
    await talk.branches.pin(NAME, OWNER, "u1", pinned=True)
    for number in range(2, 120):
        await talk.answer("u1" if number % 3 else (await talk.ids())[-2], f"again{number}")
        if number % 3 == 0:
            await talk.say(number)
    assert await client.hlen(ConversationKeys(NAME).tree) < 100
    newest = (await talk.ids())[-1]
    await talk.branches.pin(NAME, OWNER, newest, pinned=True)
    await talk.say(100)
    assert ids_of((await talk.branches.window(NAME, OWNER, 1)).pinned) == ["u1", newest]


async def test_a_conversation_far_beyond_the_cap_shrinks_in_steps(client: Redis, nodes: Nodes) -> None:
    talk = Talk(nodes, cap=4)
    await talk.open()
    await talk.conversations.update(NAME, OWNER, {"pinned": "1"})
    for number in range(70):
        await talk.say(number)
    await talk.conversations.update(NAME, OWNER, {"pinned": "0"})
    await talk.say(70)
    assert await talk.ids() == ["u69", "r69", "u70", "r70"]  # in the two steps of a turn
    assert (await talk.conversations.get(NAME, OWNER)).message_count == 4


async def test_another_owners_conversation_of_a_listed_id_is_not_shown(talk: Talk, client: Redis) -> None:
    await client.hset(ConversationKeys(NAME).meta, "owner", "bert")
    assert (await talk.conversations.page(OWNER, None, 10)).conversations == ()
    assert await client.zcard("lianhua:{user:ann}:conversations") == 0


async def test_what_the_turns_of_a_conversation_cost_adds_up(talk: Talk) -> None:
    await talk.say(1)
    await talk.answer("u1", "r1b")
    usage = (await talk.conversations.get(NAME, OWNER)).usage["model"]
    assert (usage.turns, usage.prompt, usage.completion, usage.estimated) == (2, 6, 4, 10)


async def test_the_tree_is_the_owners_alone(talk: Talk) -> None:
    await talk.say(1)
    with pytest.raises(ConversationNotFound):
        await talk.branches.page(NAME, "bob", None, 5)
    with pytest.raises(ConversationNotFound):
        await talk.branches.window(NAME, "bob", 5)
    with pytest.raises(ConversationNotFound):
        await talk.branches.switch(NAME, "bob", "u1")
    with pytest.raises(ConversationNotFound):
        await talk.branches.pin(NAME, "bob", "u1", pinned=True)


async def test_a_better_title_never_replaces_a_chosen_one(talk: Talk) -> None:
    await talk.say(1)
    assert await talk.conversations.retitle(NAME, OWNER, "title", "A better one")
    assert (await talk.conversations.get(NAME, OWNER)).title == "A better one"
    assert not await talk.conversations.retitle(NAME, OWNER, "A better one", "Another")
    await talk.conversations.update(NAME, OWNER, {"title": "Mine"})
    assert not await talk.conversations.retitle(NAME, OWNER, "Mine", "Another")
    assert (await talk.conversations.get(NAME, OWNER)).title == "Mine"


async def test_all_keys_of_a_tree_expire_together(talk: Talk, client: Redis) -> None:
    await talk.say(1)
    await talk.branches.pin(NAME, OWNER, "u1", pinned=True)
    await talk.branches.pin(NAME, OWNER, "r1", pinned=True)  # `order` is empty and gone
    await talk.branches.pin(NAME, OWNER, "r1", pinned=False)
    moments = [await client.pexpiretime(key) for key in ConversationKeys(NAME).lasting]
    assert all(one == other > 0 for one, other in pairwise(moments)), moments


async def test_what_stands_above_a_message_is_named_as_far_as_it_is_kept(client: Redis, nodes: Nodes) -> None:
    talk = Talk(nodes, cap=6)
    await talk.open()
    await talk.say(1)
    await talk.say(2)
    await talk.answer("u1", "s1")  # beside the first reply, on a branch of its own
    await talk.branches.switch(NAME, OWNER, "r2")
    for reply in ("r1", "s1"):
        await talk.branches.pin(NAME, OWNER, reply, pinned=True)
    assert await talk.branches.ancestry(NAME, "r2", 10) == ["r2", "u2", "r1", "u1"]
    assert await talk.branches.ancestry(NAME, "s1", 10) == ["s1", "u1"]
    for number in range(3, 7):
        await talk.say(number)
    way = ["u6", "r5", "u5", "r4", "u4", "r3", "u3", "r2", "u2", "r1"]
    kept = [name for name in way if await talk.branches.message(NAME, OWNER, name)]
    assert kept == [*way[: len(kept) - 1], "r1"], "retention has dropped what lies between"
    named = await talk.branches.ancestry(NAME, "u6", 20)
    assert named == [name if name in kept else "" for name in way]
    assert await talk.branches.ancestry(NAME, "u6", 9) == kept[:-1]
    assert await talk.branches.ancestry(NAME, "gone", 5) == []
