"""What tokens cost, to the sixth place."""

from decimal import Decimal

import pytest

from lianhua.chat.messages import Spent
from lianhua.chat.prices import Prices
from lianhua.config.settings import load_settings
from lianhua.errors import WrongSettings
from tests.config.test_settings import NOWHERE


def prices(text: str) -> Prices:
    settings = load_settings({"LIANHUA_PRICES": text, "LIANHUA_CURRENCY": "EUR"}, NOWHERE)
    return Prices(settings.prices, settings.currency)


def test_prompt_and_reply_have_their_own_price() -> None:
    assert prices("a=2.5/10").cost("a", 1_000_000, 100_000) == 3.5


def test_a_price_is_found_by_the_whole_id_whatever_it_holds() -> None:
    listed = prices("org/model:7b = 1/2 , my model=3/4,key=value=5/6")
    costs = {model: listed.cost(model, 1_000_000, 0) for model in ("org/model:7b", "my model", "key=value", "model")}
    assert costs == {"org/model:7b": 1.0, "my model": 3.0, "key=value": 5.0, "model": None}


@pytest.mark.parametrize(
    ("price", "tokens", "cost"),
    [("0.15", 1, 0.0), ("0.5", 1, 0.000001), ("0.1", 3, 0.0), ("0.1", 7, 0.000001), ("2.5", 3, 0.000008),
     ("0.1", 30_000_003, 3.0), ("9999999.999999999", 10**15, 9_999_999_999_999_999.0), ("0", 10**9, 0.0)],
)  # fmt: skip
def test_the_sum_is_rounded_once_and_halves_go_upwards(price: str, tokens: int, cost: float) -> None:
    assert prices(f"a={price}/0").cost("a", tokens, 0) == cost


def test_several_models_are_added_before_they_are_rounded() -> None:
    small = Spent(1, 2, 0, 0)  # 0.0000004 each: nothing by itself
    listed = prices("a=0.2/0,b=0.2/0")
    assert listed.cost("a", 2, 0) == 0.0
    assert listed.sum([("a", small), ("b", small)]) == 0.000001


def test_a_model_without_a_price_adds_nothing_and_alone_costs_nothing_known() -> None:
    listed = prices("a=1/1")
    spent = Spent(1, 1_000_000, 0, 0)
    assert listed.sum([("a", spent), ("free", spent)]) == 1.0
    assert listed.sum([("free", spent)]) is None
    assert listed.sum([]) is None


def test_without_prices_nothing_has_a_cost() -> None:
    settings = load_settings({}, NOWHERE)
    assert settings.currency == "USD"
    assert Prices(settings.prices, settings.currency).cost("gpt-4o", 1, 1) is None


def test_a_price_is_read_to_the_digit() -> None:
    assert load_settings({"LIANHUA_PRICES": "a=0.1/0.3"}, NOWHERE).prices == {"a": (Decimal("0.1"), Decimal("0.3"))}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIANHUA_PRICES", "gpt-4o"),
        ("LIANHUA_PRICES", "gpt-4o=1"),
        ("LIANHUA_PRICES", "=1/2"),
        ("LIANHUA_PRICES", "gpt-4o=1/2/3"),
        ("LIANHUA_PRICES", "gpt-4o=-1/2"),
        ("LIANHUA_PRICES", "gpt-4o=nan/2"),
        ("LIANHUA_PRICES", "gpt-4o=1e9/2"),
        ("LIANHUA_PRICES", "gpt-4o=1/2,"),
        ("LIANHUA_PRICES", "gpt-4o=1/2,gpt-4o=1/2"),
        ("LIANHUA_PRICES", "gpt-4o=١/2"),
        ("LIANHUA_CURRENCY", "dollars"),
        ("LIANHUA_CURRENCY", "usd"),
    ],
)
def test_a_wrong_price_stops_the_start_with_one_line(name: str, value: str) -> None:
    with pytest.raises(WrongSettings) as refusal:
        load_settings({name: value}, NOWHERE)
    assert str(refusal.value).startswith(f"{name}: should be ")
    assert "\n" not in str(refusal.value)
