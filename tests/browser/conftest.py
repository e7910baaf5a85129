"""A browser, servers and people. All of them are gone when this folder's tests are over: the browser's event loop would
be in the way of the others.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.support.browser.talk import Talk
from tests.support.browser.team import Team, forgive
from tests.support.puppet_model import PuppetModel
from tests.support.server_process import ServerProcess

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# A name that browsers do not take for this machine's: what they allow there only is missing.
LAN_NAME = "chat.example"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {LAN_NAME} 127.0.0.1",
)
SHOWN_WITHIN_MS = 60_000  # only says that something hangs
SCRIPT = Path(__file__).with_name("script.toml")
WINDOW_MESSAGES = 6

NewTalk = Callable[..., Talk]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium. A missing one fails the tests: `tests/need_browser.sh` says what to install."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, f"no browser: none of {', '.join(BROWSERS)} is on the PATH"
    expect.set_options(timeout=SHOWN_WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            args=FLAGS,
            ignore_default_args=["--disable-back-forward-cache"],  # readers have it
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def scripted_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose model plays `script.toml` and echoes everything else."""
    server = ServerProcess(
        tmp_path_factory.mktemp("scripted"), LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_CONTEXT_MESSAGES=str(WINDOW_MESSAGES)
    )
    yield server.url
    server.stop()
    server.kill()


@pytest.fixture(scope="package")
def puppet_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, PuppetModel]]:
    with PuppetModel() as model:
        server = ServerProcess(
            tmp_path_factory.mktemp("told"), OPENAI_API_KEY="key", OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="puppet"
        )
        yield server.url, model
        server.stop()
        server.kill()


@pytest.fixture
def model(puppet_server: tuple[str, PuppetModel]) -> Iterator[PuppetModel]:
    """The model behind `puppet_url`, not asked for anything yet."""
    _, model = puppet_server
    yield model
    model.forget()


@pytest.fixture
def puppet_url(puppet_server: tuple[str, PuppetModel], model: PuppetModel) -> str:
    """A server whose model says what the test tells it."""
    return puppet_server[0]


@pytest.fixture
def new_talk(browser: Browser) -> Iterator[NewTalk]:
    """Opens the page at an address for a person whom the server has not met; keywords as for a browser context. Fails
    the test where the page logged an error, broke its own policy or asked another host for anything.
    """
    contexts: list[BrowserContext] = []
    talks: list[Talk] = []

    def new(url: str, **options: Any) -> Talk:
        context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(SHOWN_WITHIN_MS)
        contexts.append(context)
        talks.append(Talk(context, url).open())
        return talks[-1]

    yield new
    for context in contexts:
        context.close()
    assert [trouble for talk in talks for trouble in talk.troubles] == []


@pytest.fixture
def talk(new_talk: NewTalk, scripted_url: str) -> Talk:
    """A person before the scripted model."""
    return new_talk(scripted_url)


@pytest.fixture
def puppet_talk(new_talk: NewTalk, puppet_url: str) -> Talk:
    """A person before the model that a test speaks for."""
    return new_talk(puppet_url)


@pytest.fixture(scope="package")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A server where people log in."""
    folder = tmp_path_factory.mktemp("team")
    server = ServerProcess(folder, LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_AUTH="accounts")
    yield Team(server.url, folder)
    server.stop()
    server.kill()


@pytest.fixture
def visitor(new_talk: NewTalk, team: Team) -> Iterator[Talk]:
    """Somebody before the login."""
    talk = new_talk(team.url)
    yield talk
    forgive(talk)
