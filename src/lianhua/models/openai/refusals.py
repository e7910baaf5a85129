"""What a model server's words say of how it wants to be asked: which roles and parameters it takes, how large its
window is. Pure.

The words come in lower case, as `faults` reads them. They are those of real servers and of the templates that they
render; a template's own words arrive inside others ("Jinja Exception: ...", "Template error: ...").
"""

import re

# A refusal of the system role, or of who speaks when. Templates of Gemma ("System role not supported"), Mistral
# ("Conversation roles must alternate user/assistant/...", "After the optional system message, conversation roles must
# alternate ...", "Only user and assistant roles are supported!"), Qwen ("System message must be at the beginning.",
# "Unexpected message role."); Gemini ("Developer instruction is not enabled for ...", "Please use a valid role: user,
# model."), OpenAI's first reasoning models ("'messages[0].role' does not support 'system' with this model"), Bedrock
# ("This model doesn't support system messages", "A conversation must start with a user message"), Anthropic ("roles
# must alternate", "first message must use the \"user\" role"), DeepSeek ("does not support successive user or assistant
# messages"), Perplexity ("user or assistant messages should alternate"), Qianfan ("the role of first message must be
# user"), MiniMax ("invalid role: system").
_ROLES = re.compile(
    r"alternat"
    r"|(?:system|developer)['\"`]? ?(?:role|message|instruction|prompt)s?\b.{0,60}?(?:not|n't|un)\W?(?:be )?"
    r"(?:support|allow|enabl|accept|permit|valid|recogni)"
    r"|system messages? (?:must|should|can only|may only|needs? to|has to) be (?:at the beginning|first|the first)"
    r"|(?:not|n't|un) ?(?:support|allow|accept|permit)\w* (?:the )?['\"`]?(?:role:? )?['\"`]?(?:system|developer)\b"
    r"|(?:unexpected|invalid|unknown|unsupported|unrecognized|valid) (?:message |chat )?roles?\b"
    r"|roles? (?:is|are|was|were) (?:not |in|un)(?:supported|valid|allowed|known)"
    r"|only (?:the )?['\"`]?user['\"`]?,? .{0,40}roles? (?:are|is) (?:supported|allowed)"
    r"|messages\W{1,2}[0-9]+\W{1,3}role"
    r"|(?:(?:first|start|begin)\w*\b.{0,80}\b(?:must|should|needs? to|has to)\b"
    r"|\b(?:must|should|needs? to|has to) (?:start|begin)\b).{0,40}\buser\b"
    r"|(?:successive|consecutive|adjacent|in a row).{0,30}(?:role|user|assistant|message)"
    r"|(?:role|user|assistant)\w*['\"`]?.{0,20}(?:in a row|consecutive|successive)"
    r"|system ?(?:角色|消息|role).{0,10}(?:不支持|不允许|非法|无效)|不支持.{0,6}system"
    r"|角色.{0,8}(?:交替|不正确|错误|非法|不(?:被)?支持)|role.{0,8}(?:不正确|错误|非法|无效|不支持)|messages? 参数非法"
    r"|第一条.{0,12}(?:user|用户)|role:? ?['\"`]?(?:system|developer)\b.{0,12}(?:not|must|un|invalid)"
    r"|should be ['\"`]?user['\"`]?(?:,| or)|bad role"  # pydantic
)
# A template that fails for a reason of its own is given what every template takes, too.
_TEMPLATE = re.compile(r"jinja|chat.?template|template.?error|error rendering prompt|parser for this template")
# A last message of the model's own is refused: llama.cpp ("Cannot have 2 or more assistant messages at the end of the
# list", "Assistant response prefill is incompatible with enable_thinking"), Anthropic ("does not support assistant
# message prefill. The conversation must end with a user message."), Mistral ("Expected last role User or Tool (or
# Assistant with prefix True)"), transformers ("continue_final_message is set but ..."), Gemini ("ensure that multiturn
# requests ends with a user role"), Perplexity ("Last message must have role `user`").
_PREFILL = re.compile(
    r"prefill|continue_final_message|add_generation_prompt"
    r"|assistant messages? at the end"
    r"|(?:last|final) (?:message|role|assistant)"
    r"|ends? with (?:a |an |the )?['\"`]?(?:user|assistant)"
    r"|\bprefix\b.{0,60}(?:not (?:permitted|supported|allowed)|unexpected|unknown|extra)"
    r"|(?:extra (?:inputs|fields)|unexpected|unknown|unrecognized).{0,60}\bprefix\b"
)

