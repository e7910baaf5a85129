"""A few hundred bad requests; `python -m tests.support.bad_inputs` makes any number of them."""

from tests.support.bad_inputs import try_bad_inputs
from tests.support.server_process import ServerProcess

COUNT = 300


async def test_no_bad_input_is_a_bug_of_the_server_and_every_refusal_is_a_problem(http_server: ServerProcess) -> None:
    statuses, faults = await try_bad_inputs(http_server.url, COUNT, seed=16)
    assert faults == []
    assert sum(statuses.values()) == COUNT
    assert {404, 405, 422} <= statuses.keys()
