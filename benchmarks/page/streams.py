"""Replies that come faster than anybody reads, and a reader who looks at something else meanwhile."""

from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from benchmarks.page.browser import Person
from benchmarks.page.deployment import Deployment
from benchmarks.page.figure import Figure, longest_task, spread
from benchmarks.page.model import Plan
from benchmarks.page.trace import Task, Trace, traced
from benchmarks.page.writings import END, Writer, in_pieces, numbers

ROUNDS: Final = 3
MAIN_THREAD_MS: Final = 3_000
SETTLE_MS: Final = 1_000  # what the page does by itself after it was opened
REST_S: Final = 1.5  # between the last piece and the end, so that the end's own work is apart from the text's
CHARACTERS_A_PIECE: Final = 4.5
TEXT: Final = "article.reply .markdown"
NAMED: Final = 3  # long tasks of each round
AT_LEAST: Final = 0.97  # of the pace that was planned, else the round is none


@dataclass(frozen=True)
class Streamed:
    """One reply. `left_ms` is from the arrival of its last piece to the last frame that had new text of it."""

    left_ms: float
    busy_ms: float
    busy_cpu_ms: float
    tasks: list[Task]
    parts: dict[str, float]
    most_cpu_ms: float
    is_whole: bool
    per_s: float

    def row(self) -> dict[str, Any]:
        return {
            "left_ms": round(self.left_ms, 1),
            "main_thread_ms": round(self.busy_ms),
            "main_thread_cpu_ms": round(self.busy_cpu_ms),
            "longest_ms": round(self.tasks[0].ms, 1),
            "longest_cpu_ms": round(self.most_cpu_ms, 1),
            "longest": [str(task) for task in self.tasks],
            "parts_ms": self.parts,
            "whole": self.is_whole,
            "pieces_per_s": round(self.per_s, 1),
        }


def stream(deployment: Deployment) -> list[Figure]:
    """2,000 pieces at 200 a second: text left over, main thread."""
    text = Writer().mixed(int(2_000 * CHARACTERS_A_PIECE))
    rounds = [_streamed(deployment, text, 2_000, 200) for _ in range(ROUNDS)]
    left = [one.left_ms for one in rounds]
    measured = f"{spread(left)}; {_main_thread(rounds)}{_whole(rounds)}"
    reached = median(left) <= 100 and _is_quick(rounds) and all(one.is_whole for one in rounds)
    name = "2,000 pieces at 200/s: text left after the last piece; main thread"
    return [Figure(name, "<= 100 ms; <= 3.0 s", measured, reached, {"rounds": [one.row() for one in rounds]})]


def firehose(deployment: Deployment) -> list[Figure]:
    """10,000 pieces at 800 a second, mixed and in one code fence: longest task."""
    characters = int(10_000 * CHARACTERS_A_PIECE)
    writer = Writer()
    texts = {
        "mixed, with long lists and tables": writer.mixed(characters, rows=150),
        "one code fence": writer.fence(characters),
    }
    return [_firehose(deployment, name, text) for name, text in texts.items()]


def _firehose(deployment: Deployment, name: str, text: str) -> Figure:
    rounds = [_streamed(deployment, text, 10_000, 800) for _ in range(ROUNDS)]
    longest, is_short = longest_task([one.tasks[0].ms for one in rounds], [one.most_cpu_ms for one in rounds], 50)
    measured = f"{longest}{_whole(rounds)}"
    reached = is_short and all(one.is_whole for one in rounds)
    values = {"rounds": [one.row() for one in rounds]}
    return Figure(f"10,000 pieces at 800/s, {name}: longest task", "< 50 ms", measured, reached, values)


def drift(deployment: Deployment) -> list[Figure]:
    """A reader who scrolled up while a reply comes: how far the text goes under their eyes."""
    text = Writer().mixed(6_000)
    found = {name: _drift(deployment, text, up) for name, up in (("within the reply", 600), ("above it", 100_000))}
    most = max(one["px"] for one in found.values())
    button = all(one["button"] for one in found.values())
    measured = f"{most:g} px over {min(one['frames'] for one in found.values())} frames; " + (
        "button named, with a hint" if button else "button or hint missing"
    )
    return [Figure("reader who scrolled up: drift", "0 px, and a named button", measured, most == 0 and button, found)]


