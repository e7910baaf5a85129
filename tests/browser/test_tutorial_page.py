"""A page with a plain EventSource, as the tutorial has it, with the line that docs/http-api.md adds."""

import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.support.browser.line import Line
from tests.support.puppet_model import PuppetModel

PAGE = Path(__file__).parents[2] / "docs" / "http-api.md"


def test_it_survives_a_proxy_whose_server_starts_again(browser: Browser, puppet_url: str, model: PuppetModel) -> None:
    found = re.search(r"^```js\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    html = f"<!doctype html><title>tutorial</title><p id=reply></p><script>{found[1]}</script>"
    with Line(puppet_url) as line:
        page = browser.new_page()
        page.route(f"{line.url}/tutorial", lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(f"{line.url}/tutorial")
        session = page.evaluate("fetch('/chat/start', { method: 'POST' }).then((answer) => answer.json())")[
            "session_id"
        ]
        page.evaluate(
            """(session) => follow(
                `/chat/stream?session_id=${session}&message=count&turn_key=1`, (text) => (reply.textContent = text)
            )""",
            session,
        )
        puppet_talk = model.next_reply()
        puppet_talk.say("one ")
        reply = page.locator("#reply")
        expect(reply).to_have_text("one ")
        with page.expect_response(lambda response: response.status == 502):
            line.answer_502()
        puppet_talk.say("two ")
        line.mend()
        expect(reply).to_have_text("one two ")
        puppet_talk.say("three")
        puppet_talk.end()
        expect(reply).to_have_text("one two three")
        stored = page.evaluate(
            "(id) => fetch(`/chat/history?session_id=${id}`).then((answer) => answer.json())", session
        )
        assert [message["content"] for message in stored["messages"]] == ["count", "one two three"]
        assert len(model.replies) == 1
        page.close()
