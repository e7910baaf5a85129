"""A reader whose budget is at its end: nothing typed is lost, and what is left is shown."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCRIPT, NewTalk
from tests.browser.test_more import open_entry
from tests.support.server_process import ServerProcess


@pytest.fixture(scope="module")
def limited_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server at which nobody may use more than a hundred tokens a day."""
    server = ServerProcess(
        tmp_path_factory.mktemp("limited"), LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_BUDGET="tokens=100/day"
    )
    yield server.url
    server.stop()
    server.kill()


def test_what_the_budget_does_not_allow_stays_in_the_input(new_talk: NewTalk, limited_url: str) -> None:
    talk = new_talk(limited_url)
    talk.send("A long question that nobody wants to type again")
    trouble = "What is left of the day's token budget is not enough for this; it begins anew at"
    expect(talk.page.get_by_text(trouble).first).to_be_visible()
    expect(talk.input).to_have_value("A long question that nobody wants to type again")
    expect(talk.own).to_have_count(0)
    open_entry(talk, "Usage")
    expect(talk.page.get_by_text("Left today: 100 of 100 tokens.")).to_be_visible()
