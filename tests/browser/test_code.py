"""Code in a reply: named, coloured, copied."""

from playwright.sync_api import expect

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk


def test_code_is_named_and_coloured(talk: Talk) -> None:
    talk.say("[code]")
    blocks = talk.page.locator(".code")
    expect(blocks.locator(".block-head > span")).to_have_text(["py", "latin"])
    expect(blocks.first.locator(".hljs-keyword")).to_have_text(["def", "return"])
    expect(blocks.first.locator("code")).to_have_text("def f():\n    return '<b>'\n")
    expect(blocks.last.locator("code > *")).to_have_count(0)


def test_what_colours_code_is_loaded_with_the_first_code(new_talk: NewTalk, scripted_url: str) -> None:
    talk = new_talk(scripted_url)
    scripts: list[str] = []
    talk.page.on("request", lambda request: scripts.append(request.url) if request.url.endswith(".js") else None)
    talk.say("no code")
    assert [script for script in scripts if "colouring" in script] == []
    talk.say("[code]")
    expect(talk.page.locator(".hljs-keyword").first).to_be_visible()
    assert any("colouring" in url for url in scripts)


def test_code_is_copied_as_it_is(talk: Talk) -> None:
    talk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    talk.say("[code]")
    expect(talk.page.locator(".hljs-keyword").first).to_be_visible()
    talk.page.locator(".code").first.get_by_role("button", name="Copy").click()
    expect(talk.status).to_have_text("Copied")
    assert talk.page.evaluate("navigator.clipboard.readText()") == "def f():\n    return '<b>'"
    # The button speaks the reader's language, though it stands among nodes that are drawn once.
    talk.click("切换到中文")
    expect(talk.page.locator(".code").last.get_by_role("button")).to_have_text("复制")
