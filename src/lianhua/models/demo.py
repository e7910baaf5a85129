"""No language model: what answers while none is set up, and explains the prompt a model would have got."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec

from lianhua.chat.messages import ContextEntry, Language
from lianhua.chat.prompt import Prompt, PromptMessage
from lianhua.models.port import Delta, Finish, GenerationOptions, ModelInfo, TextDelta

# About 75 Chinese characters or 150 letters a second: read along without waiting.
INTERVAL_S = 0.04
PIECE_CHARS: dict[Language, int] = {"zh": 3, "en": 6}

QUOTE_CHARS: dict[Language, int] = {"zh": 24, "en": 48}
# More lines than this are not read; the first and the newest ones show best how the window moves.
QUOTED_MESSAGES = 6

INFO = ModelInfo(
    id="demo",
    name="演示 · Demo",
    kind="demo",
    context_tokens=8192,
    note="不是语言模型 · not a language model",
    prefill="last",
)


class DemoModel:
    """`ChatModel` that needs nothing. `interval_s` is the pause between two pieces."""

    def __init__(self, interval_s: float = INTERVAL_S, info: ModelInfo = INFO) -> None:
        self._interval_s = interval_s
        self._info = info

    @property
    def info(self) -> ModelInfo:
        return self._info

    async def stream(self, prompt: Prompt, options: GenerationOptions) -> AsyncGenerator[Sequence[Delta], None]:
        """The explanation in the prompt's language, piece by piece. `options` change nothing."""
        text, size = _rest(prompt), PIECE_CHARS[prompt.language]
        for start in range(0, len(text), size):
            yield [TextDelta(text[start : start + size])]
            await asyncio.sleep(self._interval_s)
        yield [Finish("stop")]

    async def close(self) -> None:
        """Nothing is open."""


def explain(prompt: Prompt) -> str:
    """What the server sent, in Markdown and in the prompt's language; says first that no model wrote it."""
    return _explain_zh(prompt) if prompt.language == "zh" else _explain_en(prompt)


def _rest(prompt: Prompt) -> str:
    """The explanation; of one that was cut off and ends the prompt, what is missing."""
    *before, last = prompt.messages
    if last.role != "assistant":
        return explain(prompt)
    account = prompt.context
    kept = account.messages[-1]
    used = account.used_tokens - kept.tokens
    context = msgspec.structs.replace(account, used_tokens=used, messages=account.messages[:-1])
    text = explain(msgspec.structs.replace(prompt, messages=tuple(before), context=context))
    return text[len(last.content) :] if text.startswith(last.content) else f"\n\n{text}"


def _explain_zh(prompt: Prompt) -> str:
    context, earlier = prompt.context, _earlier(prompt)
    lines = [
        "**这是演示回复，不是语言模型写的。** 目前没有配置模型，所以我只能告诉你：假如有模型，它这一轮会收到什么。",
        "",
        f"- **角色**：{prompt.persona_name or '未命名'}，系统提示词以 {_quote(_system(prompt), 'zh')} 开头",
        f"- **你刚才说**：{_quote(prompt.last_said, 'zh')}",
    ]
    if earlier:
        lines.append(f"- **它还能看到的历史消息：{len(earlier)} 条**（模型自己不记事，每一轮都要重新发给它）：")
        lines += _quotes(earlier, {"user": "你", "assistant": "助手"}, "…中间还有 {} 条", "zh")
    else:
        lines.append("- **历史消息**：没有。再发一条，你会看到这一轮出现在这里")
    lines.append(f"- **用量**：约 {context.used_tokens} / {context.budget_tokens} tokens（已用 / 预算）")
    left_out = [
        f"{count} 条{why}"
        for count, why in (
            (context.older_left_out + _left_out(prompt, "message_count"), "因为超出了消息条数上限"),
            (_left_out(prompt, "token_budget"), "因为超出了 token 预算"),
            (_left_out(prompt, "retry_smaller"), "因为模型嫌上下文太长，缩短后重试"),
            (_left_out(prompt, "no_question"), "因为它回答的问题没有发送"),
            (_left_out(prompt, "repeated"), "因为紧接着又问了一遍"),
            (_left_out(prompt, "unanswered"), "因为模型拒绝了它"),
            (_left_out(prompt, "empty"), "因为没有内容"),
        )
        if count
    ]
    lines.append(f"- **没有发送**：{'；'.join(left_out) or '无，全部发送了'}")
    lines += [
        "",
        "想和真正的模型对话，任选一种，然后重启服务：",
        "",
        "1. 在 `.env` 里设置 `OPENAI_API_KEY`；其他兼容 OpenAI 的服务再加上 `OPENAI_BASE_URL` 和 `OPENAI_MODEL`",
        "2. 在本机启动 Ollama、LM Studio 或 llama.cpp，会自动找到",
        "3. 运行 `lianhua pull`，下载一个能在本机运行的小模型（约 1.1 GB）",
    ]
    return "\n".join(lines)


