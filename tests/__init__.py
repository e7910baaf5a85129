"""Tests on real parts. What they share, in `support`, says as much where it fails as they do themselves."""

import pytest

pytest.register_assert_rewrite("tests.support", "tests.chaos", "tests.server", "tests.proxies")
