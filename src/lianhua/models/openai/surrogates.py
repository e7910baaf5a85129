"""Pieces of text made valid Unicode: a server may cut where JavaScript counts, in the midst of a character. Pure."""


class UnicodeMender:
    """Reads the pieces of one text. `half` is a surrogate whose other half the next piece may bring."""

    def __init__(self) -> None:
        self.half = ""

    def mend(self, piece: str, odd: bool) -> str:
        """`piece` with surrogate pairs joined, lone ones made U+FFFD, and NULs removed: nobody can see those, and not
        everything can store them. Only an `odd` piece, one that the strict decoder refused, may hold surrogates."""
        if odd or self.half:
            text = self.half + piece
            self.half = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
            whole = text[: len(text) - len(self.half)]
            piece = whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return piece.replace("\0", "") if "\0" in piece else piece
