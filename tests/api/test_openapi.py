"""The document that describes the routes, and the routes as it describes them."""

import subprocess
import sys
from pathlib import Path

from tests.support.client import Client
from tests.support.server_process import ServerProcess

PROMISED = {
    "/api/chat/start": {"post"},
    "/api/chat/stream": {"get"},
    "/api/chat/history": {"get"},
    "/api/chat/history/{session_id}": {"delete"},
    "/api/roles": {"get"},
    "/api/conversations": {"get", "post"},
    "/api/conversations/{conversation_id}": {"get", "patch", "delete"},
    "/api/conversations/{conversation_id}/messages": {"get"},
    "/api/conversations/{conversation_id}/turns": {"post"},
    "/api/conversations/{conversation_id}/turns/{turn_id}": {"get"},
    "/api/conversations/{conversation_id}/turns/{turn_id}/events": {"get"},
    "/api/conversations/{conversation_id}/turns/{turn_id}/stop": {"post"},
    "/api/conversations/{conversation_id}/export": {"get"},
    "/api/events": {"get"},
    "/api/export": {"get"},
    "/api/import": {"post"},
    "/api/models": {"get"},
    "/api/personas": {"get", "post"},
    "/api/personas/{persona_id}": {"get", "patch", "delete"},
    "/api/settings": {"get", "patch"},
    "/api/start": {"get"},
    "/api/usage": {"get"},
    "/healthz": {"get"},
    "/readyz": {"get"},
}


async def test_the_document_names_every_promised_call(alice: Client) -> None:
    document = await alice.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    described = {path: set(calls) for path, calls in document["paths"].items()}
    assert {path: calls & described.get(path, set()) for path, calls in PROMISED.items()} == PROMISED


async def test_every_refusal_is_described_as_a_problem(alice: Client) -> None:
    document = await alice.get("/openapi.json")
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            assert "application/problem+json" in call["responses"]["4XX"]["content"], (method, path)


async def test_the_documentation_can_be_read(alice: Client) -> None:
    answer = await alice.ask("GET", "/docs")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert b"http://" not in answer.body
    assert b"https://" not in answer.body


def test_no_call_that_fits_the_document_or_not_is_a_bug_of_the_server(
    http_server: ServerProcess, tmp_path: Path
) -> None:
    # A stream that a made-up call opens ends by itself: whatever is sent is echoed. Only the one of a user's changes
    # has no end, and a test of its own.
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{http_server.url}/openapi.json",
        "--checks", "not_a_server_error,content_type_conformance,response_schema_conformance",
        "--exclude-path", "/api/events", "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", "15", "--max-time", "8", "--seed", "1",
        "--request-timeout", "60", "--no-shrink", "--no-color", "--continue-on-failure",
    ]  # fmt: skip
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout
