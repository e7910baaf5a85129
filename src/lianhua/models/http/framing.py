"""The head of an answer that says its body's length twice, as gateways do that add what their server said already.

RFC 9112, 6.3: with chunks a length does not count; RFC 9110, 8.6: equal lengths are one. Either may as well be an
attempt to smuggle an answer in, so such a connection is not used again. Pure.
"""

from collections.abc import Sequence

_FRAMING = (b"content-length", b"transfer-encoding")


def is_said_twice(start: bytes | bytearray) -> bool:
    """Whether the beginning of an answer has more than one header about its body's length, or two values in one."""
    found = [line for line in bytes(start).split(b"\n") if _name(line) in _FRAMING]
    return len(found) > 1 or any(_name(line) == b"content-length" and b"," in line for line in found)


def mended(start: bytes) -> bytes | None:
    """The beginning of an answer with its length said once, or as it is where that is in dispute; None as long as the
    head is not complete. Answers before the answer (1xx) stay before it.
    """
    before = b""
    while True:
        ends = [end for mark in (b"\n\r\n", b"\n\n") if (end := start.find(mark)) >= 0]
        if not ends:
            return None
        end = min(ends) + 1
        if not _is_interim(start):
            return before + _said_once(start[:end]) + start[end:]
        blank = 2 if start[end : end + 1] == b"\r" else 1
        before += start[: end + blank]
        start = start[end + blank :]


def _said_once(head: bytes) -> bytes:
    lines = head.splitlines(keepends=True)
    codings = [coding for coding in _values(lines, b"transfer-encoding") if coding != b"identity"]
    lengths = _values(lines, b"content-length")
    unwanted: list[bytes] = []
    if not codings:
        unwanted.append(b"transfer-encoding")
    if codings[-1:] == [b"chunked"]:
        unwanted.append(b"content-length")
    elif len(set(lengths)) == 1 and lengths[0].isdigit():
        unwanted.append(b"content-length")
        lines.insert(1, b"Content-Length: %b\r\n" % lengths[0])
        return b"".join([*lines[:2], *(line for line in lines[2:] if _name(line) not in unwanted)])
    return b"".join(line for line in lines if _name(line) not in unwanted)


def _values(lines: Sequence[bytes], name: bytes) -> list[bytes]:
    found = [line.partition(b":")[2] for line in lines if _name(line) == name]
    return [value.strip().lower() for value in b",".join(found).split(b",") if value.strip()]


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].strip().lower() if b":" in line and line[:1] not in b" \t" else b""


def _is_interim(start: bytes) -> bool:
    status = start.split(b"\n", 1)[0].split()[1:2]
    return bool(status) and len(status[0]) == 3 and status[0].startswith(b"1")
