"""What names, titles and other short texts may hold: one rule for what people send and what files bring."""

import re
from typing import Final

TITLE_CHARS: Final = 200
MADE_TITLE_CHARS: Final = 40  # of one that is the beginning of a message
NAME_CHARS: Final = 200  # of a model, a persona, an id
# C0 and C1 control characters but tab, line feed and carriage return: what no person types and no terminal should meet.
CONTROL_CHARACTERS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
CONTROL_CHARACTERS_IN_NAMES: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]")  # cannot be stored as UTF-8


def is_plain(text: str) -> bool:
    """Whether a text can be stored, shown and logged as it is."""
    return not (CONTROL_CHARACTERS.search(text) or LONE_SURROGATES.search(text))
