"""How long a model is waited for, and when it is asked again."""

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

import pytest

from lianhua.errors import (
    ModelRateLimited,
    ModelTimeout,
    ModelUnavailable,
)
from lianhua.models.openai.model import Limits, OpenAIModel
from lianhua.models.openai.retry import retry_after_s, wait_before
from lianhua.models.port import Delta, Finish, ReasoningDelta, Retrying, TextDelta
from tests.support.models.asking import HELLO, HELLO_DELTAS, PLAIN, PROMPT, Ask, retries, said, taken
from tests.support.upstream import (
    DONE,
    FIN,
    HANG,
    RST,
    Answer,
    Upstream,
    answer,
    chunk,
    events,
    raw,
    text,
    until_closed,
)
from tests.support.waiting import HANGS_S

# Tries


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answer(429), "model_rate_limited"),
        (answer(500), "model_unavailable"),
        (answer(503, "<html>"), "model_unavailable"),
        (answer(529), "model_unavailable"),
        (answer(408), "model_unavailable"),
        (raw(FIN), "model_unavailable"),
        (raw(RST), "model_unavailable"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Ty", FIN), "model_unavailable"),
        (events(FIN), "model_unavailable"),
        (events(), "model_unavailable"),
        (until_closed(), "model_unavailable"),
        (until_closed(b": ping\n\n"), "model_unavailable"),
        (events(chunk({"role": "assistant"}), FIN), "model_unavailable"),
        (events(chunk({"role": "assistant"}), RST), "model_unavailable"),
        (events(chunk({"role": "assistant"}), b'data: {"choices":[{"delta":{"content":"ha', FIN), "model_unavailable"),
        (until_closed(b'data: {"choices":[{"delta":{"content":"ha'), "model_unavailable"),
        (events(chunk({}, error={"code": 429})), "model_rate_limited"),
        (answer(200, {"error": {"code": 503}}), "model_unavailable"),
    ],
)
async def test_a_passing_fault_before_text_is_tried_again_with_a_notice(
    model_at: Callable[..., OpenAIModel], script: Answer, code: str
) -> None:
    async with Upstream(script, script, HELLO) as upstream:
        deltas = await said(model_at(upstream.base_url))
        assert retries(deltas) == [code, code]
        assert deltas[2:] == HELLO_DELTAS
    error = {"model_rate_limited": ModelRateLimited, "model_unavailable": ModelUnavailable}[code]
    async with Upstream(script) as upstream:
        with pytest.raises(error):
            await said(model_at(upstream.base_url))
        assert len(upstream.requests) == 3


async def test_nobody_listening_is_tried_three_times(model_at: Callable[..., OpenAIModel]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    seen: list[Delta] = []
    with pytest.raises(ModelUnavailable):
        async for batch in model_at(f"http://127.0.0.1:{port}/v1").stream(PROMPT, PLAIN):
            seen += batch
    assert retries(seen) == ["model_unavailable"] * 2


async def test_a_server_that_speaks_no_tls_is_unavailable_at_once(model_at: Callable[..., OpenAIModel]) -> None:
    asked = 0

    def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ModelUnavailable):
            await said(model_at(f"https://127.0.0.1:{port}/v1"))
    assert asked == 1


@pytest.mark.parametrize("cut", [FIN, RST])
@pytest.mark.parametrize("piece", [text("a"), chunk({"reasoning": "a"})])
async def test_a_cut_after_text_ends_without_finish_and_is_never_tried_again(
    model_at: Callable[..., OpenAIModel], cut: Any, piece: bytes
) -> None:
    gate = asyncio.Event()
    async with Upstream(events(piece, gate, cut), HELLO) as upstream:
        async with aclosing(model_at(upstream.base_url).stream(PROMPT, PLAIN)) as stream:
            assert [delta.text for delta in await taken(stream) if isinstance(delta, TextDelta | ReasoningDelta)] == [
                "a"
            ]
            gate.set()
            assert [batch async for batch in stream] == []
        assert len(upstream.requests) == 1


