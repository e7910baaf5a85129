"""Bodies of probes and refusals."""

from lianhua.api.schemas.body import Out


class HealthOut(Out):
    status: str


class ProblemOut(Out):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[dict[str, str]] | None = None
    running_turn_id: str | None = None
    request_id: str | None = None