# How the next token is drawn: personas choose the values.
SAMPLING = ("temperature", "top_p")
# A parameter that a model does not take at all, or with its default only. OpenAI ("Unsupported parameter: 'temperature'
# is not supported with this model.", "'temperature' does not support 0.7 with this model. Only the default (1) value is
# supported.", "temperature, top_p and n are fixed at 1", "Unrecognized request argument supplied: temperature"),
# Anthropic ("`temperature` is deprecated for this model."), Moonshot ("invalid temperature: only 1 is allowed for this
# model"), xAI ("Argument not supported"), LiteLLM ("does not support parameters: ['temperature']"), pydantic ("Extra
# inputs are not permitted"), Gemini ("Unknown name \"temperature\": Cannot find field").
_UNSUPPORTED = re.compile(
    r"unsupported|(?:not|n't) (?:be )?(?:support|allow|permit|accept|available|configurable|applicable)"
    r"|(?:not|n't) (?:a )?(?:recogni[sz]ed|valid parameter)"
    r"|unrecogni[sz]ed|unknown (?:name|field|parameter|argument)|cannot find field"
    r"|unexpected (?:keyword|field|parameter)"
    r"|extra[_ ](?:inputs|fields|forbidden)|deprecated|fixed (?:at|to)|only (?:the )?default"
    r"|only [\d.]+ is (?:allowed|supported|accepted)"
    r"|(?:must|should|has to|can only) be (?:exactly |equal to )?1(?:\.0)?\b"
    r"|不支持|无法识别"
)
# A value outside of what the model takes. Any of the words above may come with it ("3 is not supported, the range is").
# OpenAI ("Expected a value <= 2, but got 3 instead."), Gemini ("the supported range is from 0 (inclusive) to ..."),
# vLLM ("temperature must be non-negative", "top_p must be in (0, 1]"), Anthropic ("temperature: range: 0..1"), pydantic
# ("Input should be less than or equal to 1"), Cohere ("must be between 0 and 5.0 inclusive"), DashScope ("should be in
# [0.0, 2.0)").
_RANGE = re.compile(
    r"\brange\b|between|less than|greater than|at (?:most|least)|lower than|higher than|larger than|smaller than"
    r"|above|below|maximum|minimum|exceed|too (?:high|low|large|small)|out of (?:bounds|range)|non-?(?:negative|zero)"
    r"|positive|negative|[<>≤≥]|(?:be|is) (?:with)?in [\[(]|(?:integer|number|decimal|float)\b|范围|大于|小于|区间"
)
# Anthropic and Bedrock: "`temperature` and `top_p` cannot both be specified for this model."
_NOT_BOTH = re.compile(
    r"(?:not|n't) both|(?:only|either) one of|mutually exclusive|not (?:be )?(?:\w+ )?together|simultaneously"
)

# What says how large the window is, the surest first. The number is the last thing matched, perhaps with commas.
_SIZES = tuple(
    re.compile(pattern)
    for pattern in (
        r"n_ctx\D{0,4}(\d[\d,_]*)",  # llama.cpp
        # SGLang, TabbyAPI, SiliconFlow, TensorRT-LLM, Ark, GitHub Models, MLC, watsonx
        r"max(?:imum)?[_ ](?:seq_len|num_tokens|allowed length|length|size|message tokens)\D{0,16}(\d[\d,_]*)",
        r"(?:length|tokens) limit\D{0,16}(\d[\d,_]*)",
        r"> ?(\d[\d,_]*)",  # Anthropic: "prompt is too long: 210000 tokens > 200000 maximum"
        r"(\d[\d,_]*) (?:tokens? )?max(?:imum)? context",  # Mistral
        # OpenAI, vLLM, SGLang, OpenRouter, llama.cpp, LM Studio, xAI, Moonshot, Fireworks
        r"(?:context (?:length|window|size|limit)|model length|maximum prompt length|token limit)\D{0,24}(\d[\d,_]*)",
        r"maximum number of (?:input )?tokens\D{0,16}(\d[\d,_]*)",  # Gemini
        r"(?:<=|≤|less than|at most|cannot exceed|limit of|maximum of|up to) ?(\d[\d,_]*)",  # TGI, Cohere, OpenAI
        r"(?:上下文|最大|上限|限制)\D{0,24}?(\d[\d,_]*)",
        r"\[1, ?(\d[\d,_]*)\]",  # DashScope: "Range of input length should be [1, 30720]"
    )
)
# A number below it is not the size of a window: some servers count the messages or the reply in the same sentence.
SMALLEST_WINDOW_TOKENS = 512
LARGEST_WINDOW_TOKENS = 100_000_000


def refuses_roles(words: str) -> bool:
    """Whether the roles of the messages, or their order, are what a server does not take."""
    return bool(_ROLES.search(words) or _TEMPLATE.search(words))


def refused_sampling(words: str) -> frozenset[str]:
    """Which of `SAMPLING` a refusal is about. Where two do not go together, it is the last one that can be missed."""
    named = [name for name in SAMPLING if name in words]
    return frozenset(named[-1:] if _NOT_BOTH.search(words) else named)


def takes_no_sampling(words: str) -> bool:
    """Of a refusal that names one of `SAMPLING`: whether no value of it would do, rather than not the one that came."""
    return bool(_UNSUPPORTED.search(words)) and not (_RANGE.search(words) or _NOT_BOTH.search(words))


def refuses_prefill(words: str) -> bool:
    """Of a request whose last message is the model's own: whether that is what a server does not take."""
    return bool(_PREFILL.search(words))


def window_in(words: str) -> int | None:
    """The window, in tokens, that a refusal of a too long prompt names; None where it names none."""
    for pattern in _SIZES:
        for found in pattern.findall(words):
            tokens = int(found.replace(",", "").replace("_", ""))
            if SMALLEST_WINDOW_TOKENS <= tokens <= LARGEST_WINDOW_TOKENS:
                return tokens
    return None
