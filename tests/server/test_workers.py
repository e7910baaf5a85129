"""Several workers, seen from outside: under one supervisor, and as servers of their own on one store."""

from typing import Final

from tests.server import shared_store, supervised
from tests.support.side_by_side import Begun, Scenario

SCENARIOS: Final[list[Scenario]] = [
    supervised.replaced_workers,
    supervised.killed_while_replaced,
    supervised.refused_replacement,
    supervised.asked_twice,
    supervised.killed_supervisor,
    supervised.wrong_settings,
    supervised.found_by_a_worker,
    supervised.taken_port,
    shared_store.followed,
    shared_store.stopped,
    shared_store.hints_cut,
    shared_store.no_channels,
    shared_store.crowd,
]


def test_all_workers_are_replaced_while_users_talk(begun: Begun) -> None:
    begun[supervised.replaced_workers].result()


def test_a_worker_that_dies_while_all_are_replaced_is_replaced_once(begun: Begun) -> None:
    begun[supervised.killed_while_replaced].result()


def test_workers_go_on_when_new_ones_refuse_their_settings(begun: Begun) -> None:
    begun[supervised.refused_replacement].result()


def test_asked_twice_all_workers_end_at_once_and_keep_what_was_shown(begun: Begun) -> None:
    begun[supervised.asked_twice].result()


def test_a_killed_supervisor_leaves_nothing_running_and_the_next_one_recovers(begun: Begun) -> None:
    begun[supervised.killed_supervisor].result()


def test_what_is_wrong_is_said_once_however_many_workers(begun: Begun) -> None:
    begun[supervised.wrong_settings].result()


def test_what_only_a_worker_finds_out_is_said_once_too(begun: Begun) -> None:
    begun[supervised.found_by_a_worker].result()


def test_a_port_that_is_taken_is_said_before_anything_is_started(begun: Begun) -> None:
    begun[supervised.taken_port].result()


def test_a_turn_is_followed_resumed_and_joined_at_any_server(begun: Begun) -> None:
    begun[shared_store.followed].result()


def test_a_turn_is_stopped_at_once_from_a_server_that_does_not_run_it(begun: Begun) -> None:
    begun[shared_store.stopped].result()


def test_lost_hints_delay_a_viewer_and_cost_it_nothing(begun: Begun) -> None:
    begun[shared_store.hints_cut].result()


def test_a_store_that_forbids_channels_will_do(begun: Begun) -> None:
    begun[shared_store.no_channels].result()


def test_many_viewers_elsewhere_cost_the_store_no_connections(begun: Begun) -> None:
    begun[shared_store.crowd].result()
