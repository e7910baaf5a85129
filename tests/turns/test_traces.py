"""One span a turn at a real collector's address, without a text."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.conftest import SCRIPT, StartServer
from tests.support.client import Client
from tests.support.waiting import until

Spans = list[Span]


@pytest.fixture
async def collector() -> AsyncIterator[tuple[str, Spans]]:
    """The address of one that takes spans over HTTP, and the spans."""
    spans: Spans = []

    async def take(request: web.Request) -> web.Response:
        body = ExportTraceServiceRequest.FromString(await request.read())
        spans.extend(span for each in body.resource_spans for scope in each.scope_spans for span in scope.spans)
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}", spans
    await runner.cleanup()


def attributes(span: Span) -> dict[str, str | int | float]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}


async def test_each_turn_is_a_span_without_a_text(
    collector: tuple[str, Spans], start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    address, spans = collector
    alice = Client(session, start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_OTLP_ENDPOINT=address).url, "alice")
    conversation = await alice.create(title="sesame")
    done = (await alice.say(conversation, "sesame")).turn["turn_id"]
    failed = (await alice.say(conversation, "[refused] sesame")).turn["turn_id"]
    await until(lambda: len(spans) == 2)
    first, second = sorted(spans, key=lambda span: span.start_time_unix_nano)
    found = attributes(first)
    assert (found["lianhua.turn_id"], found["lianhua.status"]) == (done, "done")
    assert found["lianhua.attempts"] == 1
    assert float(found["lianhua.first_token_s"]) > 0
    assert int(found["gen_ai.usage.output_tokens"]) > 0
    assert len(str(found["lianhua.request_id"])) == 16
    assert first.end_time_unix_nano >= first.start_time_unix_nano
    assert (attributes(second)["lianhua.turn_id"], attributes(second)["lianhua.status"]) == (failed, "failed")
    assert second.status.code == second.status.STATUS_CODE_ERROR
    assert "sesame" not in str(spans)
    assert "alice" not in str(spans)


async def test_a_collector_that_is_away_costs_no_turn(
    start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_OTLP_ENDPOINT="http://127.0.0.1:1")
    alice = Client(session, server.url, "alice")
    assert (await alice.say(await alice.create(), "hello")).end["status"] == "done"
    assert server.stop() == 0
