"""Which form the store's data has. An older one is brought to ours at the start; a newer one is refused."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from lianhua.errors import WrongSettings
from lianhua.store.client.client import StoreClient
from lianhua.store.client.keys import PREFIX

FORMAT: Final = 2
FORMAT_KEY: Final = f"{PREFIX}:{{format}}"
RESTORING: Final = b"restoring"  # in the number's place while a backup is brought in

Step = Callable[[StoreClient], Awaitable[None]]


async def _nothing_else(_database: StoreClient) -> None:
    """The format got a number; the data is as it was."""


# From the format of that number to the next. Each step may be repeated, and workers of the version before go on
# meanwhile: it only adds. Steps are never taken out again, but those of more than one release before may be.
STEPS: Final[Mapping[int, Step]] = {1: _nothing_else}


async def format_of(database: StoreClient) -> int:
    """The number; 1 where there is none, as in stores of 0.1 and in empty ones. Raises `WrongSettings`."""
    (mark,) = await database.ask(("GET", FORMAT_KEY))
    if mark == RESTORING:
        raise WrongSettings("store: a restore into it was broken off; empty it and run `lianhua restore` again")
    return int(mark) if mark is not None else 1


async def bring_to_format(database: StoreClient, where: str, steps: Mapping[int, Step] = STEPS) -> None:
    """Makes the store ours to use. Raises `WrongSettings` when a newer version has written it."""
    number = await format_of(database)
    if number > FORMAT:
        raise WrongSettings(
            f"store: {where} has format {number} of a newer Lianhua, this one knows up to {FORMAT}; "
            "run the newer version, or restore a backup from before it"
        )
    for step in range(number, FORMAT):
        if step not in steps:
            raise WrongSettings(f"store: {where} has format {number}, which is too old; run the version before first")
        await steps[step](database)
    if number < FORMAT:
        await database.ask(("SET", FORMAT_KEY, FORMAT))
