"""What nobody expected leaves as a problem too."""

import contextlib

from fastapi import FastAPI

from lianhua.api import problems


async def test_a_bug_of_the_server_is_a_problem_and_says_nothing_of_itself() -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/api/broken")
    async def broken() -> None:
        raise ValueError("a secret")

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http", "method": "GET", "path": "/api/broken", "raw_path": b"/api/broken", "query_string": b"",
        "headers": [(b"accept-language", b"en")], "http_version": "1.1", "scheme": "http", "root_path": "",
    }  # fmt: skip
    with contextlib.suppress(ValueError):  # for the log, once the answer is on its way
        await app(scope, receive, send)  # type: ignore[arg-type]
    headers = dict(sent[0]["headers"])  # type: ignore[call-overload]
    assert (sent[0]["status"], headers[b"content-type"]) == (500, b"application/problem+json")
    assert b"internal" in sent[1]["body"] and b"secret" not in sent[1]["body"]  # type: ignore[operator]
