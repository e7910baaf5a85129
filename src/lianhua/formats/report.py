"""What an import has brought and what it has left out. Nothing is left out in silence."""

from typing import Final

from msgspec import Struct

EXAMPLE_CHARS: Final = 80


class Imported(Struct, frozen=True, omit_defaults=True):
    """What is new. `extended` are conversations that were here already and have got messages; None for none."""

    conversations: int
    messages: int
    personas: int
    extended: int | None = None


class Skipped(Struct, frozen=True, omit_defaults=True):
    """`count` things of a kind that were left out or changed, and one of them to recognise them by."""

    what: str
    reason: str
    count: int
    example: str | None = None


class ImportReport(Struct, frozen=True):
    """`format` is what the file turned out to be."""

    format: str
    imported: Imported
    skipped: tuple[Skipped, ...]


class Tally:
    """Counts while a file is read. `keeps`: what is not understood is kept as well as counted."""

    def __init__(self, *, keeps: bool = False) -> None:
        self.keeps = keeps
        self.conversations = 0
        self.extended = 0
        self.messages = 0
        self.personas = 0
        self._skipped: dict[tuple[str, str], Skipped] = {}

    def skip(self, what: str, reason: str, example: str = "", count: int = 1) -> None:
        """Something was left out or changed; the first example of each kind stays."""
        if count <= 0:
            return
        known = self._skipped.get((what, reason))
        shown = known.example if known and known.example else " ".join(example.split())[:EXAMPLE_CHARS] or None
        self._skipped[what, reason] = Skipped(what, reason, (known.count if known else 0) + count, shown)

    def report(self, file_format: str) -> ImportReport:
        imported = Imported(self.conversations, self.messages, self.personas, self.extended or None)
        return ImportReport(file_format, imported, self.skipped)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """By kind, in order."""
        return tuple(self._skipped[key] for key in sorted(self._skipped))
