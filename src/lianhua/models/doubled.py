"""Heads of answers that say their length twice, as gateways write that add a header which is there already. Pure."""

import re
from typing import Final

_LENGTH: Final = re.compile(rb"(?im)^content-length:[ \t]*([0-9]{1,18}(?:[ \t]*,[ \t]*[0-9]{1,18})*)[ \t]*\r?\n")


def with_one_length(head: bytes) -> bytes | None:
    """The bytes with one `Content-Length` where several say the same (RFC 9110, 8.6); None where they do not.

    `head` is an answer from its first byte, its body may have begun.
    """
    end = head.find(b"\r\n\r\n")
    lines, rest = (head[: end + 2], head[end + 2 :]) if end >= 0 else (head, b"")
    found = list(_LENGTH.finditer(lines))
    said = {length.strip() for match in found for length in match[1].split(b",")}
    if len(said) != 1 or (len(found) == 1 and b"," not in found[0][1]):
        return None
    return _LENGTH.sub(b"", lines) + b"Content-Length: %b\r\n" % said.pop() + rest
