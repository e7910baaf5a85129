"""A conversation of a thousand messages stays where its reader is, while it is drawn and afterwards."""

from collections.abc import Iterator

import pytest

from tests.browser.engines.conftest import NewReader
from tests.support.engines.long_talk import MESSAGES, import_talk
from tests.support.engines.reader import Reader
from tests.support.server_process import ServerProcess

ALL = "article"
RENDERED = "article .markdown:not(.plain)"
NEWEST = f"needle{MESSAGES - 1}e"
ROUNDING_PX = 1
DRAWN_WITHIN_S = 120.0  # a browser without a graphics card, on a machine with other things to do
BESIDE_THE_TEXT = (1240, 400)
# Message number `place` of those on the page.
_FIND = """const find = (place) => [...document.querySelectorAll('article')].find(
  ({ textContent }) => textContent.includes(`needle${place}e`));
const scroller = document.querySelector('.scroller');"""
_TO_END = (
    "() => { const s = document.querySelector('.scroller'); return s.scrollHeight - s.scrollTop - s.clientHeight; }"
)
# Once the reader has scrolled up, smoothly perhaps, and rests there: how far the text in the middle is from where it
# was then, whenever the page's height has changed. A page is painted after its observers.
_WATCH = """() => {
  const scroller = document.querySelector('.scroller');
  const distance = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
  const isText = (element) => element?.closest('article') !== null;
  const watch = async () => {
    for (let still = 0, before = 0; still < 5; ) {
      await new Promise(requestAnimationFrame);
      const now = distance();
      still = now > 500 && Math.abs(now - before) < 2 ? still + 1 : 0;
      before = now;
    }
    const middle = [400, 380, 360, 340].map((y) => document.elementFromPoint(760, y)).find(isText);
    const at = middle.getBoundingClientRect().top;
    new ResizeObserver(() => globalThis.moved.push(middle.getBoundingClientRect().top - at)).observe(
      document.querySelector('.column'));
  };
  globalThis.moved = [];
  watch();
}"""
_IS_IN_SIGHT = f"""(place) => {{ {_FIND}
  const box = find(place)?.getBoundingClientRect();
  const frame = scroller.getBoundingClientRect();
  return box !== undefined && box.top < frame.bottom - 20 && box.bottom > frame.top + 20;
}}"""
_COUNT = "() => document.querySelectorAll('article').length"


@pytest.fixture(scope="package")
def keeping_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that keeps all messages."""
    server = ServerProcess(
        tmp_path_factory.mktemp("keeping"), LIANHUA_RETENTION_MESSAGES="0", LIANHUA_RETENTION_DAYS="0"
    )
    yield server.url
    server.stop()
    server.kill()


@pytest.fixture
def talk(new_reader: NewReader, keeping_url: str) -> Reader:
    """A person who has the conversation, and is not at it."""
    reader = new_reader(keeping_url)
    import_talk(reader)
    reader.reload()
    return reader


def open_talk(talk: Reader) -> None:
    talk.click_on(".side-link")
    talk.sees_in(ALL, NEWEST)
    talk.sees(RENDERED)


def wait_until_drawn(talk: Reader) -> None:
    talk.waits_until(lambda: talk.page.run(_COUNT), MESSAGES, DRAWN_WITHIN_S)
    settle(talk)


def settle(talk: Reader) -> None:
    """Until what was drawn last has been laid out and painted."""
    talk.page.run("async () => { for (const _ of '123456') await new Promise(requestAnimationFrame); }")


def test_it_is_drawn_under_a_reader_who_stays_at_its_end(talk: Reader) -> None:
    open_talk(talk)
    wait_until_drawn(talk)
    assert talk.page.run(_TO_END) <= 1
    assert talk.page.run(_IS_IN_SIGHT, MESSAGES - 1)
    talk.sees_no(".newest")

    # Read upwards: what comes into sight takes its true height, and below it nothing moves.
    for _ in range(6):
        before = talk.page.run(_TO_END)
        talk.page.wheel(*BESIDE_THE_TEXT, -300)
        talk.waits_until(lambda before=before: talk.page.run(_TO_END) > before + 250, wanted=True)
        settle(talk)
        assert abs(talk.page.run(_TO_END) - before - 300) <= ROUNDING_PX


def test_it_is_drawn_above_a_reader_who_has_scrolled_up(talk: Reader) -> None:
    open_talk(talk)
    talk.waits_until(lambda: talk.page.run(_TO_END) <= 1, wanted=True)  # where it is shown first
    settle(talk)
    talk.page.run(_WATCH)
    talk.page.wheel(*BESIDE_THE_TEXT, -700)
    talk.sees(".newest")
    wait_until_drawn(talk)
    moved = talk.page.run("() => globalThis.moved")
    assert len(moved) > 1
    assert max(map(abs, moved)) <= ROUNDING_PX


@pytest.mark.parametrize("place", [3, MESSAGES - 12])
def test_what_was_found_stays_in_sight_while_it_is_drawn(talk: Reader, place: int) -> None:
    talk.page.run("() => document.querySelector('[role=searchbox]').focus()")
    talk.page.type(f"needle{place}e")
    talk.sees_in(".found-match", f"needle{place}e")
    talk.click_on(".found-match")
    talk.sees_in("article.sought", f"needle{place}e")
    assert talk.page.run(_IS_IN_SIGHT, place)
    wait_until_drawn(talk)
    assert talk.page.run(_IS_IN_SIGHT, place)
