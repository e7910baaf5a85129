"""One server behind four proxies, for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.proxies.deployment import Deployment, open_deployment
from tests.proxies.programs import PROXIES, Proxy


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with open_deployment(tmp_path_factory.mktemp("proxies"), "tests.proxies.quick_heart") as deployment:
        yield deployment


@pytest.fixture(params=[kind.name for kind in PROXIES])
def proxy(deployment: Deployment, request: pytest.FixtureRequest) -> Proxy:
    return deployment.proxies[request.param]