def _explain_en(prompt: Prompt) -> str:
    context, earlier = prompt.context, _earlier(prompt)
    lines = [
        "**This is a demo reply; no language model wrote it.** None is set up yet, so all I can tell you is "
        "what a model would have been sent for this turn.",
        "",
        f"- **Persona**: {prompt.persona_name or 'unnamed'}; its prompt begins {_quote(_system(prompt), 'en')}",
        f"- **You just said**: {_quote(prompt.last_said, 'en')}",
    ]
    if earlier:
        lines.append(
            f"- **Earlier messages it would see: {len(earlier)}** (a model remembers nothing by itself; "
            "they are sent again each turn):"
        )
        lines += _quotes(earlier, {"user": "you", "assistant": "assistant"}, "… {} more in between", "en")
    else:
        lines.append("- **Earlier messages**: none yet. Send another message and this turn will stand here")
    lines.append(f"- **Tokens**: about {context.used_tokens} used of a budget of {context.budget_tokens}")
    left_out = [
        f"{count} {why}"
        for count, why in (
            (context.older_left_out + _left_out(prompt, "message_count"), "beyond the message count"),
            (_left_out(prompt, "token_budget"), "beyond the token budget"),
            (_left_out(prompt, "retry_smaller"), "dropped because the model found the prompt too long"),
            (_left_out(prompt, "no_question"), "a reply whose question is not sent"),
            (_left_out(prompt, "repeated"), "asked once more word for word"),
            (_left_out(prompt, "unanswered"), "refused by the model"),
            (_left_out(prompt, "empty"), "without any text"),
        )
        if count
    ]
    lines.append(f"- **Left out**: {'; '.join(left_out) or 'nothing, all of it was sent'}")
    lines += [
        "",
        "To talk with a real model, do one of these and restart the server:",
        "",
        "1. Set `OPENAI_API_KEY` in `.env`; for another OpenAI-compatible service also `OPENAI_BASE_URL` and "
        "`OPENAI_MODEL`",
        "2. Start Ollama, LM Studio or llama.cpp on this computer; it is found by itself",
        "3. Run `lianhua pull` to fetch a small model that runs on this computer (about 1.1 GB)",
    ]
    return "\n".join(lines)


def _system(prompt: Prompt) -> str:
    return "".join(message.content for message in prompt.messages if message.role == "system")


def _earlier(prompt: Prompt) -> list[PromptMessage]:
    return [message for message in prompt.messages[:-1] if message.role != "system"]


def _left_out(prompt: Prompt, reason: str) -> int:
    return sum(_is_left_out(entry, reason) for entry in prompt.context.messages)


def _is_left_out(entry: ContextEntry, reason: str) -> bool:
    return not entry.included and entry.reason == reason


def _quotes(messages: list[PromptMessage], names: dict[str, str], between: str, language: Language) -> list[str]:
    quoted = [f"  - {names[message.role]}: {_quote(message.content, language)}" for message in messages]
    if len(quoted) <= QUOTED_MESSAGES:
        return quoted
    half = QUOTED_MESSAGES // 2
    return [*quoted[:half], f"  - {between.format(len(quoted) - QUOTED_MESSAGES)}", *quoted[-half:]]


def _quote(text: str, language: Language) -> str:
    """The beginning of `text` on one line, as a code span: nothing in it is taken for markup."""
    line = " ".join(text.replace("`", "'").split())
    if len(line) > QUOTE_CHARS[language]:
        line = line[: QUOTE_CHARS[language]].rstrip() + "…"
    return f"`{line or '…'}`"
