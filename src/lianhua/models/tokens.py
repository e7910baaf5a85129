"""How many tokens a text costs: counted exactly where that is possible without a download, else estimated."""

import hashlib
import importlib.util
import os
import re
from pathlib import Path

from lianhua.chat.prompt import CountTokens

# Scripts of which each character counts as one token: Chinese, Japanese, Korean, and those that have few entries in
# most vocabularies, from Hebrew to the scripts of India and South-East Asia.
_WIDE_RUN = re.compile(r"[\u0590-\u05ff\u0700-\u1fff\u2e80-\ud7ff\uf900-\ufaff\uff00-\uffef]+")
# Of everything else each match counts as one token.
_PIECE = re.compile(
    r"(?<=[a-z])[a-z]{1,4}"  # the rest of a long word falls into shorter pieces than its start
    r"| ?[A-Z]?[a-z]{1,5}"
    r"| ?[A-Z]{1,3}"
    r"|[0-9]"  # Qwen and Gemma take digits one by one, others up to three together
    r"|[ \t]{1,16}"
    r"|[\r\n]{1,2}"
    r"| ?[!-/:-@\[-`{-~]{1,2}"
    r"| ?[\u0370-\u052f\u0600-\u06ff]{1,2}"  # Greek, Cyrillic, Arabic
    r"|[\u2500-\u257f]{1,4}"  # the lines of tables
    r"|.",
    re.DOTALL,
)
# What few vocabularies hold is spelt in bytes: symbols and rare ideographs cost a second token, and what lies beyond
# the Basic Multilingual Plane, most emoji among it, a third.
_TWO = re.compile(r"[\u2000-\u24ff\u2580-\u2bff\u3400-\u4dbf\ue000-\uf8ff\ufe00-\ufe0f]")
_THREE = re.compile(r"[\U00010000-\U0010ffff]")


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` is, rather too many than too few.

    Weighed against the vocabularies of o200k, Qwen3, Llama 3, DeepSeek V3 and Gemma 3: 1.0 to 1.5 times the true count
    for European languages, code and formulas, 1.1 to 1.9 times for Chinese and Japanese, up to 4 times for scripts that
    some of them hold whole words of and others spell in bytes. Known to be too low: Chinese of rare characters (0.6),
    random base64 (0.9), and Chinese for the older cl100k vocabulary of GPT-4 (0.7 to 0.9).
    """
    if text.isascii():
        return len(_PIECE.findall(text))
    # A run shrinks to one character, which is one piece; the length that is lost stands for the rest of it.
    short = _WIDE_RUN.sub("\x01", text)
    pieces = len(_PIECE.findall(short)) + len(text) - len(short)
    return pieces + len(_TWO.findall(text)) + 2 * len(_THREE.findall(text))


# The encodings of today's OpenAI models: where tiktoken has them from (the SHA-1 of which names its cache file), and
# their SHA-256. tiktoken_ext/openai_public.py of tiktoken 0.14.
_BLOBS = "https://openaipublic.blob.core.windows.net/encodings"
_DATA = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}


def token_counter(model: str) -> tuple[CountTokens, str]:
    """The best counter for `model`, and what it is: "tiktoken o200k_base", or "estimate".

    tiktoken counts where it is installed, knows the model by its name and has the encoding's data in its cache folder
    (`TIKTOKEN_CACHE_DIR` or `DATA_GYM_CACHE_DIR`). It is never let near the network.
    """
    if importlib.util.find_spec("tiktoken") is None:
        return estimate_tokens, "estimate"
    import tiktoken  # noqa: PLC0415  optional, and not there for everybody

    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return estimate_tokens, "estimate"
    # The harmony encoding differs from its base in special tokens alone.
    name = name.replace("o200k_harmony", "o200k_base")
    if name not in _DATA or not _has_data(name):
        return estimate_tokens, "estimate"
    encoding = tiktoken.get_encoding(name)

    def count(text: str) -> int:
        return len(encoding.encode_ordinary(text))

    return count, f"tiktoken {name}"


def _has_data(name: str) -> bool:
    # The file is hashed as tiktoken hashes it: finding another hash, tiktoken deletes the file and downloads it again.
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR", ""))
    url = f"{_BLOBS}/{name}.tiktoken"
    file = Path(folder) / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    try:
        return bool(folder) and hashlib.sha256(file.read_bytes()).hexdigest() == _DATA[name]
    except OSError:
        return False
