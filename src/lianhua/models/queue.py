"""A line of turns in front of a model that answers one at a time: first come, first served. No I/O."""

import asyncio

from lianhua.errors import ModelRateLimited

# At some ten seconds a reply the last one waits about five minutes; longer is a refusal in disguise.
LINE_TURNS = 32


class Place:
    """One turn's place. Whoever takes one leaves it again, whatever happens."""

    def __init__(self, line: "Line") -> None:
        self._line = line
        self._moved = asyncio.Event()

    @property
    def ahead(self) -> int:
        """How many turns come first, the one being answered included; 0 means: your turn."""
        return self._line.places.index(self)

    async def moved(self) -> None:
        """Wait until a turn ahead has left since the last call."""
        await self._moved.wait()
        self._moved.clear()

    def leave(self) -> None:
        behind = self._line.places[self.ahead + 1 :]
        self._line.places.remove(self)
        for place in behind:
            place.move_up()

    def move_up(self) -> None:
        self._moved.set()


class Line:
    """`places` in order; the first one is being answered."""

    def __init__(self) -> None:
        self.places: list[Place] = []

    def join(self) -> Place:
        """A place at the end. Raises `ModelRateLimited` where the line is full."""
        if len(self.places) >= LINE_TURNS:
            raise ModelRateLimited(f"{LINE_TURNS} turns are waiting for the local model")
        place = Place(self)
        self.places.append(place)
        return place
