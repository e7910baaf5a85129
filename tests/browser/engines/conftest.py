"""The three engines, and people before the page in each of them."""

from collections.abc import Callable, Iterator

import playwright.sync_api as playwright
import pytest

from tests.support.engines.chromium import Chromium
from tests.support.engines.firefox import Firefox
from tests.support.engines.port import Browser, Profile
from tests.support.engines.reader import Reader
from tests.support.engines.webkit import WebKit

ENGINES = ("chromium", "firefox", "webkit")

NewReader = Callable[[str], Reader]


@pytest.fixture(scope="package", params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser of each engine. A missing one fails the tests: `tests/need_browser.sh` says what to install."""
    browser: Browser
    match request.param:
        case "chromium":
            chromium: playwright.Browser = request.getfixturevalue("browser")
            browser = Chromium(chromium)
        case "firefox":
            browser = Firefox(tmp_path_factory.mktemp("firefox"))
        case "webkit":
            browser = WebKit(tmp_path_factory.mktemp("webkit"))
    yield browser
    browser.close()


@pytest.fixture
def new_reader(engine: Browser) -> Iterator[NewReader]:
    """Opens the page at an address for a person whom the server has not met. Fails the test where the page logged an
    error or broke its own policy.
    """
    profiles: list[Profile] = []

    def new(url: str) -> Reader:
        profiles.append(engine.new_profile())
        return Reader(profiles[-1], url).open()

    yield new
    troubles = [trouble for profile in profiles for trouble in profile.troubles()]
    for profile in profiles:
        profile.close()
    assert troubles == []


@pytest.fixture
def reader(new_reader: NewReader, puppet_url: str) -> Reader:
    """A person before the model that a test speaks for."""
    return new_reader(puppet_url)
