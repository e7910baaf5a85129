import pytest

from lianhua import errors
from lianhua.chat import texts
from lianhua.chat.messages import Language


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh"), ("", "zh"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("en-US,en;q=0.9", "en"),
        ("en;q=0.3, zh;q=0.4", "zh"), ("fr, en;q=0.5", "en"), ("fr", "zh"), ("*", "zh"), ("en;q=0", "zh"),
        ("EN-gb", "en"), ("en;q=x, zh;q=0.1", "zh"), ("zh-Hant-TW", "zh"), (";;;,,,", "zh"),
    ],
)  # fmt: skip
def test_the_viewers_language(header: str | None, language: Language) -> None:
    assert texts.preferred_language(header) == language


def test_every_error_code_has_words_in_both_languages() -> None:
    for code in {kind.code for kind in _tree(errors.LianhuaError)}:
        assert texts.say(code, "zh") != texts.say(code, "en")


def _tree(kind: type[errors.LianhuaError]) -> list[type[errors.LianhuaError]]:
    return [kind] + [below for child in kind.__subclasses__() for below in _tree(child)]
