from importlib.resources import files

import pytest

from lianhua.chat.personas import OwnPersona, Personas, is_own_id, new_own_id, parse_personas
from lianhua.errors import UnknownRole, WrongSettings

BUILT_IN = parse_personas((files("lianhua.chat") / "personas.toml").read_text("utf-8"), "personas.toml")


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
        f'[[persona]]\nid = "a"\nicon = "x"\nzh = {TEXT}\ntop_p = 0.0',
        f'[[persona]]\nid = "a"\nicon = "x"\nzh = {TEXT}\ntop_p = 1.5',
        f'[[persona]]\nid = "a"\nicon = "x"\nzh = {TEXT}\ntop_p = nan',
        f'[[persona]]\nid = "a"\nicon = "x"\nzh = {TEXT}\nmax_tokens = 15',
        f'[[persona]]\nid = "a"\nicon = "x"\nzh = {TEXT}\nmax_tokens = 99.5',
        f'[[persona]]\nid = "own-0123456789"\nicon = "x"\nzh = {TEXT}',
        '[[persona]]\nid = "a"\nicon = "x"\nzh = {name = " ", description = "", prompt = "p", welcome = ""}',
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_it(toml: str) -> None:
    with pytest.raises(WrongSettings) as refusal:
        parse_personas(toml, "mine.toml")
    assert str(refusal.value).startswith("mine.toml: ")
    assert "\n" not in str(refusal.value)


def test_a_persona_may_say_which_model_answers_and_how() -> None:
    toml = f"""
    [[persona]]
    id = "own-style"
    icon = "x"
    model = "gpt-4o"
    temperature = 0.5
    top_p = 1.0
    max_tokens = 16
    zh = {TEXT}
    """
    persona = parse_personas(toml, "mine.toml")["own-style"]
    assert (persona.model, persona.temperature, persona.top_p, persona.max_tokens) == ("gpt-4o", 0.5, 1.0, 16)
    teacher = BUILT_IN["teacher"]
    assert (teacher.model, teacher.top_p, teacher.max_tokens) == (None, None, None)


def test_a_persona_of_ones_own_is_the_same_role_in_every_language() -> None:
    own = OwnPersona(new_own_id(), "诗人", "🖋️", "d", "p", "w", ("s",), "m", 0.5, 0.25, 99)
    role = own.as_persona()
    assert role.text("zh") == role.text("en")
    text = role.text("en")
    assert (text.name, text.description, text.prompt, text.welcome, text.suggestions) == ("诗人", "d", "p", "w", ("s",))
    assert (role.id, role.icon, role.model) == (own.id, "🖋️", "m")
    assert (role.temperature, role.top_p, role.max_tokens) == (0.5, 0.25, 99)


def test_own_ids_are_known_from_all_others() -> None:
    assert all(is_own_id(new_own_id()) for _ in range(20))
    assert len({new_own_id() for _ in range(20)}) == 20
    assert not any(
        is_own_id(role) for role in (*BUILT_IN, "own-", "own-012345678", "own-01234567890", "OWN-0123456789")
    )
