"""A conversation of a thousand messages, as a file that the server imports."""

import json
from typing import Any

from tests.support.engines.reader import Reader

MESSAGES = 1_000
_PARAGRAPH = "It takes its place on the page, and how much of it nobody knows before it is laid out. "
_CODE = "```python\ndef twice(value: int) -> int:\n    return 2 * value\n```\n\n"
_TABLE = "| name | value |\n|---|--:|\n| one | 1 |\n| two | 2 |\n\n"
_IMPORT = """async (file) => {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch('/api/import', { method: 'POST', headers, body: file });
  return answer.status;
}"""


def import_talk(reader: Reader) -> str:
    """Gives the reader the conversation "long talk"; its id."""
    assert reader.page.run(_IMPORT, json.dumps(_file())) == 200
    found: str = reader.get("/api/conversations")["conversations"][0]["id"]
    return found


def _file() -> dict[str, Any]:
    messages = [
        {
            "id": f"m{place}",
            "role": ("user", "assistant")[place % 2],
            "content": text(place),
            "timestamp": 1_700_000_000 + place,
            **({"parent_id": f"m{place - 1}"} if place else {}),
        }
        for place in range(MESSAGES)
    ]
    head = {"id": "talk", "title": "long talk", "role": "assistant", "created_at": 1_700_000_000}
    return {
        "format": "lianhua",
        "version": 1,
        "conversations": [{**head, "updated_at": 1_700_000_000 + MESSAGES, "messages": messages}],
    }


def text(place: int) -> str:
    """What message number `place` says: `needle{place}e` stands in no other. Between two and forty lines."""
    return (
        f"needle{place}e.\n\n" + (_PARAGRAPH * (place % 7) + "\n\n") * (place % 4 + 1) + (_CODE + _TABLE) * (place % 3)
    )
