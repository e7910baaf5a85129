"""Models over HTTP, closed after the test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import uvloop

from lianhua.models.openai.model import Limits, OpenAIModel
from lianhua.models.port import Delta
from tests.support.models.asking import INFO, KEY, QUICK, Ask, said
from tests.support.upstream import Answer, Upstream

# The client runs on a bare transport, and those of the two loops differ in small ways.
ON_BOTH_LOOPS = {
    "test_answer",
    "test_connection",
    "test_discover",
    "test_errors",
    "test_openai",
    "test_timeouts",
    "test_tunnel",
}


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.stem in ON_BOTH_LOOPS:
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture
async def models() -> AsyncIterator[list[OpenAIModel]]:
    opened: list[OpenAIModel] = []
    yield opened
    for model in opened:
        await model.close()


@pytest.fixture
def model_at(models: list[OpenAIModel]) -> Callable[..., OpenAIModel]:
    def build(base_url: str, limits: Limits = QUICK, **more: Any) -> OpenAIModel:
        models.append(OpenAIModel(INFO, base_url, KEY, limits, **more))
        return models[-1]

    return build


@pytest.fixture
def ask(model_at: Callable[..., OpenAIModel]) -> Ask:
    """The deltas of one reply by a server with these answers."""

    async def reply(*answers: Answer, **more: Any) -> list[Delta]:
        async with Upstream(*answers) as upstream:
            return await said(model_at(upstream.base_url, **more))

    return reply
