"""Token counts: the estimate against true counts, and when tiktoken counts instead."""

import hashlib
import sys
from pathlib import Path

import pytest
import tiktoken
import tiktoken.registry
from hypothesis import given
from hypothesis import strategies as st

from lianhua.models import tokens
from lianhua.models.tokens import estimate_tokens, token_counter

# A text, and what it truly is in the vocabularies of o200k, Qwen3, Llama 3, DeepSeek V3 and Gemma 3.
SAMPLES = {
    "English": (
        "Lianhua is a self-hosted chat server for people who talk with language models over many "
        "turns. One idea carries it: a reply is written to a durable journal first, and everybody, "
        "the first viewer included, reads the journal. So nothing that a person has seen can be lost, "
        "a reply does not depend on the tab that asked for it, and a reconnect can never call the "
        "model again. Could you help me write a letter to my landlord? The boiler broke three days "
        "ago, and I'd like it repaired before the weekend; the contract's fifth clause says that "
        "he pays. Meanwhile, recommend some mesmerizing, underappreciated Scandinavian crime novels, "
        "preferably translated by somebody conscientious.\n",
        (139, 142, 142, 140, 141),
    ),
    "German": (
        "Lianhua ist ein selbst betriebener Chatserver für Menschen, die über viele Runden hinweg "
        "mit Sprachmodellen sprechen. Jede Antwort wird zuerst in ein dauerhaftes Protokoll geschrieben, "
        "und alle lesen daraus. Könntest du mir bei einem Brief an meinen Vermieter helfen? Die Heizungsanlage "
        "ist seit drei Tagen außer Betrieb, und die Instandhaltungskosten trägt laut Mietvertrag "
        "der Eigentümer.\n",
        (83, 106, 107, 107, 87),
    ),
    "Chinese": (
        "连话是一个可以自己部署的聊天服务。它先把每一条回复写进持久的日志，然后所有人，包括第一个"
        "读者，都从日志里读取。这样，任何人看到过的内容都不会丢失，回复也不依赖打开它的那个标签页"
        "，重新连接时绝不会再次调用模型，任何一个进程都可以为任何一个读者服务。请问明天北京的天气"
        "怎么样？我打算带孩子去颐和园走一走，顺便在附近吃一碗炸酱面。上次我们聊到《红楼梦》里林黛"
        "玉进贾府的那一回，你说她“步步留心，时时在意”，这句话写得真好。另外，请帮我写一封给房东的"
        "信：热水器坏了三天，希望能在周末之前修好，费用按合同第五条由房东承担。谢谢！\n",
        (205, 166, 221, 154, 180),
    ),
    "Chinese of Taiwan": (
        "連話是一個可以自行架設的聊天伺服器。它會先將每一則回覆寫入持久的日誌，之後所有的人都從日"
        "誌讀取，因此看過的內容絕對不會遺失。請問臺北這個週末會下雨嗎？我們想搭捷運去淡水看夕陽，"
        "再到老街吃阿給和魚丸湯。\n",
        (93, 79, 94, 76, 82),
    ),
    "Japanese": (
        "連話は、自分で運用できるチャットサーバーです。返信はまず永続的なジャーナルに書き込まれ、"
        "最初の閲覧者も含めて、すべての人がそのジャーナルを読みます。そのため、一度表示された内容"
        "が失われることはありません。明日の東京の天気はどうですか？子どもと一緒に上野動物園へ行こ"
        "うと思っています。ついでにラーメンも食べたいです。\n",
        (116, 97, 106, 99, 82),
    ),
    "Korean": (
        "연화는 직접 운영할 수 있는 채팅 서버입니다. 모든 답변은 먼저 영구적인 기록에 저장되고, 첫"
        " 번째 독자를 포함한 모든 사람이 그 기록을 읽습니다. 그래서 한 번 보인 내용은 사라지지 않"
        "습니다. 내일 서울 날씨는 어떤가요? 아이와 함께 경복궁에 가서 산책을 하고 근처에서 칼국수"
        "를 먹으려고 합니다.\n",
        (88, 102, 85, 97, 82),
    ),
    "Chinese and code": (
        "请用 Python 写一个 FastAPI 的 SSE 接口，要求：1. 使用 `asyncio.Queue`；2. 断线重连时带上"
        " `Last-Event-ID`；3. 每 15 秒发送一次心跳。\n"
        "\n"
        "```python\n"
        '@app.get("/stream")\n'
        "async def stream():\n"
        '    return StreamingResponse(gen(), media_type="text/event-stream")  # 返回事件流\n'
        "```\n",
        (84, 88, 86, 91, 94),
    ),
    "digits": (
        "3.14159265358979 2026-11-23 08:59:10 1730000000 +86 138 0013 8000, 192.168.100.254:11434; "
        "42, 7, 1999; 100,000,000 0.000123 1e-9 0xDEADBEEF\n",
        (81, 134, 81, 83, 135),
    ),
    "emoji": (
        "😀😂🥰🎉🚀👍🏽👨‍👩‍👧‍👦🇨🇳🇫🇷❤️✨🔥🪷🫠🧑‍💻✅❌⭐️☀️🌧️\n",
        (57, 44, 79, 58, 36),
    ),
    "capitals and names of code": (
        "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG. WARNING: DO NOT DISCONNECT THE UNINTERRUPTIBLE "
        "POWER SUPPLY! MAX_EVENT_BYTES HTTPConnectionPool XMLHttpRequest getElementsByClassName "
        "snake_case_identifier\n",
        (47, 44, 44, 57, 45),
    ),
}

