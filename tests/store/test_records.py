"""Records of turns as the store keeps them: they come out as they went in, small, also those of the first version."""

import secrets

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lianhua.chat.context_report import ContextReport
from lianhua.chat.events import Cursor, End
from lianhua.chat.messages import Usage
from lianhua.chat.turn import TurnRecord
from lianhua.store.records import read_record, stored_record

names = st.text("0123456789abcdef", min_size=20, max_size=20)
words = st.text(max_size=20)
ends = st.builds(
    End,
    st.sampled_from(["done", "stopped", "failed", "interrupted"]),
    words,
    st.integers(0, 10**7),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.none() | words,
    st.none() | words,
    st.none() | st.builds(Usage, st.integers(0, 10**6), st.integers(0, 10**6), st.booleans(), st.integers(0, 99)),
)
records = st.builds(
    TurnRecord,
    names,
    names,
    words,
    words,
    st.builds(ContextReport, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 99), words),
    language=st.sampled_from(["zh", "en"]),
    key=st.text(max_size=64),
    attempts=st.integers(1, 9),
    end=st.none() | ends,
    end_cursor=st.none() | st.builds(Cursor, st.integers(0, 99), st.integers(0, 10**6)),
    continues=st.none() | names,
    asked=st.none() | words,
    joinable=st.booleans(),
)


@given(records)
def test_a_record_comes_out_as_it_went_in(record: TurnRecord) -> None:
    assert read_record(stored_record(record)) == record


@given(records)
def test_the_last_time_of_a_letter_counts(record: TurnRecord) -> None:
    value = stored_record(record) + b"s1796119405.669124s1796119406.500000f1796119407.000001e1796119409.25"
    timed = msgspec.structs.replace(
        record, started_at=1796119406.5, first_token_at=1796119407.000001, ended_at=1796119409.25
    )
    assert read_record(value) == timed


def test_a_record_of_the_first_version_is_read() -> None:
    old = (
        b'{"user_message_id":"u","reply_message_id":"r","model":"m","persona":"teacher","context":{"budget_tokens":10,'
        b'"used_tokens":5,"older_left_out":0,"messages":[]},"language":"en","key":"k","end":{"status":"done",'
        b'"finish_reason":"stop","length":2,"sha256":"ab"},"end_cursor":{"epoch":1,"seq":7},"started_at":1.5,"ended_at":2.5}'
    )
    assert read_record(old) == TurnRecord(
        "u", "r", "m", "teacher", ContextReport(10, 5, 0), "en", "k", started_at=1.5, ended_at=2.5,
        end=End("done", "stop", 2, "ab"), end_cursor=Cursor(1, 7),
    )  # fmt: skip


def test_the_record_of_a_full_window_takes_less_than_300_bytes_in_all() -> None:
    entries = "p30" + "".join(f"{'fF'[place % 2]}{37 * place % 900 + 5}" for place in range(19)) + "l17"
    record = TurnRecord(
        secrets.token_hex(10), secrets.token_hex(10), "gpt-4o-mini", "assistant",
        ContextReport(20_000, 7_312, 30, entries), key=secrets.token_hex(16),
        end=End("done", "stop", 803, secrets.token_hex(32), usage=Usage(7_300, 803)), end_cursor=Cursor(1, 211),
    )  # fmt: skip
    times = b"s1796119405.669124f1796119407.000001e1796119409.250003"
    assert len(stored_record(record) + times) < 300
