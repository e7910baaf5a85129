"""Languages, colours, sizes."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewTalk
from tests.support.browser.talk import Talk

NARROW = {"width": 360, "height": 700}


@pytest.mark.parametrize(
    ("locale", "lang", "label"), [("zh-CN", "zh-CN", "消息"), ("zh-TW", "zh-CN", "消息"), ("de-DE", "en", "Message")]
)
def test_the_page_speaks_the_browsers_language(
    new_talk: NewTalk, scripted_url: str, locale: str, lang: str, label: str
) -> None:
    talk = new_talk(scripted_url, locale=locale)
    expect(talk.page.locator("html")).to_have_attribute("lang", lang)
    expect(talk.input).to_have_accessible_name(label)


def test_the_language_is_switched_and_kept(talk: Talk) -> None:
    talk.say("[refused]")
    expect(talk.page.get_by_label("Persona").locator("option").first).to_contain_text("Assistant")
    talk.click("切换到中文")
    html = talk.page.locator("html")
    expect(html).to_have_attribute("lang", "zh-CN")
    expect(talk.replies).to_contain_text("没有得到回答。模型服务拒绝了这个请求。")
    # What the server says comes in the same language.
    expect(talk.page.get_by_label("角色").locator("option").first).to_contain_text("助手")
    talk.reload()
    expect(html).to_have_attribute("lang", "zh-CN")
    talk.click("Switch to English")
    expect(html).to_have_attribute("lang", "en")
    expect(talk.replies).to_contain_text("There was no reply.")


def test_the_colours_follow_the_system_at_once(talk: Talk) -> None:
    talk.say("hello")
    body = talk.page.locator("html")
    for scheme, target, text in (
        ("light", "rgb(247, 248, 252)", "rgb(27, 31, 46)"),
        ("dark", "rgb(18, 20, 28)", "rgb(231, 233, 242)"),
    ):
        talk.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(body).to_have_css("background-color", target)
        expect(talk.texts.first).to_have_css("color", text)


def test_han_is_never_slanted_by_the_browser(talk: Talk) -> None:
    talk.say("*强调*")
    emphasis = talk.texts.locator("em")
    expect(emphasis).to_have_text("强调")
    expect(emphasis).to_have_css("font-synthesis-style", "none")


def test_nothing_moves_for_a_reader_who_wants_it_so(new_talk: NewTalk, scripted_url: str) -> None:
    talk = new_talk(scripted_url, reduced_motion="reduce", viewport=NARROW)
    expect(talk.page.locator(".side")).to_have_css("transition-duration", re.compile(r"1e-05s"))


def test_a_phone_shows_everything_without_scrolling_sideways(new_talk: NewTalk, scripted_url: str) -> None:
    talk = new_talk(scripted_url, viewport=NARROW, has_touch=True, is_mobile=True)
    assert width_beyond(talk) == 0
    talk.write("[wide] " + "w" * 200)
    talk.page.get_by_role("button", name="Send").tap()
    expect(talk.texts).to_contain_text("一个没有空格")
    talk.wait_for_end()
    talk.page.get_by_role("button", name="What was sent").tap()
    expect(talk.page.locator(".sent-row").first).to_be_visible()
    assert width_beyond(talk) == 0


def test_the_list_is_a_drawer_on_a_phone(new_talk: NewTalk, scripted_url: str) -> None:
    talk = new_talk(scripted_url, viewport=NARROW)
    talk.say("in the drawer")
    item = talk.items.filter(has_text="in the drawer")
    expect(item).to_be_hidden()
    opener = talk.page.get_by_role("button", name="Open the list of conversations")
    opener.click()
    expect(item).to_be_visible()
    talk.page.keyboard.press("Escape")
    expect(item).to_be_hidden()
    expect(opener).to_be_focused()

    opener.click()
    talk.page.locator(".side").get_by_role("button", name="New conversation", exact=True).click()
    expect(item).to_be_hidden()
    expect(talk.own).to_have_count(0)
    opener.click()
    item.click()
    expect(item).to_be_hidden()
    expect(talk.own).to_have_text("in the drawer")


def width_beyond(talk: Talk) -> int:
    """Pixels of the page that are wider than the screen."""
    wide: int = talk.page.evaluate(
        "Math.max(...[document.documentElement, ...document.querySelectorAll('.scroller, .talk')]"
        ".map((element) => element.scrollWidth - element.clientWidth))"
    )
    return wide
