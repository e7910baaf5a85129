"""A person before the page: what they see and do, in words."""

import re
from typing import Any, Self

from playwright.sync_api import BrowserContext, Page, Request, expect


class Talk:
    """One tab of one person. Whatever went wrong without being shown is in `troubles`, for all of their tabs."""

    def __init__(self, context: BrowserContext, url: str, troubles: list[str] | None = None) -> None:
        self.context = context
        self.url = url
        self.page: Page = context.new_page()
        self.troubles: list[str] = [] if troubles is None else troubles
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.troubles.append(f"dialog: {dialog.message}"))
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("request", self._see)
        self.input = self.page.locator(".composer textarea")
        self.own = self.page.locator("article.own")
        self.replies = self.page.locator("article.reply")
        self.texts = self.page.locator("article.reply .markdown")
        self.status = self.page.get_by_role("status")
        self.items = self.page.locator(".side-link")

    def open(self, place: str = "") -> Self:
        self.page.goto(f"{self.url}/{place}")
        expect(self.input).to_be_visible()
        return self

    def reload(self) -> None:
        self.page.reload()
        expect(self.input).to_be_visible()

    def tab(self) -> "Talk":
        """Another tab of the same person, with the same conversation."""
        return Talk(self.context, self.url, self.troubles).open(f"#/c/{self.conversation_id}")

    def write(self, text: str) -> None:
        self.input.fill(text)

    def send(self, text: str) -> None:
        """Types `text` and presses Enter."""
        self.write(text)
        self.input.press("Enter")

    def say(self, text: str) -> str:
        """Sends `text` and waits for the whole reply; its text."""
        before = self.replies.count()
        self.send(text)
        expect(self.replies).to_have_count(before + 1)
        self.wait_for_end()
        return self.texts.last.inner_text()

    def wait_for_end(self) -> None:
        """Until no reply is being made."""
        expect(self.page.locator("article.reply[aria-busy=true]")).to_have_count(0)

    def choose(self, label: str, option: str) -> None:
        """Chooses in the list called `label`; the server has it afterwards."""
        choice = self.page.get_by_label(label, exact=True)
        if self.own.count() == 0:
            choice.select_option(option)
            return
        with self.page.expect_response(lambda response: response.request.method == "PATCH"):
            choice.select_option(option)

    def answer_again(self) -> None:
        """Asks for another reply in the place of the last one."""
        self.replies.last.get_by_role("button", name="Answer again").click()

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    @property
    def conversation_id(self) -> str:
        expect(self.page).to_have_url(re.compile("#/c/"))
        return self.page.url.rpartition("/")[2]

    def stored(self) -> list[dict[str, Any]]:
        """The conversation's messages as the server keeps them."""
        answer = self.get(f"/api/conversations/{self.conversation_id}/messages")
        messages: list[dict[str, Any]] = answer["messages"]
        return messages

    def get(self, path: str) -> dict[str, Any]:
        """What the server answers this person."""
        response = self.context.request.get(self.url + path, headers={"Accept-Language": "en"})
        assert response.ok, response.text()
        answer: dict[str, Any] = response.json()
        return answer

    def _note(self, kind: str, text: str) -> None:
        # The network's own failures are what some tests are about.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.troubles.append(f"{kind}: {text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((self.url + "/", "data:", "blob:")):
            self.troubles.append(f"request: {request.url}")
