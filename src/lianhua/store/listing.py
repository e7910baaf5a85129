"""A user's list of conversations, newest activity first: its cursors, and the walk along it."""

import re

from lianhua.errors import InvalidRequest
from lianhua.store.client.client import StoreClient

# The time of a conversation's last activity as Python writes a float, and its id.
_LIST_CURSOR = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,20})?)_([0-9a-f-]{36})")


def parse_list_cursor(before: str | None) -> tuple[str, str | None]:
    """The score and the id after which a page of the list begins. Raises `InvalidRequest`."""
    if before is None:
        return "+inf", None
    found = _LIST_CURSOR.fullmatch(before)
    if not found:
        raise InvalidRequest("before", "not a cursor of this list")
    return found[1], found[2]


class ListWalk:
    """The rows after a cursor, `rows` at a time. `passed` counts them, `place` is where to go on, None at the end."""

    def __init__(self, database: StoreClient, listed: str, before: str | None, rows: int) -> None:
        self._database = database
        self._listed = listed
        self._rows = rows
        self._score, self._passed_id = parse_list_cursor(before)
        self._ties = 0  # rows of the same moment as the last one, where they fill whole steps
        self.ended = False
        self.passed = 0

    @property
    def place(self) -> str | None:
        return None if self.ended else f"{self._score}_{self._passed_id}"

    async def step(self) -> list[tuple[str, str]]:
        """The next rows, an id and the cursor after it for each."""
        (flat,) = await self._database.ask(
            (
                "ZREVRANGEBYSCORE", self._listed, self._score, "-inf", "WITHSCORES",
                "LIMIT", self._ties, self._rows,
            )
        )  # fmt: skip
        rows = [(member.decode(), float(at)) for member, at in zip(flat[::2], flat[1::2], strict=True)]
        # Rows of the same moment are ordered by id, downwards like the scores.
        new = [
            (name, at) for name, at in rows if not self._passed_id or at < float(self._score) or name < self._passed_id
        ]
        self.ended = len(rows) < self._rows
        self.passed += len(new)
        same = bool(rows) and repr(rows[-1][1]) == self._score
        self._ties = self._ties + len(rows) if same else 0
        if new:
            self._passed_id, at = new[-1]
            self._score = repr(at)
        return [(name, f"{at!r}_{name}") for name, at in new]

    def gone(self, rows: int) -> None:
        """So many rows of the last step have left the list meanwhile."""
        self._ties = max(self._ties - rows, 0)
