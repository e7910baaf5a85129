"""What a server wrote, looked at without printing all of it."""

from tests.support.server_process import ServerProcess

EXCERPT_CHARS = 3_000


def met_no_bug(server: ServerProcess) -> None:
    """It wrote no traceback: everything that it met, it had been made for."""
    _, bug, rest = server.log.partition("Traceback")
    assert not bug, rest[:EXCERPT_CHARS]


def never_wrote(server: ServerProcess, secret: str) -> None:
    before, found, _ = server.log.partition(secret)
    assert not found, before[-EXCERPT_CHARS:]
