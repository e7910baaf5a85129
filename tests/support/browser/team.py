"""People with accounts before the page: how they get in."""

import re
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import expect

from tests.support.browser.talk import Talk
from tests.support.members import PASSWORD, link_in, user_command

REFUSALS = re.compile(r"401|403|422")  # what the browser itself logs of a refusal


class Team(NamedTuple):
    """A server in accounts mode, and its data directory."""

    url: str
    folder: Path

    def link(self, name: str, *words: str) -> str:
        """A one-time link for a new person."""
        made = user_command(self.folder, "add", name, *words)
        assert made.returncode == 0, made.stderr
        return link_in(made.stdout)


def take(talk: Talk, link: str, password: str = PASSWORD) -> None:
    """Opens a one-time link and sets the password."""
    open_link(talk, f"{talk.url}/#link={link}")
    talk.page.get_by_label("New password").fill(password)
    talk.page.get_by_role("button", name="Set it and log in").click()
    expect(talk.page.get_by_role("dialog")).to_have_count(0)


def open_link(talk: Talk, address: str) -> None:
    talk.page.goto(address)
    talk.page.reload()  # an address that differs behind the # alone opens no page


def log_in(talk: Talk, name: str, password: str = PASSWORD) -> None:
    talk.page.get_by_label("Name").fill(name)
    talk.page.get_by_label("Password").fill(password)
    talk.page.get_by_label("Password").press("Enter")


def forgive(talk: Talk) -> None:
    """Forgets what the browser has logged of refusals."""
    talk.troubles[:] = [trouble for trouble in talk.troubles if not REFUSALS.search(trouble)]
