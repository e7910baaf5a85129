"""What was counted, as Prometheus reads it: from one process and from several, for those who may."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lianhua.api.metrics_text import metrics_text
from lianhua.metrics import MAX_LABEL_SETS, OTHER, Counter, Histogram, HistogramValue, Snapshot, total
from tests.conftest import SCRIPT
from tests.support.client import Client, events
from tests.support.server_process import ServerProcess
from tests.support.waiting import HANGS_S, until, wait_until

TOKEN = "a-token-for-scrapes-only"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples_of(text: str) -> Samples:
    return {
        (name, tuple(sorted(label.items()))): value
        for family in text_string_to_metric_families(text)
        for name, label, value, *_ in family.samples
    }


def test_a_counter_with_too_many_values_counts_the_rest_together() -> None:
    counter = Counter("spoken", "Words.", ("word",))
    for number in range(MAX_LABEL_SETS + 5):
        counter.add(str(number))
    assert counter.values[OTHER,] == 5
    assert len(counter.values) == MAX_LABEL_SETS + 1


def test_a_value_at_a_bound_belongs_to_it() -> None:
    histogram = Histogram("held_seconds", "Held.", (1, 2))
    for value in (1, 1.5, 2, 3):
        histogram.observe(value)
    assert (histogram.counts, histogram.sum) == ([1, 2, 1], 7.5)


def test_several_processes_are_summed_and_one_of_another_version_does_not_matter() -> None:
    one = Snapshot({"c": ((("a",), 1.0),)}, {"g": 2}, {"h": HistogramValue((1, 0), 0.5)})
    other = Snapshot({"c": ((("a",), 2.0), (("b",), 1.0))}, {"g": 3}, {"h": HistogramValue((1, 1), 2.0)})
    both = total((one, other, Snapshot()))
    assert dict(both.counters["c"]) == {("a",): 3.0, ("b",): 1.0}
    assert both.gauges == {"g": 5}
    assert both.histograms["h"] == HistogramValue((2, 1), 2.5)
    assert total((one.without_gauges(),)).gauges == {}


def test_the_text_is_what_prometheus_reads() -> None:
    found = samples_of(
        metrics_text(
            Snapshot(
                {"lianhua_turns": ((("failed", 'a"b\\c\n'), 2.0),)},
                {"lianhua_open_streams": 3},
                {"lianhua_commit_events": HistogramValue((4, 1, *(0,) * 9), 6.0)},
            )
        ).decode()
    )
    assert found["lianhua_turns_total", (("code", 'a"b\\c\n'), ("status", "failed"))] == 2
    assert found["lianhua_open_streams", ()] == 3
    assert found["lianhua_commit_events_bucket", (("le", "2"),)] == 5
    assert found["lianhua_commit_events_count", ()] == 5
    assert found["lianhua_commit_events_sum", ()] == 6


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Two workers, metrics on a port and behind a token."""
    server = ServerProcess(
        tmp_path_factory.mktemp("several"),
        LIANHUA_SCRIPT=str(SCRIPT),
        LIANHUA_WORKERS="2",
        LIANHUA_METRICS_PORT="0",
        LIANHUA_METRICS_TOKEN=TOKEN,
        LIANHUA_MAX_RUNNING_TURNS_PER_USER="1",
    )
    yield server
    server.stop()
    server.kill()


def port_of(server: ServerProcess) -> str:
    return wait_until(lambda: re.search(r"metrics: (http://\S+)", server.log))[1]


async def scraped(session: aiohttp.ClientSession, address: str, token: str = TOKEN) -> tuple[int, Samples]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with session.get(address, headers=headers) as answer:
        return answer.status, samples_of(await answer.text()) if answer.status == 200 else {}


