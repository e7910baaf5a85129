"""The core of what a person does, with the page below a path: one that the server knows and a proxy leaves on, and one
that nginx takes off and the server does not know of. The rest of this folder is the same code at the root.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SCRIPT, NewTalk
from tests.proxies.programs import NAME, Nginx
from tests.support.browser.talk import Talk
from tests.support.models.certificate import make_certificate
from tests.support.puppet_model import PuppetModel
from tests.support.server_process import ServerProcess

KNOWN = "/x/y"
TAKEN_OFF = "/chat"  # as docs/proxies.md has it
ways = pytest.mark.parametrize("way", ["left on", "taken off"])


@pytest.fixture(scope="module")
def knowing_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = ServerProcess(tmp_path_factory.mktemp("knowing"), LIANHUA_SCRIPT=str(SCRIPT), LIANHUA_BASE_PATH=KNOWN)
    yield server.url + KNOWN
    server.stop()
    server.kill()


def behind_nginx(folder: Path, url: str) -> Iterator[str]:
    certificate, key = make_certificate(folder, f"DNS:{NAME}")
    with Nginx(folder / "nginx", urlsplit(url).port or 0, certificate, key) as proxy:
        yield f"http://127.0.0.1:{proxy.plain_port}"


@pytest.fixture(scope="module")
def proxied_url(tmp_path_factory: pytest.TempPathFactory, scripted_url: str) -> Iterator[str]:
    """nginx before `scripted_url`, which answers at its root and below `TAKEN_OFF`."""
    yield from behind_nginx(tmp_path_factory.mktemp("proxied"), scripted_url)


@pytest.fixture
def url(way: str, knowing_url: str, proxied_url: str) -> str:
    return knowing_url if way == "left on" else proxied_url + TAKEN_OFF


@ways
def test_conversations_are_held_found_and_taken_along(new_talk: NewTalk, url: str) -> None:
    talk = new_talk(url)
    talk.say("about tea")
    assert urlsplit(talk.page.url).path == f"{urlsplit(url).path}/"
    other = talk.tab()
    talk.say("and about rain")
    expect(other.replies).to_have_count(2)
    talk.click("New conversation")
    talk.say("about stars")
    expect(other.items).to_have_count(2)
    talk.page.go_back()
    talk.page.go_back()
    expect(talk.own).to_have_text(["about tea", "and about rain"])
    talk.reload()
    expect(talk.own).to_have_text(["about tea", "and about rain"])

    talk.page.get_by_role("searchbox").fill("stars")
    talk.page.locator(".found").first.click()
    expect(talk.own).to_have_text(["about stars"])


@ways
def test_the_documentation_comes_from_there(new_talk: NewTalk, url: str) -> None:
    talk = new_talk(url)
    talk.page.goto(f"{url}/docs")
    operation = talk.page.locator("#operations-tutorial-list_roles_api_roles_get")
    operation.get_by_role("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    with talk.page.expect_response(re.compile("/api/roles")) as answer:
        operation.get_by_role("button", name="Execute").click()
    assert (answer.value.status, answer.value.url) == (200, f"{url}/api/roles")


def test_a_reload_in_mid_reply_loses_nothing(
    new_talk: NewTalk, puppet_url: str, model: PuppetModel, tmp_path: Path
) -> None:
    for origin in behind_nginx(tmp_path, puppet_url):
        puppet_talk = new_talk(origin + TAKEN_OFF)
        puppet_talk.send("tell me")
        reply = model.next_reply()
        reply.say("The first half ")
        expect(puppet_talk.texts).to_have_text("The first half")
        puppet_talk.reload()
        expect(puppet_talk.texts).to_have_text("The first half")
        reply.say("and the second.")
        expect(puppet_talk.texts).to_have_text("The first half and the second.")
        reply.end()
        puppet_talk.wait_for_end()
        assert len(model.replies) == 1
        puppet_talk.page.close()


def test_two_pages_of_one_host_keep_apart(new_talk: NewTalk, proxied_url: str) -> None:
    below = new_talk(proxied_url + TAKEN_OFF)
    root = Talk(below.context, proxied_url, below.troubles).open()
    below.write("half a thought")
    expect(below.input).to_have_value("half a thought")
    below.reload()
    expect(below.input).to_have_value("half a thought")
    root.reload()
    expect(root.input).to_have_value("")
    kept = root.page.evaluate("Object.keys(localStorage)")
    assert [key for key in kept if "draft" in key] == [f"lianhua{TAKEN_OFF}.draft.new"]
    # Each has its own tab that listens.
    root.page.wait_for_function(
        """(wanted) => navigator.locks.query().then(({ held }) => {
            const names = held.map(({ name }) => name);
            return wanted.every((name) => names.includes(name));
        })""",
        arg=["lianhua", f"lianhua{TAKEN_OFF}"],
    )
