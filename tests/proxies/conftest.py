"""One server behind four proxies, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.proxies.deployment import House, open_house
from tests.proxies.programs import PROXIES, Proxy


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("proxies"), "tests.proxies.quick_heart") as house:
        yield house


@pytest.fixture(params=[kind.name for kind in PROXIES])
def proxy(house: House, request: pytest.FixtureRequest) -> Proxy:
    return house.proxies[request.param]
