from importlib.resources import files

import pytest

from lianhua.errors import UnknownRole, WrongSettings
from lianhua.personas import Personas, parse_personas

BUILT_IN = parse_personas((files("lianhua") / "personas.toml").read_text("utf-8"), "personas.toml")


def test_the_tutorials_three_roles_in_both_languages() -> None:
    shown = {persona.id: (persona.text("zh").name, persona.icon) for persona in BUILT_IN.values()}
    assert shown == {"assistant": ("智能助手", "💬"), "teacher": ("AI老师", "👨‍🏫"), "programmer": ("编程专家", "👨‍💻")}
    for persona in BUILT_IN.values():
        zh, en = persona.text("zh"), persona.text("en")
        assert zh.prompt != en.prompt
        assert len(zh.suggestions) == len(en.suggestions) == 3


def test_the_welcome_is_the_tutorials() -> None:
    assert BUILT_IN["assistant"].text("zh").welcome == "你好！我是你的AI助手，有什么可以帮助你的吗？"


def test_a_persona_in_one_language_serves_both() -> None:
    toml = """
    [[persona]]
    id = "poet"
    icon = "🖋️"
    [persona.zh]
    name = "诗人"
    description = "写诗"
    prompt = "你是诗人。"
    welcome = "你好"
    """
    poet = Personas(parse_personas(toml, "mine.toml")).get("poet")
    assert poet.text("en").name == "诗人"


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(UnknownRole):
        Personas(BUILT_IN).get("pirate")


TEXT = '{name = "n", description = "", prompt = "p", welcome = ""}'


@pytest.mark.parametrize(
    "toml",
    [
        "persona = 1",
        "not toml at all [",
        f'[[persona]]\nid = "A B"\nicon = "x"\nzh = {TEXT}',
        '[[persona]]\nid = "a"\nicon = "x"',
        f'[[persona]]\nid = "a"\nicon = "x"\nzh = {TEXT}\ncolour = "red"',
        f'[[persona]]\nid = "a"\nicon = "x"\nzh = {TEXT}\ntemperature = 3.0',
        f'[[persona]]\nid = "a"\nicon = "x"\nzh = {TEXT}\n' * 2,
        '[[persona]]\nid = "a"\nicon = "x"\nzh = {name = " ", description = "", prompt = "p", welcome = ""}',
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_it(toml: str) -> None:
    with pytest.raises(WrongSettings) as refusal:
        parse_personas(toml, "mine.toml")
    assert str(refusal.value).startswith("mine.toml: ")
    assert "\n" not in str(refusal.value)
