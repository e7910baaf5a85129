"""Bodies of an import's report."""

from lianhua.api.schemas.body import Out
from lianhua.formats.kinds import Format


class ImportedOut(Out):
    conversations: int
    messages: int
    personas: int
    extended: int | None = None


class SkippedOut(Out):
    """So many things of a kind that were left out or changed, and one of them."""

    what: str
    reason: str
    count: int
    example: str | None = None


class ImportReportOut(Out):
    format: Format
    imported: ImportedOut
    skipped: list[SkippedOut]
