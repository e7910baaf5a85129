"""What is known of the servers' versions: which are too old, what they can do, and a fault that loses writes."""

from typing import Final

Version = tuple[int, ...]

MIN_VERSION: Final = {"redis": 7, "valkey": 8}
WAITAOF_VERSION: Final = {"redis": (7, 2), "valkey": (7, 2)}
# Of each line of Valkey the first release with pull request 4342 in it; later lines have it from their beginning. No
# release of Redis is known to have it: 7.0.15 was seen to lose writes, and the lines up to 8.0 have the same code.
_MENDED: Final = {(8, 0): 11, (8, 1): 10, (9, 0): 6, (9, 1): 2}


def loses_after_a_tear(name: str, version: Version) -> bool:
    """Whether a server that has an append-only file may lose writes that it has acknowledged.

    Where a power cut breaks the file off within a transaction or a script, it cuts the file behind the MULTI: what is
    written from then on belongs to a transaction without an end, and the start after the next one throws it away.
    """
    if name == "redis":
        return True
    line, release = version[:2], version[2] if len(version) > 2 else 0
    return line < min(_MENDED) or release < _MENDED.get((line[0], line[1] if len(line) > 1 else 0), 0)