async def test_a_body_that_ends_in_order_but_without_a_finish_is_cut_too(ask: Ask) -> None:
    assert await ask(events(text("a"))) == [TextDelta("a")]
    assert await ask(until_closed(text("a"))) == [TextDelta("a")]
    assert await ask(until_closed(text("a"), b'data: {"choices":[{"de')) == [TextDelta("a")]


async def test_broken_chunked_framing_is_a_cut(model_at: Callable[..., OpenAIModel]) -> None:
    gate, piece = asyncio.Event(), text("a")
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with (
        Upstream(raw(head, b"%x\r\n%b\r\n" % (len(piece), piece), gate, b"zzz\r\n", HANG)) as upstream,
        aclosing(model_at(upstream.base_url).stream(PROMPT, PLAIN)) as stream,
    ):
        assert await taken(stream) == [TextDelta("a")]
        gate.set()
        assert [batch async for batch in stream] == []
        async with asyncio.timeout(HANGS_S):
            await upstream.requests[0].gone.wait()


async def test_retry_after_is_a_floor(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(answer(429, Retry_After="0.2"), HELLO) as upstream:
        started = time.monotonic()
        deltas = await said(model_at(upstream.base_url))
        assert time.monotonic() - started >= 0.2
    (notice,) = (delta for delta in deltas if isinstance(delta, Retrying))
    assert 0.2 <= notice.retry_in_s < 0.3


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "header",
    [
        "61",
        "99999999999999999999",
        "1e400",
        pytest.param(format_datetime(datetime.now(UTC) + timedelta(hours=1)), id="in an hour"),
    ],
)
async def test_a_wait_of_more_than_a_minute_is_not_begun(
    model_at: Callable[..., OpenAIModel], status: int, header: str
) -> None:
    async with Upstream(answer(status, Retry_After=header)) as upstream:
        with pytest.raises(ModelRateLimited if status == 429 else ModelUnavailable):
            await said(model_at(upstream.base_url))
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "header",
    [
        "",
        "soon",
        "-5",
        "nan",
        "Wed, 99 Nov",
        pytest.param(format_datetime(datetime.now(UTC) - timedelta(hours=1)), id="an hour ago"),
    ],
)
async def test_a_retry_after_that_says_nothing_is_passed_over(ask: Ask, header: str) -> None:
    deltas = await ask(answer(429, Retry_After=header), HELLO)
    assert retries(deltas) == ["model_rate_limited"]
    assert deltas[1:] == HELLO_DELTAS


async def test_an_account_without_credit_is_not_asked_again(model_at: Callable[..., OpenAIModel]) -> None:
    async with Upstream(answer(429, {"error": {"code": "insufficient_quota"}})) as upstream:
        with pytest.raises(ModelRateLimited):
            await said(model_at(upstream.base_url))
        assert len(upstream.requests) == 1


# Time limits


async def test_no_first_byte_in_time(model_at: Callable[..., OpenAIModel]) -> None:
    limits = Limits(connect_s=2, first_byte_s=0.1, delta_s=5, retry_s=0.01)
    for script in (raw(HANG), events(HANG), events(b": ping\n\n", HANG), events(chunk({"role": "assistant"}), HANG)):
        async with Upstream(script) as upstream:
            with pytest.raises(ModelTimeout):
                await said(model_at(upstream.base_url, limits))
            async with asyncio.timeout(HANGS_S):
                await upstream.requests[0].gone.wait()
            assert len(upstream.requests) == 1


async def test_no_connection_in_time(model_at: Callable[..., OpenAIModel]) -> None:
    # A full accept queue: the kernel completes no further handshake.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        address = deaf.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        try:
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(address)
            limits = Limits(connect_s=0.1, first_byte_s=30, delta_s=5, retry_s=0.01)
            seen: list[Delta] = []
            with pytest.raises(ModelUnavailable):
                async for batch in model_at(f"http://127.0.0.1:{address[1]}/v1", limits).stream(PROMPT, PLAIN):
                    seen += batch
            assert retries(seen) == ["model_unavailable"] * 2
        finally:
            for client in waiting:
                client.close()


