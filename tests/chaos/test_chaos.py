"""The quick kinds of `make chaos`, a few faults each: no promise breaks, and each fault has really happened."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.chaos.runs import run
from tests.support.stillness import in_time

SEED = 20_26


@pytest.mark.parametrize("counts", [{"kill": 2, "embedded": 2}, {"stop": 6, "cut": 40}], ids=" and ".join)
async def test_no_promise_breaks(counts: Mapping[str, int], tmp_path: Path) -> None:
    results = await asyncio.gather(
        *(run(kind, count, SEED, tmp_path / kind, users=6, in_time=in_time) for kind, count in counts.items())
    )
    for result in results:
        assert result.violations == ()
        assert result.confirmed >= result.asked
