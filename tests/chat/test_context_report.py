"""The account of a prompt as it is stored: what comes out is what went in, in little room."""

import secrets

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lianhua.chat.context_report import DROPPED, LETTER, ContextReport, report_of
from lianhua.chat.messages import ContextAccount, ContextEntry, Message
from lianhua.chat.prompt import going_on, select
from lianhua.chat.turn import TurnRecord
from lianhua.chat.window import former_start

SERVERS = ("persona", "opening", "go_on")
reasons = st.sampled_from(sorted(set(LETTER) - set(SERVERS)))
LEFT_OUT = {"message_count", "token_budget", "no_question", "repeated", "unanswered", "empty", "retry_smaller"}


def entry(name: str, role: str, tokens: int, reason: str) -> ContextEntry:
    return ContextEntry(name, role, tokens, included=reason not in LEFT_OUT, reason=reason)  # type: ignore[arg-type]


entries = st.lists(
    st.builds(
        entry,
        st.integers(0, 30).map(lambda number: f"{number:020x}"),
        st.sampled_from(["user", "assistant"]),
        st.integers(0, 10**6),
        reasons,
    ),
    max_size=30,
)
of_the_server = st.sampled_from(
    [
        (entry("persona", "system", 40, "persona"),),
        (entry("persona", "system", 0, "empty"), entry("opening", "user", 9, "opening")),
        (),
    ]
)


@given(of_the_server, entries, st.booleans(), st.data())
def test_an_account_comes_out_as_it_went_in_whatever_the_path_is(
    first: tuple[ContextEntry, ...], said: list[ContextEntry], goes_on: bool, data: st.DataObject
) -> None:
    last = (entry("go_on", "user", 30, "go_on"),) if goes_on else ()
    account = ContextAccount(8_192, 900, 17, (*first, *said, *last))
    true_path = [one.id for one in reversed(said)]
    path = data.draw(st.sampled_from([true_path, true_path[::2], true_path[:3], []]))
    report = report_of(account, path)
    stored = msgspec.json.decode(msgspec.json.encode(report), type=ContextReport)
    assert stored.expanded(path) == account
    assert stored.path_length <= len(path)
    assert (report.budget_tokens, report.used_tokens, report.older_left_out) == (8_192, 900, 17)


def conversation(turns: int) -> list[Message]:
    """Questions and replies below each other, with ids as long as real ones."""
    said: list[Message] = []
    for place in range(2 * turns):
        parent = said[-1].id if said else None
        role = "assistant" if place % 2 else "user"
        said.append(Message(secrets.token_hex(10), role, "something to say " * 40, parent_id=parent))
    return said


def test_a_window_of_twenty_messages_takes_less_than_300_bytes() -> None:
    said = conversation(30)
    question = Message(secrets.token_hex(10), "user", "and now?", parent_id=said[-1].id)
    history = said[-20:]
    prompt = select("You are kind.", history, question, max_messages=20, budget_tokens=20_000, count=len, older=40)
    assert len(prompt.context.messages) == 22
    assert len(msgspec.json.encode(prompt.report)) < 300
    assert prompt.report.expanded(prompt.path) == prompt.context


def test_pinned_messages_are_named_and_the_rest_is_counted() -> None:
    said = conversation(10)
    question = Message("q", "user", "so?", parent_id=said[-1].id)
    history = [said[0], *said[-4:]]
    prompt = select(
        "", history, question, max_messages=9, budget_tokens=20_000, count=len, older=15, pinned=[said[0].id]
    )
    prompt = going_on(prompt, "half", "as far as it came", len)
    report = prompt.report
    assert report.path_length == 5
    assert said[0].id in report.entries
    assert report.expanded(prompt.path) == prompt.context


def test_what_retention_has_dropped_since_is_counted_and_not_named() -> None:
    said = conversation(3)
    question = Message("q", "user", "so?", parent_id=said[-1].id)
    prompt = select("Be kind.", said, question, max_messages=20, budget_tokens=20_000, count=len)
    account = prompt.report.expanded(prompt.path[:3])
    assert [one.tokens for one in account.messages] == [one.tokens for one in prompt.context.messages]
    assert [one.reason for one in account.messages] == [one.reason for one in prompt.context.messages]
    names = [one.id for one in account.messages]
    assert names == ["persona", *(f"{DROPPED}{place}" for place in (6, 5, 4, 3)), said[-2].id, said[-1].id, "q"]
    assert former_start(account) == f"{DROPPED}6"
    pinned = prompt.report.expanded([*prompt.path[:3], "", "", prompt.path[5]])
    assert [one.id for one in pinned.messages][1:4] == [f"{DROPPED}6", prompt.path[5], f"{DROPPED}4"]


def test_an_account_of_an_earlier_version_is_read() -> None:
    stored = (
        b'{"user_message_id":"u","reply_message_id":"r","model":"m","persona":"assistant","context":{"budget_tokens":6144,'
        b'"used_tokens":31,"older_left_out":2,"messages":[{"id":"persona","role":"system","tokens":20,"included":true,'
        b'"reason":"persona"},{"id":"a1","role":"user","tokens":4,"included":false,"reason":"message_count"},'
        b'{"id":"u","role":"user","tokens":11,"included":true,"reason":"last_message"}]},"key":"k"}'
    )
    report = msgspec.json.decode(stored, type=TurnRecord).context
    assert report.path_length == 0
    assert report.expanded([]) == ContextAccount(
        6144,
        31,
        2,
        (
            entry("persona", "system", 20, "persona"),
            entry("a1", "user", 4, "message_count"),
            entry("u", "user", 11, "last_message"),
        ),
    )


def test_a_reason_without_a_letter_is_kept_as_it_is() -> None:
    account = ContextAccount(10, 5, 0, (ContextEntry("a", "user", 5, included=True, reason="of_tomorrow"),))
    report = report_of(account, ["a"])
    assert msgspec.json.decode(msgspec.json.encode(report), type=ContextReport).expanded([]) == account
