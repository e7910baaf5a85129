"""What tokens cost, by the prices that the operator has set. Nothing is known of prices that are not set."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Final

from lianhua.chat.messages import Spent

PER_TOKENS: Final = 1_000_000
_SMALLEST: Final = Decimal("0.000001")


class Prices:
    """`prices` are, by the model's id, what a million tokens of the prompt and of the reply cost in `currency`."""

    def __init__(self, prices: Mapping[str, tuple[Decimal, Decimal]], currency: str) -> None:
        self.currency = currency
        self._prices = dict(prices)

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        """To six places, halves upwards; None where the model has no price."""
        return _rounded(self._exact(model, prompt_tokens, completion_tokens))

    def millionths(self, model: str, prompt_tokens: int, completion_tokens: int) -> int:
        """The cost in whole millionths of the currency, rounded up; 0 where the model has no price."""
        exact = self._exact(model, prompt_tokens, completion_tokens) or Decimal()
        return int((exact * PER_TOKENS).to_integral_value(ROUND_CEILING))

    def sum(self, spent: Iterable[tuple[str, Spent]]) -> float | None:
        """What several models have cost together, rounded once. Models without a price add nothing; None where no model
        has one.
        """
        known = [
            cost for model, part in spent if (cost := self._exact(model, part.prompt, part.completion)) is not None
        ]
        return _rounded(sum(known, Decimal()) if known else None)

    def _exact(self, model: str, prompt_tokens: int, completion_tokens: int) -> Decimal | None:
        if model not in self._prices:
            return None
        prompt, completion = self._prices[model]
        return (prompt * prompt_tokens + completion * completion_tokens) / PER_TOKENS


def _rounded(cost: Decimal | None) -> float | None:
    return None if cost is None else float(cost.quantize(_SMALLEST, ROUND_HALF_UP))