class _Beat(asyncio.Event):
    """A step that takes a hundredth of a second: what comes at a pace cannot be told by a condition."""

    async def wait(self) -> Literal[True]:
        await asyncio.sleep(0.01)
        return True


PINGS = [step for _ in range(100) for step in (_Beat(), b": ping\n\n")]


async def test_silence_between_deltas_is_bounded_and_comments_do_not_break_it(
    model_at: Callable[..., OpenAIModel],
) -> None:
    limits = Limits(connect_s=2, first_byte_s=30, delta_s=0.15, retry_s=0.01)
    async with (
        Upstream(events(text("a"), *PINGS, text("too late"), DONE)) as upstream,
        aclosing(model_at(upstream.base_url, limits).stream(PROMPT, PLAIN)) as stream,
    ):
        assert await taken(stream) == [TextDelta("a")]
        with pytest.raises(ModelTimeout):
            await taken(stream)


async def test_until_the_first_delta_only_its_own_limit_counts(model_at: Callable[..., OpenAIModel]) -> None:
    limits = Limits(connect_s=2, first_byte_s=30, delta_s=0.2, retry_s=0.01)
    late = events(chunk({"role": "assistant"}), *PINGS[:30], text("a"), DONE)
    async with Upstream(late) as upstream:
        assert await said(model_at(upstream.base_url, limits)) == [TextDelta("a"), Finish("stop")]


async def test_comments_after_the_finish_do_not_hold_it_back(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lianhua.models.openai.response.AFTER_FINISH_S", 0.1)
    script = events(text("a"), chunk(finish="stop"), *PINGS, chunk(finish="too late"), DONE)
    assert await ask(script) == [TextDelta("a"), Finish("stop")]


async def test_a_slow_reader_is_not_the_models_silence(model_at: Callable[..., OpenAIModel]) -> None:
    limits = Limits(connect_s=2, first_byte_s=30, delta_s=0.5, retry_s=0.01)
    gate = asyncio.Event()
    async with (
        Upstream(events(text("a"), gate, text("b"), DONE)) as upstream,
        aclosing(model_at(upstream.base_url, limits).stream(PROMPT, PLAIN)) as stream,
    ):
        assert await taken(stream) == [TextDelta("a")]
        await asyncio.sleep(0.7)  # the reader's own slowness is what is tested
        asyncio.get_running_loop().call_later(0.05, gate.set)
        assert await taken(stream) == [TextDelta("b")]


# The figures by themselves


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("floor", [0.0, 0.3, 30.0])
def test_waits_double_by_about_a_half_and_never_fall_below_their_floor(attempt: int, floor: float) -> None:
    nominal = 0.5 * 2 ** (attempt - 1)
    for _ in range(200):
        wait_s = wait_before(attempt, 0.5, floor)
        assert floor <= wait_s <= max(1.5 * nominal, floor + 0.5)
        assert wait_s >= nominal / 2


def test_turns_that_failed_together_do_not_come_back_together() -> None:
    assert len({wait_before(1, 1.0, 0.0) for _ in range(20)}) > 10
    assert len({wait_before(1, 1.0, 30.0) for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("", 0), ("7", 7), ("0.5", 0.5), ("-5", 0), ("nan", 0), ("soon", 0), ("inf", float("inf"))],
)
def test_a_retry_after_in_seconds(header: str | None, seconds: float) -> None:
    assert retry_after_s(header) == seconds


def test_a_retry_after_as_a_date() -> None:
    now = datetime.now(UTC)
    assert 28 <= retry_after_s(format_datetime(now + timedelta(seconds=30), usegmt=True)) <= 30
    assert retry_after_s(format_datetime(now - timedelta(seconds=30), usegmt=True)) == 0
    assert 28 <= retry_after_s((now + timedelta(seconds=30)).strftime("%a, %d %b %Y %H:%M:%S -0000")) <= 30
