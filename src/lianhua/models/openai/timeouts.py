"""How long a server of a model is waited for."""

from msgspec import Struct


class Limits(Struct, frozen=True):
    """All in seconds. `delta_s` is the longest silence between two events of a reply; comments do not break it.

    `retry_s` is about how long the first wait before another try is; each further one is twice as long.
    """

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    delta_s: float = 60.0
    retry_s: float = 1.0