def _streamed(deployment: Deployment, text: str, pieces: int, per_s: float) -> Streamed:
    deployment.model.plan = Plan(in_pieces(text, pieces), per_s, rest_s=REST_S)
    with deployment.browser.person() as person:
        person.open(deployment.url)
        person.page.wait_for_timeout(SETTLE_MS)
        with traced(deployment.browser.browser) as trace:
            person.page.evaluate("([selector, end]) => __probe.watch('shown', selector, end)", [TEXT, END])
            person.send("Tell me all of it, please.")
            _wait_for_end(person, pieces / per_s)
        said = deployment.model.said
        assert said is not None
        assert said.per_s >= AT_LEAST * per_s, f"the model said {said.per_s:.0f} pieces a second"
        shown = person.page.locator(TEXT).last.evaluate("(element) => element.textContent")
    return _read(trace, numbers(shown) == numbers(text) and END in shown, said.per_s)


def _read(trace: Trace, is_whole: bool, per_s: float) -> Streamed:
    shown = trace.mark("shown")
    # What comes after the text is the end of the turn; the model rested before it.
    last = max(ts for ts in trace.received("/events") if ts <= shown + 1)
    busy_ms, busy_cpu_ms = trace.busy_ms()
    left_ms = (trace.painted_after(shown) - last) / 1000
    longest = trace.longest(NAMED)
    return Streamed(left_ms, busy_ms, busy_cpu_ms, longest, trace.parts(), trace.most_cpu_ms(), is_whole, per_s)


def _wait_for_end(person: Person, takes_s: float) -> None:
    person.page.wait_for_timeout((takes_s + REST_S) * 1000)
    person.wait("document.querySelectorAll('article.reply[aria-busy=true]').length === 0")
    person.page.wait_for_timeout(1_500)  # what the end of a reply brings, colouring above all


def _drift(deployment: Deployment, text: str, up: int) -> dict[str, Any]:
    deployment.model.plan = Plan([f"{text}\n\n", *in_pieces(text, 600)], 200, rest_s=0.5)
    with deployment.browser.person() as person:
        person.open(deployment.url)
        # Something to be read above the reply.
        for number in range(2):
            person.send(f"question {number}\n" * 30)
            if number == 0:
                _wait_for_end(person, 4)
        person.wait("document.querySelectorAll('article.reply').length === 2")
        person.wait(f"document.querySelectorAll('{TEXT}')[1].textContent.includes('{END}')")
        person.page.evaluate(f"document.querySelector('.scroller').scrollBy(0, -{up})")
        person.page.wait_for_timeout(200)
        person.page.evaluate(_WATCH_DRIFT)
        _wait_for_end(person, 1)
        found: dict[str, Any] = person.page.evaluate("window.__drift.stop()")
        newest = person.page.locator("button.newest")
        label = newest.get_attribute("aria-label") if newest.count() else ""
        return {**found, "button": label or ""}


# The first text that stands in the scroller's middle.
_WATCH_DRIFT: Final = """() => {
  const box = document.querySelector('.scroller').getBoundingClientRect();
  const seen = document.elementsFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  const texts = [...document.querySelectorAll('.messages :is(p, li, tr, pre, .own-text, .markdown > *)')];
  const middle = box.top + box.height / 2;
  const element = texts.find((text) => text.getBoundingClientRect().bottom >= middle) ?? seen[0];
  window.__drift = __probe.drift(element);
}"""


def _whole(rounds: list[Streamed]) -> str:
    return "" if all(one.is_whole for one in rounds) else "; TEXT IS MISSING"


def _main_thread(rounds: list[Streamed]) -> str:
    """On the clock in the quietest round, as for the longest task; and of CPU."""
    clock, cpu = (
        [ms / 1000 for ms in some] for some in zip(*((one.busy_ms, one.busy_cpu_ms) for one in rounds), strict=True)
    )
    return f"{min(clock):.1f} s in the quietest round (worst {max(clock):.1f}; CPU {median(cpu):.1f})"


def _is_quick(rounds: list[Streamed]) -> bool:
    return min(one.busy_ms for one in rounds) <= MAIN_THREAD_MS
