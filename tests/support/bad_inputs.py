"""Bad requests to every route and field of a server, made up from its own document: none may be a bug of ours.

`python -m tests.support.bad_inputs --count 21000 --seed 1` starts a server with a scripted model and says what came
of it.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from tests.support.server_process import ServerProcess

SCRIPT = Path(__file__).with_name("script.toml")
AT_ONCE = 8
PATIENCE_S = 40.0  # a body that never comes is refused after 30 s
BODY_BYTES = 1024 * 1024  # of an answer that are looked at

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "LOCK"]
_TEXTS = [
    "",
    " ",
    "\0",
    "\x07",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\u202e",
    "莲花",
    "🪷" * 50,
    "é" * 5,
    "\ufeff",
    "\ud800",
    "\n\r\t",
    "x" * 129,
    "x" * 201,
    "x" * 33_000,
    "../../etc/passwd",
    "..",
    "%00",
    "%",
    "%zz",
    "'; --",
    "<script>",
    "{{7*7}}",
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "9" * 400,
    "NaN",
    "Infinity",
    "0x10",
    "1.5",
    "2026-13-45",
    "00000000-0000-4000-8000-000000000000",
    "0-0",
    "abc:1-1",
    f"{'a' * 64}:{'9' * 30}-{'9' * 30}",
    ":-",
    "*",
    "?",
    "#",
    "a=b&c",
    "en",
    "zh",
    "markdown",
    "json",
]
_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    1.5,
    1e308,
    -0.0,
    [],
    {},
    [[]],
    [None],
    {"": None},
    [{}] * 50,
    {"a": {"b": {"c": []}}},
    *_TEXTS,
]
_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"0",
    b'"x"',
    b"\xff\xfe",
    b"{}" * 3,
    b'{"message": "a", "message": 1}',
    b"NaN",
    b'{"a": NaN}',
    b'{"message": 1e999}',
    b"[" * 20_000,
    b'{"a":' * 20_000,
    b'{"message": "\\ud800"}',
    b"\xef\xbb\xbf{}",
    b"\0" * 100,
    b"a=b&c=d",
    b"--x\r\n\r\n--x--",
    b"PK\x03\x04" + b"\0" * 60,
    b"\x1f\x8b\x08\0\0\0",
    b" " * 300_000,
    b"<a/>",
    b"-" + b"9" * 5_000,
]
_TYPES = [
    "application/json",
    "text/plain",
    "",
    "application/xml",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "application/json;;",
    "a/b/c",
    "\xff",
    "*/*",
    "application/problem+json",
    "application/zip",
]
_HEADERS = [
    "Accept",
    "Accept-Language",
    "Accept-Encoding",
    "Authorization",
    "Cookie",
    "Content-Encoding",
    "Content-Type",
    "Expect",
    "Forwarded",
    "Host",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Origin",
    "Range",
    "Sec-Fetch-Site",
    "Upgrade",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "Connection",
]
_WORDS = [
    "*/*",
    "en;q=x, zh;q=1e999",
    "bytes=0-0,1-9999999999",
    "lianhua_uid=x; lianhua_uid=" + "y" * 22,
    "Bearer x",
    "gzip",
    "null",
    "http://[",
    "https://evil.example",
    "[::1",
    "localhost:99999999",
    "@",
    "websocket",
    "100-continue",
    "upgrade",
    "cross-site",
    'for="[::1',
    "a,,b",
    '"',
    'W/"x"',
    "=?utf-8?q?x?=",
]


class Call(NamedTuple):
    """One operation of the document."""

    method: str
    path: str
    parameters: Sequence[Mapping[str, Any]]
    fields: Sequence[str]  # of its body


class Fault(NamedTuple):
    """A request whose answer is not as it should be."""

    why: str
    request: bytes


def calls_of(document: Mapping[str, Any]) -> list[Call]:
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            fields = sorted(_fields(body, document, 0))
            found.append(Call(method.upper(), path, operation.get("parameters", ()), fields))
    return found


def _fields(schema: Any, document: Mapping[str, Any], depth: int) -> set[str]:
    """Every name that a body may have, at any depth."""
    if not isinstance(schema, Mapping) or depth > 6:
        return set()
    if reference := schema.get("$ref"):
        return _fields(document["components"]["schemas"][reference.rpartition("/")[2]], document, depth + 1)
    names = set(schema.get("properties", ()))
    parts = [*schema.get("properties", {}).values(), schema.get("items")]
    for key in ("anyOf", "oneOf", "allOf"):
        parts += schema.get(key, ())
    return names.union(*(_fields(part, document, depth + 1) for part in parts))


def bad_request(call: Call, dice: random.Random) -> bytes:
    """A request to the call that is wrong in one way or in several. The same dice throw the same."""
    method = dice.choice(_METHODS) if dice.random() < 0.12 else call.method
    path = call.path
    query: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = [("Host", "localhost")]
    for parameter in call.parameters:
        name, where = str(parameter["name"]), parameter["in"]
        for _ in range(dice.choice((0, 1, 1, 1, 2)) if where != "path" else 1):
            if where == "path":
                path = path.replace(f"{{{name}}}", _escaped(dice.choice(_TEXTS), dice) or "x")
            elif where == "query":
                query.append((name, dice.choice(_TEXTS)))
            elif where == "header":
                headers.append((name, dice.choice(_TEXTS + _WORDS)))
    if dice.random() < 0.2:
        query.append((dice.choice(_TEXTS), dice.choice(_TEXTS)))
    more = dice.choice((0, 0, 0, 1, 2))
    headers += [(dice.choice(_HEADERS), dice.choice(_TEXTS + _WORDS)) for _ in range(more)]
    body = _body(call, dice) if call.method in ("POST", "PATCH", "PUT") or dice.random() < 0.05 else None
    if body is not None:
        headers.append(("Content-Type", "application/json" if dice.random() < 0.6 else dice.choice(_TYPES)))
        headers.append(("Content-Length", str(len(body))))
    asked = "&".join(f"{_escaped(name, dice)}={_escaped(value, dice)}" for name, value in query)
    lines = [
        f"{method} {path}{'?' if asked else ''}{asked} HTTP/1.1",
        *(f"{name}: {_line(value)}" for name, value in headers),
    ]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace") + (body or b"")


def _body(call: Call, dice: random.Random) -> bytes:
    if not call.fields or dice.random() < 0.3:
        return dice.choice(_BODIES)
    names = dice.sample(call.fields, dice.randint(1, len(call.fields)))
    body = {name: dice.choice(_VALUES) for name in names}
    if dice.random() < 0.1:
        body[dice.choice(_TEXTS)] = body
    try:
        return json.dumps(body).encode()
    except ValueError:  # it holds itself
        return json.dumps({"nested": list(body)}).encode()


def _escaped(text: str, dice: random.Random) -> str:
    if dice.random() < 0.05:
        return quote(text.encode("utf-8", "surrogatepass")) + dice.choice(("%", "%f", "%ff", "%C0%AF", "+", ";"))
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _line(value: str) -> str:
    """What stands in one line; other control characters stay, for the server to refuse."""
    return value.replace("\r", "").replace("\n", "")


async def answer_to(request: bytes, host: str, port: int) -> tuple[int, Fault | None]:
    """The status, and what is wrong with the answer. Of one that is no refusal only the head is read."""
    reader, writer = await asyncio.open_connection(host, port, limit=BODY_BYTES)
    try:
        async with asyncio.timeout(PATIENCE_S):
            writer.write(request)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                while head.startswith(b"HTTP/1.1 100 "):
                    head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as exc:
                return 0, Fault(f"no answer: {exc.partial!r}", request)
            status = int(head[9:12])
            if status < 400:
                return status, None
            body = b"" if request.startswith(b"HEAD ") else await reader.read(BODY_BYTES)
    except (TimeoutError, ConnectionError) as exc:
        return 0, Fault(type(exc).__name__, request)
    finally:
        writer.close()
    return status, _fault_in(status, head, body, request)


def _fault_in(status: int, head: bytes, body: bytes, request: bytes) -> Fault | None:
    if status >= 500:
        return Fault(f"status {status}", request)
    if b"\r\ncontent-type: application/problem+json\r\n" not in head.lower():
        return Fault(f"status {status} without a problem", request)
    if body:
        problem = json.loads(body)
        if problem["status"] != status or not problem["code"]:
            return Fault(f"status {status}: {problem}", request)
    return None


async def try_bad_inputs(url: str, count: int, seed: int) -> tuple[Counter[int], list[Fault]]:
    """Sends `count` bad requests, each call's turn in order; how often each status came, and what was wrong."""
    address = urlsplit(url)
    host, port = str(address.hostname), int(address.port or 80)
    document = await asyncio.to_thread(_document, url)
    calls = calls_of(document)
    dice = random.Random(seed)
    requests = iter([bad_request(calls[number % len(calls)], dice) for number in range(count)])
    statuses: Counter[int] = Counter()
    faults: list[Fault] = []

    async def some() -> None:
        for request in requests:
            status, fault = await answer_to(request, host, port)
            statuses[status] += 1
            if fault:
                faults.append(fault)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())
    return statuses, faults


def _document(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=PATIENCE_S) as answer:  # noqa: S310  of our own server
        return json.load(answer)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=21_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder), LIANHUA_SCRIPT=str(SCRIPT))
        try:
            statuses, faults = asyncio.run(try_bad_inputs(server.url, asked.count, asked.seed))
        finally:
            server.stop()
            bugs = server.log.count("Traceback")
            server.kill()
    print(f"{asked.count} requests, seed {asked.seed}: {dict(sorted(statuses.items()))}; {bugs} tracebacks in the log")
    for fault in faults[:20]:
        print(f"{fault.why}: {fault.request[:600]!r}")
    return 1 if faults or bugs else 0


if __name__ == "__main__":
    sys.exit(main())
