"""What stands in a reply besides running text: tables, formulas; and all of it on paper."""

from playwright.sync_api import expect

from tests.support.browser.talk import Talk


def test_a_table_is_copied_as_csv_and_formulas_are_drawn(talk: Talk) -> None:
    talk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    talk.say("[figures]")
    formulas = talk.texts.last.locator("math")
    expect(formulas).to_have_count(2)
    expect(formulas.last).to_have_attribute("display", "block")
    expect(talk.texts.last).to_contain_text("costs $5 and no more")
    talk.page.locator(".table").get_by_role("button", name="Copy as CSV").click()
    expect(talk.status).to_have_text("Copied")
    assert talk.page.evaluate("navigator.clipboard.readText()") == 'name,value\r\n"a, b","""1"""\r\n三,2'
    # A page that is loaded anew draws them as well.
    talk.reload()
    expect(formulas).to_have_count(2)


def test_on_paper_there_is_the_talk_and_nothing_to_press(talk: Talk) -> None:
    talk.say("[figures]")
    expect(talk.page.locator(".table").get_by_role("button")).to_be_attached()
    talk.page.emulate_media(media="print", color_scheme="dark")
    for name in ("complementary", "search", "textbox", "button", "combobox"):
        expect(talk.page.get_by_role(name)).to_have_count(0)
    expect(talk.page.get_by_role("heading", level=1)).to_be_visible()
    expect(talk.own).to_be_visible()
    expect(talk.texts.last).to_be_visible()
    # The whole of it, on as many pages as it takes, and where links lead.
    shown = talk.page.evaluate("getComputedStyle(document.querySelector('.scroller')).overflowY")
    assert shown == "visible"
    after = "getComputedStyle(document.querySelector('.markdown a'), '::after').content"
    assert "https://example.com/there" in talk.page.evaluate(after)
    assert talk.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
