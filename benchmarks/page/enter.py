"""From Enter to the reader's own message on the screen, and to the first token of the reply.

The model waits for a time that it measures itself, from being asked to its first piece. That time is taken off the
second figure, and nothing else: what remains is the page, and also the server and the way between them, which is short
on one machine. `arrived_to_painted_ms` in the values is the page alone, from the arrival of the piece on.
"""

from statistics import median
from typing import Any, Final

from benchmarks.page.browser import Person
from benchmarks.page.deployment import Deployment
from benchmarks.page.figure import Figure, spread
from benchmarks.page.model import Plan
from benchmarks.page.trace import Trace, traced

ROUNDS: Final = 11
MODEL_WAITS_S: Final = 0.4  # long enough for everything that sending brings to be over
GOAL_OWN_MS: Final = 33
GOAL_TOKEN_MS: Final = 50
FIRST: Final = "First"


def enter(deployment: Deployment) -> list[Figure]:
    """Enter to the own message painted, and to the first token painted."""
    deployment.model.plan = Plan([FIRST, " and last."], 5, first_s=MODEL_WAITS_S)
    with deployment.browser.person() as person:
        person.open(deployment.url)
        # The first message of all makes the conversation, too; it is a round like the others.
        rounds = [_round(deployment, person, f"question {number}") for number in range(ROUNDS)]
    own, token = ([one[name] for one in rounds] for name in ("own_ms", "token_ms"))
    reached = median(own) <= GOAL_OWN_MS and median(token) <= GOAL_TOKEN_MS
    measured = f"{spread(own)} / {spread(token)}"
    name = "Enter to own message painted / to first token painted beyond the model"
    return [Figure(name, f"<= {GOAL_OWN_MS} ms / <= {GOAL_TOKEN_MS} ms", measured, reached, {"rounds": rounds})]


def _round(deployment: Deployment, person: Person, text: str) -> dict[str, Any]:
    page = person.page
    page.locator(".composer textarea").fill(text)
    page.wait_for_timeout(500)
    with traced(deployment.browser.browser) as trace:
        page.evaluate(
            """([own, token]) => {
              __probe.begin('keydown');
              __probe.watch('own', 'article.own .own-text', own);
              __probe.watch('token', 'article.reply[aria-busy=true] .markdown', token);
            }""",
            [text, FIRST],
        )
        page.locator(".composer textarea").press("Enter")
        page.wait_for_timeout(MODEL_WAITS_S * 1000 + 500)
    person.wait("document.querySelectorAll('article.reply[aria-busy=true]').length === 0")
    said = deployment.model.said
    assert said is not None
    began = _began(trace, page.evaluate("__probe.began - performance.getEntriesByName('began').at(-1).startTime"))
    own_ms, token_ms = ((trace.painted_after(trace.mark(name)) - began) / 1000 for name in ("own", "token"))
    arrived = max(ts for ts in trace.received("/events") if ts <= trace.mark("token"))
    return {
        "own_ms": round(own_ms, 1),
        "token_ms": round(token_ms - said.first_s * 1000, 1),
        "arrived_to_painted_ms": round((trace.painted_after(trace.mark("token")) - arrived) / 1000, 1),
    }


def _began(trace: Trace, before_ms: float) -> float:
    """When the key went down: a little before the page heard of it."""
    return trace.mark("began") + before_ms * 1000
