"""Models over HTTP, closed after the test."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lianhua.models.openai import Limits, OpenAIModel
from lianhua.models.port import Delta
from tests.models.asking import INFO, KEY, QUICK, Ask, said
from tests.upstream import Answer, Upstream


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
