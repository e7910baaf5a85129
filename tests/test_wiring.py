"""Which model answers, by the settings alone."""

from pathlib import Path

import pytest

from lianhua.config.settings import load_settings
from lianhua.errors import WrongSettings
from lianhua.models.choose import describe_window, pick_models
from lianhua.models.configured import UNKNOWN_CONTEXT_TOKENS, context_tokens_of
from lianhua.models.port import ModelInfo
from lianhua.wiring import load_personas

NOWHERE = Path("/nonexistent/.env")


async def picked(tmp_path: Path, env_file: Path = NOWHERE, **environ: str) -> list[ModelInfo]:
    settings = load_settings({"LIANHUA_DATA_DIR": str(tmp_path), "LIANHUA_DISCOVERY": "0", **environ}, env_file)
    models = await pick_models(settings)
    for model in models:
        await model.close()
    return [model.info for model in models]


async def test_nothing_set_is_the_demo_that_says_so(tmp_path: Path) -> None:
    assert [info.kind for info in await picked(tmp_path)] == ["demo"]


async def test_a_key_alone_is_the_tutorials_model(tmp_path: Path) -> None:
    (info,) = await picked(tmp_path, OPENAI_API_KEY="sk-x")
    assert (info.id, info.kind, info.context_tokens) == ("gpt-4o", "openai", 128_000)


async def test_several_names_are_several_models_and_the_first_answers(tmp_path: Path) -> None:
    infos = await picked(tmp_path, OPENAI_API_KEY="sk-x", LIANHUA_MODELS="a, b ,gpt-4o-mini")
    assert [info.id for info in infos] == ["a", "b", "gpt-4o-mini"]


async def test_a_file_of_models_takes_its_keys_from_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('[[model]]\nid = "fast"\nname = "Fast"\napi_key_env = "FAST_KEY"\ncontext_tokens = 1000\n')
    env_file = tmp_path / ".env"
    env_file.write_text("FAST_KEY=sk-fast\n")
    (info,) = await picked(tmp_path, env_file, LIANHUA_MODELS=str(file))
    assert (info.id, info.name, info.context_tokens) == ("fast", "Fast", 1_000)
    with pytest.raises(WrongSettings, match="FAST_KEY"):
        await picked(tmp_path, LIANHUA_MODELS=str(file))


@pytest.mark.parametrize("text", ["", "[[model]]\n", '[[model]]\nid = "a"\ncolour = 1', '[[model]]\nid = "a"\n' * 2])
async def test_a_bad_file_of_models_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "models.toml"
    file.write_text(text)
    with pytest.raises(WrongSettings) as refusal:
        await picked(tmp_path, LIANHUA_MODELS=str(file))
    assert str(refusal.value).startswith("LIANHUA_MODELS: ")
    assert "\n" not in str(refusal.value)


async def test_models_may_answer_for_each_other(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text(
        '[[model]]\nid = "a"\nfallback = ["b", "c"]\n[[model]]\nid = "b"\nfallback = ["c"]\n[[model]]\nid = "c"\n'
    )
    infos = await picked(tmp_path, OPENAI_API_KEY="k", LIANHUA_MODELS=str(file))
    assert [info.fallback for info in infos] == [("b", "c"), ("c",), ()]


@pytest.mark.parametrize(
    ("fallbacks", "fault"),
    [
        ({"a": ["x"]}, "'x'"),
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, "b -> c -> b"),
        ({"a": ["b", "c"], "c": ["a"]}, "a -> c -> a"),
    ],
)
async def test_a_fallback_that_is_none_or_comes_back_is_refused_in_one_line(
    tmp_path: Path, fallbacks: dict[str, list[str]], fault: str
) -> None:
    file = tmp_path / "models.toml"
    file.write_text("".join(f'[[model]]\nid = "{name}"\nfallback = {fallbacks.get(name, [])}\n' for name in "abc"))
    with pytest.raises(WrongSettings) as refusal:
        await picked(tmp_path, OPENAI_API_KEY="k", LIANHUA_MODELS=str(file))
    assert str(refusal.value).startswith(f"LIANHUA_MODELS: {file}: ")
    assert fault in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_only_a_window_that_was_set_is_no_guess(tmp_path: Path) -> None:
    infos = await picked(tmp_path, OPENAI_API_KEY="k", LIANHUA_MODELS="gpt-4o,kimi-k2.6,qwen3-32b")
    assert [info.window for info in infos] == ["known", "guessed", "guessed"]
    infos = await picked(tmp_path, OPENAI_API_KEY="k", LIANHUA_MODELS="gpt-4o,kimi-k2.6", LIANHUA_CONTEXT_TOKENS="4096")
    assert [(info.window, info.context_tokens) for info in infos] == [("set", 4_096)] * 2
    assert describe_window(infos[0]) == "a window of 4,096 tokens (as set)"


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("gpt-4o-mini", 128_000), ("openai/gpt-4.1", 1_047_576), ("mystery", UNKNOWN_CONTEXT_TOKENS)],
)
def test_the_window_is_known_by_the_name(model: str, tokens: int) -> None:
    assert context_tokens_of(model) == tokens


def test_more_personas_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    text = '{name = "Poet", description = "d", prompt = "p", welcome = "w"}'
    file.write_text(f'[[persona]]\nid = "poet"\nicon = "x"\nen = {text}\n')
    personas = load_personas(load_settings({"LIANHUA_PERSONAS": str(file)}, NOWHERE))
    assert [persona.id for persona in personas] == ["assistant", "teacher", "programmer", "poet"]
