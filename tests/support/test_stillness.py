"""The measure of a slow machine is what it promises: nearly nothing where nothing is slow, and as much as is."""

import threading
import time

from tests.support.stillness import Stopwatch, Took, took_between


def test_a_bound_is_widened_by_slowness_and_gap() -> None:
    took = Took(3.0, slowness=2.0, gap_s=0.5)
    assert took.within(1.3)
    assert not took.within(1.2)


def test_what_keeps_this_process_from_working_is_seen() -> None:
    watch, enough = Stopwatch(), threading.Event()
    rivals = [threading.Thread(target=_spin, args=(enough,)) for _ in range(4)]  # for the interpreter's one lock
    for rival in rivals:
        rival.start()
    time.sleep(0.6)
    enough.set()
    for rival in rivals:
        rival.join()
    assert watch.took().slowness > 3
    assert watch.took().gap_s > 0.002


def test_what_came_before_or_afterwards_does_not_count() -> None:
    watch = Stopwatch()
    time.sleep(0.2)
    ended = time.monotonic()
    then = watch.took(ended)
    time.sleep(0.2)
    assert watch.took(ended).s == then.s
    assert took_between(watch.began - 100, watch.began - 99.9).slowness >= 1


def _spin(enough: threading.Event) -> None:
    while not enough.is_set():
        sum(range(1_000))
