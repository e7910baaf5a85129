"""A message as the store keeps it: what is written by us and what the scripts add come back as one value."""

from hypothesis import given
from hypothesis import strategies as st

from lianhua.chat.messages import Message, Usage
from lianhua.store.stored_message import branch_of, message_body, placed_message, read_message, timed_body

names = st.text("abcdef0123456789_-", min_size=2, max_size=20)
messages = st.builds(
    Message,
    names,
    st.sampled_from(["user", "assistant"]),
    st.text(max_size=200),
    parent_id=st.none() | names,
    timestamp=st.integers(0, 2 * 10**9).map(float),
    depth=st.integers(0, 10**6),
    status=st.sampled_from(["done", "stopped", "failed", "interrupted"]),
    code=st.none() | names,
    reasoning=st.text(max_size=50),
    usage=st.none() | st.builds(Usage, st.integers(0, 9), st.integers(0, 9), st.booleans(), st.integers(0, 9)),
    turn_id=st.none() | names,
    finish_reason=st.none() | names,
)


@given(messages, st.integers(0, 10**4))
def test_a_message_comes_out_as_it_went_in(message: Message, branch: int) -> None:
    value = placed_message(message, branch)
    assert read_message(value) == message
    assert branch_of(value) == branch


@given(messages)
def test_a_body_leaves_out_what_the_scripts_add(message: Message) -> None:
    spliced = message_body(message)[:-1] + f',"timestamp":{message.timestamp:.6f},"n":{message.depth}}}'.encode()
    head = f"{message.parent_id or '-'} {message.turn_id or '-'} 7\n".encode()
    assert read_message(head + spliced) == message
    assert timed_body(message).startswith(message_body(message)[:-1])
