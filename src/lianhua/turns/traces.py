"""One span a turn for an OpenTelemetry collector, sent by a thread of the library. Only loaded where one is set."""

import asyncio
from collections.abc import Callable
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode

import lianhua
from lianhua.turns.outcome import FinishedTurn

WAITING_SPANS: Final = 2_048  # more are dropped: a collector that is away costs nobody a turn
SEND_TIMEOUT_S: Final = 5.0


class TurnTraces:
    """`close` it once, to send what still waits."""

    def __init__(self, endpoint: str, request_id: Callable[[], str]) -> None:
        """`endpoint` is the collector's address, without the path; `request_id` says which request the calling task
        belongs to.
        """
        self._request_id = request_id
        exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=SEND_TIMEOUT_S)
        resource = Resource.create({"service.name": "lianhua", "service.version": lianhua.__version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=WAITING_SPANS))
        self._tracer = self._provider.get_tracer("lianhua")

    def note(self, turn: FinishedTurn) -> None:
        """Makes the turn's span."""
        span = self._tracer.start_span("turn", start_time=_nanoseconds(turn.began_at))
        span.set_attributes(_attributes(turn))
        if request_id := self._request_id():
            span.set_attribute("lianhua.request_id", request_id)
        if turn.status in ("failed", "interrupted"):
            span.set_status(Status(StatusCode.ERROR, turn.code))
        span.end(_nanoseconds(turn.ended_at))

    async def close(self) -> None:
        await asyncio.to_thread(self._provider.shutdown)


def _attributes(turn: FinishedTurn) -> dict[str, str | int | float]:
    found: dict[str, str | int | float | None] = {
        "lianhua.turn_id": turn.turn_id,
        "lianhua.status": turn.status,
        "lianhua.code": turn.code,
        "lianhua.attempts": turn.attempts,
        "lianhua.first_token_s": turn.first_token_s,
        "gen_ai.response.model": turn.model,
        "gen_ai.usage.input_tokens": turn.usage.prompt_tokens if turn.usage else None,
        "gen_ai.usage.output_tokens": turn.usage.completion_tokens if turn.usage else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
