"""The pipeline to a store: many calls over one connection, and what becomes of them if it stalls, breaks, closes."""

import asyncio
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import ConnectionPool
from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import TimeoutError as DriverTimeoutError

from lianhua.store.client.pipeline import CALLS_IN_FLIGHT, Pipeline
from lianhua.store.client.topology import Nodes
from tests.support.servers.ports import free_port
from tests.support.servers.proxy import Proxy
from tests.support.servers.redis_server import RedisServer
from tests.support.stillness import Stopwatch
from tests.support.waiting import until

TIMEOUT_S = 20.0
HASTY_S = 0.6
LARGE = "x" * 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("wire")) as server:
        yield server


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
async def pipeline(proxy: Proxy) -> AsyncIterator[Pipeline]:
    """A pipeline through the proxy."""
    pipeline = pipeline_to(f"redis://127.0.0.1:{proxy.port}/0")
    yield pipeline
    await pipeline.close()


@pytest.fixture
async def hasty(proxy: Proxy) -> AsyncIterator[Pipeline]:
    """A pipeline through the proxy, with little patience."""
    pipeline = pipeline_to(f"redis://127.0.0.1:{proxy.port}/0", HASTY_S)
    yield pipeline
    await pipeline.close()


def pipeline_to(url: str, timeout_s: float = TIMEOUT_S) -> Pipeline:
    patience = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    return Pipeline(ConnectionPool.from_url(url, protocol=2, **patience))


async def echo(pipeline: Pipeline, word: str) -> list[Any]:
    return await pipeline.call([("ECHO", word)])


async def many_echoes(pipeline: Pipeline, number: int) -> list[Any]:
    calls = [echo(pipeline, str(each)) for each in range(number)]
    return list(await asyncio.gather(*calls, return_exceptions=True))


async def test_many_calls_at_once_get_their_own_answers(nodes: Nodes) -> None:
    for node in nodes.all():
        number = 4 * CALLS_IN_FLIGHT
        calls = (node.calls.call([("ECHO", each), ("ECHO", b"\xff"), ("ECHO", 0.5)]) for each in range(number))
        answers = await asyncio.gather(*calls)
        assert answers == [[str(each).encode(), b"\xff", b"0.5"] for each in range(number)]


async def test_calls_of_one_moment_leave_over_one_connection(pipeline: Pipeline, proxy: Proxy) -> None:
    assert await many_echoes(pipeline, 50) == [[str(each).encode()] for each in range(50)]
    assert proxy.connections == 1


async def test_large_words_and_answers_stay_whole(pipeline: Pipeline) -> None:
    small, *large = await asyncio.gather(echo(pipeline, "small"), *(echo(pipeline, LARGE) for _ in range(5)))
    assert small == [b"small"]
    assert large == [[LARGE.encode()]] * 5


async def test_a_stalled_server_fails_all_calls_in_time_and_the_next_call_gets_a_new_connection(
    hasty: Pipeline, proxy: Proxy
) -> None:
    await echo(hasty, "hello")
    proxy.stall()
    watch = Stopwatch()
    answers = await many_echoes(hasty, CALLS_IN_FLIGHT + 100)  # some of them have to wait for room
    assert watch.within(4 * HASTY_S), watch.took()  # no answer, no connection
    assert {type(answer) for answer in answers} == {DriverTimeoutError}
    proxy.go_on()
    assert await echo(hasty, "again") == [b"again"]
    assert proxy.connections > 1


async def test_callers_who_meet_a_dead_server_share_one_attempt(hasty: Pipeline, proxy: Proxy) -> None:
    proxy.stall()
    answers = await many_echoes(hasty, 100)
    assert {type(answer) for answer in answers} == {DriverTimeoutError}
    assert proxy.connections <= 2, "each calls twice, all of them together"


async def test_a_server_that_is_away_is_found_again(pipeline: Pipeline, proxy: Proxy) -> None:
    await echo(pipeline, "hello")
    proxy.refuse()
    answers = await many_echoes(pipeline, 20)
    assert {type(answer) for answer in answers} == {DriverConnectionError}
    await proxy.accept()
    assert await echo(pipeline, "again") == [b"again"]


async def test_a_call_is_repeated_once_when_its_connection_is_cut_within_the_answer(
    pipeline: Pipeline, proxy: Proxy
) -> None:
    allowances = iter([1000, 10_000_000])
    proxy.cut_after_bytes(lambda: next(allowances))
    large, behind = await asyncio.gather(echo(pipeline, LARGE), echo(pipeline, "behind it"))
    assert (large, behind) == ([LARGE.encode()], [b"behind it"])
    assert (proxy.cuts, proxy.connections) == (1, 2)


async def test_a_call_that_is_cut_twice_fails(pipeline: Pipeline, proxy: Proxy) -> None:
    proxy.cut_after_bytes(1000)
    with pytest.raises(DriverConnectionError):
        await echo(pipeline, LARGE)
    assert (proxy.cuts, proxy.connections) == (2, 2)


async def test_an_idle_connection_that_was_cut_costs_nobody_a_call(pipeline: Pipeline, proxy: Proxy) -> None:
    for number in range(5):
        assert await echo(pipeline, str(number)) == [str(number).encode()]
        proxy.cut()


