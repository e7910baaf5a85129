"""A store that is away is asked again for as long as somebody has patience."""

import pytest

from lianhua.errors import Overloaded, StoreUnavailable
from lianhua.store.client.retry import after, patiently


class Store:
    """Away for so many calls."""

    def __init__(self, away: int, error: Exception) -> None:
        self.calls = 0
        self._away = away
        self._error = error

    async def answer(self) -> str:
        self.calls += 1
        if self.calls <= self._away:
            raise self._error
        return "here"


async def test_it_is_asked_until_it_answers() -> None:
    store = Store(3, StoreUnavailable("away"))
    assert await patiently(store.answer, after(60), 0.001) == "here"
    assert store.calls == 4


async def test_an_outage_passes_when_patience_is_over() -> None:
    store = Store(10, StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        await patiently(store.answer, lambda: store.calls == 3, 0.001)
    assert store.calls == 3


async def test_what_is_no_outage_passes_at_once() -> None:
    full, broken = Store(1, Overloaded("full")), Store(1, ValueError("a bug"))
    with pytest.raises(Overloaded):
        await patiently(full.answer, after(60), 0.001, StoreUnavailable)
    with pytest.raises(ValueError, match="a bug"):
        await patiently(broken.answer, after(60), 0.001)
