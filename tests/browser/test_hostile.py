"""What a model or a person writes runs nothing and loads nothing. `new_talk` watches for requests and dialogs."""

from playwright.sync_api import expect

from tests.browser.talk import Talk


def test_a_hostile_reply_runs_and_loads_nothing(talk: Talk) -> None:
    talk.say("[hostile]")
    check_harmless(talk)
    talk.reload()
    expect(talk.texts).to_contain_text("That was all.")
    check_harmless(talk)


def check_harmless(talk: Talk) -> None:
    text = talk.texts.first
    expect(text).to_contain_text("That was all.")
    expect(text).to_contain_text("<script>window.harmed = 1; alert(1)</script>")
    # Of all there is, only the buttons to copy code are the page's own.
    elements = text.locator(":not(.code-tools, .code-tools *)")
    tags = set(elements.evaluate_all("(elements) => elements.map((element) => element.tagName)"))
    assert tags <= {"A", "BR", "CODE", "DIV", "P", "PRE", "SPAN"}
    names = set(elements.evaluate_all("(elements) => elements.flatMap((element) => element.getAttributeNames())"))
    assert names <= {"class", "href", "rel", "target", "tabindex", "title"}

    links = text.locator("a").all()
    addresses = {link.inner_text(): link.get_attribute("href") for link in links}
    assert addresses == {"a picture": "https://harm.example/picture.png?talk=secret", "five": "https://example.com/"}
    assert {link.get_attribute("rel") for link in links} == {"noopener noreferrer nofollow"}
    assert {link.get_attribute("target") for link in links} == {"_blank"}
    assert talk.page.evaluate("window.harmed") is None


def test_a_hostile_message_is_shown_as_it_was_typed(talk: Talk) -> None:
    harm = "<img src=x onerror='window.harmed = 1'> **not bold** <script>alert(1)</script>"
    talk.say(harm)
    expect(talk.own.locator(".own-text")).to_have_text(harm)
    expect(talk.own.locator(".own-text > *")).to_have_count(0)
    # The message is the title as well.
    expect(talk.page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    expect(talk.items).to_contain_text("<img src=x")
    assert talk.page.evaluate("window.harmed") is None


def test_the_page_can_make_no_html_but_its_own(talk: Talk) -> None:
    refused = talk.page.evaluate(
        "() => { try { document.body.innerHTML = '<b>'; return false } catch (error) { return error.name } }"
    )
    assert refused == "TypeError"
    talk.troubles.clear()  # the refusal is logged
