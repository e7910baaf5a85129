"""Words that were given up for the field's terms do not come back as parts of names."""

import io
import re
import tokenize
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "benchmarks")
SUFFIXES = {".py", ".lua", ".toml", ".mjs", ".c", ".sh"}
GIVEN_UP = (
    "aftermath", "carry", "grams", "ground", "house", "labels", "mending", "mirror", "ours", "pace", "people", "seam",
    "shape", "sign", "story", "told", "wakeups", "wire",
    "worker line",
)  # fmt: skip
IN_A_NAME = re.compile(rf"\b({'|'.join(GIVEN_UP)})\b")


def test_names_use_the_fields_terms() -> None:
    wrong = {
        f"{path}: {name}"
        for path, name in chain(_names_of_files(), _names_in_files())
        if IN_A_NAME.search(_words(name))
    }
    assert not wrong


def _names_of_files() -> Iterator[tuple[Path, str]]:
    for path in _sources():
        yield path, "/".join(path.with_suffix("").parts)


def _names_in_files() -> Iterator[tuple[Path, str]]:
    for path in _sources():
        if path.suffix == ".py":
            for token in tokenize.generate_tokens(io.StringIO((ROOT / path).read_text("utf-8")).readline):
                if token.type == tokenize.NAME:
                    yield path, token.string


def _sources() -> list[Path]:
    files = chain.from_iterable((ROOT / folder).rglob("*") for folder in FOLDERS)
    paths = sorted(path.relative_to(ROOT) for path in files if path.suffix in SUFFIXES)
    return [path for path in paths if "node_modules" not in path.parts]  # what others have written


def _words(name: str) -> str:
    """`PuppetModel.next_reply` -> `puppet model next reply`."""
    return " ".join(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name))
