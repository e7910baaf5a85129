"""Conversations of 1,000 messages: opened in a new tab, changed between, held in memory, searched by the browser."""

import json
from typing import Any, Final

from benchmarks.page.browser import Person
from benchmarks.page.deployment import Deployment
from benchmarks.page.figure import Figure, longest_task, spread
from benchmarks.page.trace import Trace, traced
from benchmarks.page.writings import END, FIRST, conversations

MESSAGES: Final = 1_000
ROUNDS: Final = 5
NAMED: Final = 3  # long tasks of each round
SETTLE_MS: Final = 3_000  # at least; what is drawn later is drawn by then on a machine of its own
LOOK_MS: Final = 500
LOOKS: Final = 3  # that find the page unchanged
MOST_LOOKS: Final = 60
NEWEST: Final = "article.reply .markdown"
WORD: Final = FIRST.split()[-1].rstrip(".")


def long_talk(deployment: Deployment) -> list[Figure]:
    """1,000 messages: cold page, switch, longest task, heap, and whether the browser finds the first message."""
    file, ids = conversations(2, MESSAGES)
    with deployment.browser.person() as owner:
        imported = owner.context.request.post(
            f"{deployment.url}/api/import", data=json.dumps(file).encode(), headers={"Content-Type": "application/json"}
        )
        assert imported.ok, imported.text()
        # An import may give other ids.
        listed = owner.context.request.get(f"{deployment.url}/api/conversations").json()["conversations"]
        titles = {conversation["title"]: conversation["id"] for conversation in listed}
        assert len(titles) == len(ids), listed
        cookies = owner.context.cookies()
    rounds = [_round(deployment, cookies, list(titles.items())) for _ in range(ROUNDS)]
    cold, again, first = ([one[name] for one in rounds] for name in ("cold_ms", "switch_again_ms", "switch_ms"))
    longest, is_short = longest_task(
        [one["longest_ms"] for one in rounds], [one["longest_cpu_ms"] for one in rounds], 50
    )
    heap = [one["heap_mb"] for one in rounds]
    findable = [one["found"] for one in rounds]
    switch = [*first, *again]
    # What is not there is held in no memory and drawn in no time.
    there = "" if all(findable) else f", with {rounds[0]['messages']} of {MESSAGES} messages on the page"
    return [
        Figure(
            "1,000 messages: cold page", "<= 400 ms", spread(cold), sorted(cold)[ROUNDS // 2] <= 400, {"rounds": rounds}
        ),
        Figure(
            "1,000 messages: switch within the page",
            "<= 100 ms",
            f"{spread(first)} the first time, {spread(again)} again",
            sorted(switch)[len(switch) // 2] <= 100,
        ),
        Figure("1,000 messages: longest task", "<= 50 ms", longest, is_short),
        Figure(
            "1,000 messages: heap",
            "<= 12 MB",
            f"{spread(heap, 'MB', 1)}{there}",
            max(heap) <= 12 and all(findable),
        ),
        Figure(
            "1,000 messages: all text findable with Ctrl-F",
            "yes",
            f"{'yes' if all(findable) else 'no'}{there}",
            all(findable),
        ),
    ]


def _round(deployment: Deployment, cookies: list[Any], talks: list[tuple[str, str]]) -> dict[str, Any]:
    (_, here), (other_title, _) = talks
    with deployment.browser.person() as person:
        person.context.add_cookies(cookies)
        with traced(deployment.browser.browser) as trace:
            person.page.add_init_script(f"__probe.watch('newest', {NEWEST!r}, {END!r})")
            person.page.goto(f"{deployment.url}/#/c/{here}", wait_until="commit")
            _settle(person)
        cold_ms = (trace.painted_after(trace.mark("newest")) - _navigated(trace)) / 1000
        assert _is_newest_in_sight(person), "the page does not show the newest message"
        found = _finds(person)
        heap_mb = _heap_mb(person)
        switch_ms, switched = _switch(deployment, person, other_title)
        again_ms, back = _switch(deployment, person, talks[0][0])
        tasks = {"cold": trace.longest(NAMED), "switch": switched.longest(NAMED), "again": back.longest(NAMED)}
        most_cpu_ms = max(one.most_cpu_ms() for one in (trace, switched, back))
        count = person.page.locator(".messages article").count()
    return {
        "cold_ms": round(cold_ms),
        "switch_ms": round(switch_ms),
        "switch_again_ms": round(again_ms),
        "longest_ms": round(max(some[0].ms for some in tasks.values()), 1),
        "longest_cpu_ms": round(most_cpu_ms, 1),
        "heap_mb": round(heap_mb, 1),
        "found": found,
        "messages": count,
        "longest": {name: [str(task) for task in some] for name, some in tasks.items()},
    }


def _switch(deployment: Deployment, person: Person, title: str) -> tuple[float, Trace]:
    """Milliseconds from a click in the list to the newest message of the conversation called `title`."""
    link = person.page.locator(".side-link").filter(has_text=title)
    link.hover()
    person.page.wait_for_timeout(300)
    with traced(deployment.browser.browser) as trace:
        person.page.evaluate(
            """([selector, end]) => {
              __probe.begin('click');
              // The old text is still there, and ends the same way.
              const old = document.querySelectorAll(selector);
              old.forEach((element) => element.dataset.old = '');
              __probe.watch('newest', selector + ':not([data-old])', end);
            }""",
            [NEWEST, END],
        )
        link.click()
        _settle(person)
    assert _is_newest_in_sight(person), "the page does not show the newest message"
    began: float = person.page.evaluate("__probe.began")
    clicked: float = person.page.evaluate("performance.getEntriesByName('began').at(-1).startTime")
    return (trace.painted_after(trace.mark("newest")) - trace.mark("began")) / 1000 + (clicked - began), trace


def _settle(person: Person) -> None:
    """Until the page has drawn all that it draws later."""
    person.page.wait_for_timeout(SETTLE_MS)
    seen: list[int] = []
    while len(set(seen[-LOOKS:])) != 1 or len(seen) < LOOKS:
        assert len(seen) < MOST_LOOKS, "the page does not come to rest"
        person.page.wait_for_timeout(LOOK_MS)
        seen.append(person.page.evaluate("document.getElementsByTagName('*').length"))


def _navigated(trace: Trace) -> float:
    """When the page was asked for."""
    return max(float(event["ts"]) for event in trace.events if event["name"] == "navigationStart" and _is_own(event))


def _is_own(event: dict[str, Any]) -> bool:
    return "127.0.0.1" in event["args"].get("data", {}).get("documentLoaderURL", "")


def _is_newest_in_sight(person: Person) -> bool:
    found: bool = person.page.evaluate(
        """(selector) => {
          const last = [...document.querySelectorAll(selector)].at(-1).lastElementChild.getBoundingClientRect();
          const box = document.querySelector('.scroller').getBoundingClientRect();
          return last.bottom > box.top && last.bottom <= box.bottom;
        }""",
        NEWEST,
    )
    return found


def _finds(person: Person) -> bool:
    """Whether the browser's own search comes upon a word of the first message."""
    found: bool = person.page.evaluate("(word) => window.find(word, false, true, true)", WORD)
    person.page.evaluate("getSelection().removeAllRanges()")
    person.page.evaluate("(s) => document.querySelector(s).scrollTo(0, 1e9)", ".scroller")
    return found


def _heap_mb(person: Person) -> float:
    person.tab.send("HeapProfiler.enable")
    for _ in range(2):
        person.tab.send("HeapProfiler.collectGarbage")
    person.tab.send("HeapProfiler.disable")
    used: float = person.tab.send("Runtime.getHeapUsage")["usedSize"]
    return used / 1e6