async def test_all_workers_are_summed_at_both_places(session: aiohttp.ClientSession, several: ServerProcess) -> None:
    alice = Client(session, several.url, "alice")
    done = ("lianhua_turns_total", (("code", ""), ("status", "done")))
    for number in range(6):  # each over a connection of its own, so that both workers have some
        async with aiohttp.ClientSession() as own:
            person = Client(own, several.url, f"person-{number}")
            assert (await person.say(await person.create(), "hello")).end["status"] == "done"
    conversation = await alice.create()
    turn = await alice.begin(conversation, "[long] hello")
    async with alice.stream(events(conversation, turn)) as stream:
        await stream.until(lambda frames: len(frames) > 1)
        for address in (f"{several.url}/metrics", port_of(several)):

            async def all_is_counted(address: str = address) -> Samples | None:
                """What a viewer has seen is counted a moment later."""
                status, found = await scraped(session, address)
                assert status == 200
                return found if found.get(done) == 6 and found["lianhua_first_token_seconds_count", ()] == 7 else None

            found = await until(all_is_counted)
            assert found["lianhua_open_streams", ()] == 1
            assert found["lianhua_running_turns", ()] == 1
            assert found["lianhua_commit_seconds_count", ()] == found["lianhua_commit_events_count", ()] > 6
            tokens = [value for (name, _), value in found.items() if name == "lianhua_reply_tokens_total"]
            assert sum(tokens) > 0
            assert found["lianhua_http_requests_total", (("status", "2xx"),)] > 12
    await alice.stop(conversation, turn)


async def test_refusals_are_counted_by_their_reason(session: aiohttp.ClientSession, several: ServerProcess) -> None:
    carol = Client(session, several.url, "carol")
    first, second = await carol.create(), await carol.create()
    turn = await carol.begin(first, "[long]")
    assert (await carol.send(second, "hello")).problem == (429, "rate_limited")
    await carol.stop(first, turn)
    _, found = await scraped(session, port_of(several))
    assert found["lianhua_budget_refusals_total", (("kind", "running"),)] == 1


async def test_what_a_lost_worker_had_counted_stays_true(
    session: aiohttp.ClientSession, several: ServerProcess
) -> None:
    address, created = port_of(several), ("lianhua_http_requests_total", (("status", "2xx"),))
    await Client(session, several.url, "dan").create()
    _, before = await scraped(session, address)
    children = Path(f"/proc/{several.pid}/task/{several.pid}/children").read_text().split()
    workers = [int(pid) for pid in children if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    await until(lambda: "another is started" in several.log)
    _, after = await scraped(session, address)
    assert after[created] >= before[created] > 0


async def test_metrics_are_for_those_with_the_token(session: aiohttp.ClientSession, several: ServerProcess) -> None:
    for address in (f"{several.url}/metrics", port_of(several)):
        for token in ("", "wrong", TOKEN + "x"):
            async with session.get(address, headers={"Authorization": f"Bearer {token}"} if token else {}) as answer:
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert TOKEN not in several.log


async def test_the_port_serves_nothing_else(session: aiohttp.ClientSession, several: ServerProcess) -> None:
    port = port_of(several)
    async with session.get(port.replace("/metrics", "/api/conversations")) as answer:
        assert answer.status == 404
    async with session.post(port) as answer:
        assert answer.status == 405


async def test_no_page_can_point_its_own_name_at_the_port(
    session: aiohttp.ClientSession, several: ServerProcess
) -> None:
    for host, status in (("evil.example.org", 403), ("localhost:1", 200), ("[::1]:9464", 200), ("127.0.0.1", 200)):
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": host}
        async with session.get(port_of(several), headers=headers) as answer:
            assert answer.status == status, host


async def test_what_takes_too_long_or_too_much_is_closed(several: ServerProcess) -> None:
    address = port_of(several).removeprefix("http://").removesuffix("/metrics")
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000)
    async with asyncio.timeout(HANGS_S):
        with contextlib.suppress(OSError):
            assert await reader.read() == b""
    writer.close()


async def test_without_a_token_there_is_no_such_page(alice: Client) -> None:
    assert (await alice.ask("GET", "/metrics")).status == 404