ANY = st.text(st.characters(codec="utf-8"), max_size=200)


@pytest.mark.parametrize(("text", "true_counts"), SAMPLES.values(), ids=SAMPLES.keys())
def test_the_estimate_is_rather_too_high_than_too_low(text: str, true_counts: tuple[int, ...]) -> None:
    estimate = estimate_tokens(text)
    assert estimate >= 0.98 * max(true_counts)
    assert estimate <= 2.6 * min(true_counts)


@given(ANY)
def test_no_character_that_shows_is_free(text: str) -> None:
    assert (estimate_tokens(text) > 0) == bool(text)
    assert estimate_tokens(text) <= 3 * len(text)


@given(
    st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF) | st.sampled_from("あカ한글。，"), max_size=80)
)
def test_a_cjk_character_is_a_token_at_least(text: str) -> None:
    assert estimate_tokens(text) >= len(text)


@given(ANY, ANY)
def test_more_text_is_never_fewer_tokens(text: str, more: str) -> None:
    together = estimate_tokens(text + more)
    assert together >= estimate_tokens(text)
    assert together <= estimate_tokens(text) + estimate_tokens(more) + 2  # a word that is cut in two


def test_spaces_and_long_lines_are_no_way_around_the_budget() -> None:
    assert estimate_tokens(" " * 16_000) >= 1_000
    assert estimate_tokens("\n" * 1_000) >= 500
    assert estimate_tokens("a" * 10_000) >= 2_000
    assert estimate_tokens("=" * 10_000) >= 1_000


# tiktoken


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """tiktoken's cache folder, empty, and no way to the network around it."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("tiktoken.load.read_file", lambda url: pytest.fail(f"tiktoken was about to download {url}"))
    monkeypatch.setattr("tiktoken.registry.ENCODINGS", {})
    return tmp_path


def data_file(folder: Path, name: str) -> Path:
    url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    return folder / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4", "gpt-5-mini", "o3", "gpt-oss-20b"])
def test_without_its_data_tiktoken_does_not_count(cache: Path, model: str) -> None:
    assert token_counter(model) == (estimate_tokens, "estimate")
    assert list(cache.iterdir()) == []


def test_data_that_was_tampered_with_is_neither_used_nor_fetched_again(cache: Path) -> None:
    data_file(cache, "o200k_base").write_bytes(b"YQ== 0\n")
    assert token_counter("gpt-4o") == (estimate_tokens, "estimate")
    assert data_file(cache, "o200k_base").exists()


@pytest.mark.parametrize("folder", [None, ""])
def test_without_a_cache_folder_tiktoken_does_not_count(
    cache: Path, monkeypatch: pytest.MonkeyPatch, folder: str | None
) -> None:
    if folder is None:
        monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    else:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", folder)
    assert token_counter("gpt-4o")[1] == "estimate"


@pytest.mark.parametrize("model", ["qwen3:8b", "", "my-gpt-4o", "davinci"])
def test_models_that_are_not_openais_are_estimated(cache: Path, model: str) -> None:
    assert token_counter(model) == (estimate_tokens, "estimate")


def test_without_tiktoken_everything_is_estimated(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert token_counter("gpt-4o") == (estimate_tokens, "estimate")


@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "gpt-oss-20b"])
def test_with_its_data_tiktoken_counts(cache: Path, monkeypatch: pytest.MonkeyPatch, variable: str, model: str) -> None:
    # The real data are 3.6 MB. A vocabulary of single bytes stands in for them, under the hash it has.
    data = b"a tiny vocabulary"
    data_file(cache, "o200k_base").write_bytes(data)
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.setenv(variable, str(cache))
    monkeypatch.setitem(tokens._DATA, "o200k_base", hashlib.sha256(data).hexdigest())
    single_bytes = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding(
        "o200k_base", pat_str=r"(?s).+", mergeable_ranks=single_bytes, special_tokens={"<|x|>": 256}
    )
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "o200k_base", encoding)
    count, how = token_counter(model)
    assert how == "tiktoken o200k_base"
    assert count("莲花") == 6
    assert count("<|x|>") == 5, "a special token in a person's text is plain text"