async def test_a_cancelled_caller_harms_nobody(pipeline: Pipeline, proxy: Proxy) -> None:
    await echo(pipeline, "hello")
    proxy.stall()
    calls = [asyncio.create_task(echo(pipeline, str(each))) for each in range(10)]
    await asyncio.sleep(0.02)  # they are on their way
    for call in calls[::2]:
        call.cancel()
    proxy.go_on()
    assert await asyncio.gather(*calls[1::2]) == [[str(each).encode()] for each in range(1, 10, 2)]
    assert all(call.cancelled() for call in calls[::2])
    assert await echo(pipeline, "next") == [b"next"]
    assert proxy.connections == 1


async def test_a_cancelled_caller_leaves_the_connecting_to_the_others(pipeline: Pipeline, proxy: Proxy) -> None:
    proxy.stall()
    calls = [asyncio.create_task(echo(pipeline, "word")) for _ in range(3)]
    await until(lambda: proxy.connections == 1)
    calls[0].cancel()
    proxy.go_on()
    assert await asyncio.gather(*calls[1:]) == [[b"word"]] * 2
    assert proxy.connections == 1


async def test_a_process_that_was_frozen_takes_the_answers_that_came_meanwhile(hasty: Pipeline, proxy: Proxy) -> None:
    await echo(hasty, "hello")
    async with asyncio.TaskGroup() as calls:
        call = calls.create_task(echo(hasty, "word"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(2 * HASTY_S)
    assert call.result() == [b"word"]
    assert proxy.connections == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("MOVED 42 127.0.0.1:7000", MovedError),
        ("ASK 42 127.0.0.1:7000", AskError),
        ("TRYAGAIN later", TryAgainError),
        ("NOSCRIPT none", NoScriptError),
        ("OOM no memory", OutOfMemoryError),
        ("READONLY a replica", ReadOnlyError),
        ("CLUSTERDOWN no", ClusterDownError),
        ("LOADING from disk", BusyLoadingError),
        ("MISCONF disk", ResponseError),
    ],
)
async def test_an_error_reply_is_of_the_drivers_class_and_no_concern_of_others(
    pipeline: Pipeline, reply: str, error: type[Exception]
) -> None:
    script = f"return redis.error_reply('{reply}')"
    (first, answer, last), other = await asyncio.gather(
        pipeline.call([("ECHO", "a"), ("EVAL", script, 0), ("ECHO", "b")]), echo(pipeline, "other")
    )
    assert (first, last, other) == (b"a", b"b", [b"other"])
    assert type(answer) is error
    if isinstance(answer, AskError):
        assert (answer.slot_id, answer.host, answer.port) == (42, "127.0.0.1", 7000)


async def test_what_is_no_store_is_left(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        pipeline = pipeline_to(f"redis://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        with pytest.raises(DriverConnectionError):
            await echo(pipeline, "hello")
        await pipeline.close()


async def test_close_is_for_good(pipeline: Pipeline, proxy: Proxy) -> None:
    await echo(pipeline, "hello")
    proxy.stall()
    calls = [asyncio.create_task(echo(pipeline, "word")) for _ in range(CALLS_IN_FLIGHT + 10)]
    await asyncio.sleep(0.05)  # they are on their way, or wait for room
    watch = Stopwatch()
    await pipeline.close()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {DriverConnectionError}
    await pipeline.close()
    proxy.go_on()
    with pytest.raises(DriverConnectionError):
        await echo(pipeline, "again")
    assert watch.within(HASTY_S / 2), watch.took()
    assert proxy.connections == 1


async def test_close_ends_an_attempt_to_connect(pipeline: Pipeline, proxy: Proxy) -> None:
    proxy.stall()
    calls = [asyncio.create_task(echo(pipeline, "word")) for _ in range(10)]
    await until(lambda: proxy.connections == 1)
    await pipeline.close()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} == {DriverConnectionError}


async def test_password_and_database_are_given(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "store", config={"requirepass": "sesame"}) as server:
        pipeline = pipeline_to(f"redis://:sesame@127.0.0.1:{server.port}/3")
        assert await pipeline.call([("SET", "key", 1)]) == [b"OK"]
        await pipeline.close()
        async with server.client(db=3) as looking:
            assert await looking.get("key") == b"1"
        pipeline = pipeline_to(f"redis://:wrong@127.0.0.1:{server.port}/3")
        with pytest.raises(AuthenticationError):
            await echo(pipeline, "hello")
        await pipeline.close()


async def test_a_user_of_few_rights_is_served(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "store", config={"user": "ann on >sesame ~* +echo"}) as server:
        pipeline = pipeline_to(f"redis://ann:sesame@127.0.0.1:{server.port}")
        assert await echo(pipeline, "hello") == [b"hello"]
        await pipeline.close()


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The port of a server that speaks TLS, and the certificate to trust."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=store", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    port = free_port()
    config = {
        "tls-port": str(port),
        "tls-cert-file": str(certificate),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(certificate),
        "tls-auth-clients": "no",
    }
    with RedisServer(tmp_path / "store", flavour="redis", config=config):
        yield port, certificate


async def test_tls_is_spoken_and_the_certificate_looked_at(tls_server: tuple[int, Path]) -> None:
    port, certificate = tls_server
    pipeline = pipeline_to(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}")
    assert await many_echoes(pipeline, 50) == [[str(each).encode()] for each in range(50)]
    assert await echo(pipeline, LARGE) == [LARGE.encode()]
    await pipeline.close()
    distrustful = pipeline_to(f"rediss://127.0.0.1:{port}/0")
    with pytest.raises(DriverConnectionError) as refused:
        await echo(distrustful, "hello")
    assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)
    await distrustful.close()
