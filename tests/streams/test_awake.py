"""What a process has slept through does not count."""

from lianhua.streams.awake import Awake


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def awake_with_clock() -> tuple[Awake, Clock]:
    clock = Clock()
    return Awake(clock), clock


def run(awake: Awake, clock: Clock, seconds: float) -> None:
    for _ in range(round(seconds * 2)):
        clock.now += 0.5
        awake.look()


def test_time_in_which_the_process_ran_counts() -> None:
    awake, clock = awake_with_clock()
    began = clock.now
    run(awake, clock, 20)
    assert awake.since(began) == 20


def test_a_freeze_does_not_count() -> None:
    awake, clock = awake_with_clock()
    began = clock.now
    run(awake, clock, 2)
    clock.now += 3600
    assert awake.since(began) == 2
    run(awake, clock, 3)
    assert awake.since(began) == 5


def test_of_a_freeze_only_what_lies_after_the_moment_is_left_out() -> None:
    awake, clock = awake_with_clock()
    clock.now += 20
    moment = clock.now - 5  # as if something had been written down in the midst of it
    awake.look()
    run(awake, clock, 1)
    assert awake.since(moment) == 1
    assert awake.since(clock.now) == 0


def test_many_freezes_are_left_out_one_by_one() -> None:
    awake, clock = awake_with_clock()
    began = clock.now
    for _ in range(5):
        clock.now += 14
        awake.look()
        run(awake, clock, 1)
    assert awake.since(began) == 5
