"""What a model server's refusal means: its status and its words become one of our `ModelError`s. Pure.

Nothing of a body goes into an error's text: bodies quote prompts, and some quote keys.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from lianhua.errors import (
    ContextTooLong,
    ModelAuthFailed,
    ModelBadResponse,
    ModelError,
    ModelRateLimited,
    ModelRefused,
    ModelUnavailable,
)

# What servers call a prompt that is longer than the context window, by `code` or `type`: OpenAI, gateways, llama.cpp.
# Then GitHub Models and Copilot; Zhipu's, Qianfan's and Spark's numbers.
_CONTEXT_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded", "prompt_too_long",
     "string_above_max_length", "tokens_limit_reached", "model_max_prompt_tokens_exceeded", "1261", "336007", "336103",
     "10907"}
)  # fmt: skip
# The same in words. Both of the first two have to occur: OpenAI, vLLM, SGLang, OpenRouter, Mistral ("maximum context
# length is"), llama.cpp ("exceeds the available context size"), llama-cpp-python ("exceed context window of"), Ollama
# ("exceeds the context length"), LM Studio ("when context the overflows", "greater than the context length").
_CONTEXT = re.compile(r"context.?(?:length|window|size)")
_EXCESS = re.compile(r"exceed|maximum|overflow|too (?:long|large|small)|greater|longer|larger|reduce|not enough")
_PROMPT_TOO_LONG = re.compile(
    r"(?:prompt|input) (?:is|was) too long"  # Anthropic, Bedrock
    r"|longer than the maximum model length"  # vLLM
    r"|input token count .{0,40}exceeds"  # Gemini
    r"|maximum prompt length"  # xAI
    r"|reduce the length of the (?:messages|prompt|input)"  # Groq, OpenAI
    r"|exceeded model token limit"  # Moonshot
    r"|range of input length should be"  # DashScope
    r"|prompt exceeds max length"  # Zhipu
    r"|inputs?`? (?:must have less than|tokens \+)"  # text-generation-inference
    # SGLang ("Input length (5000 tokens) exceeds"), Copilot, SiliconFlow ("length of prompt_tokens (40000) must be less
    # than"), TabbyAPI, Cohere ("tokens in the prompt cannot exceed"), TensorRT-LLM, MLC, Ark, Nova, watsonx, Databricks
    r"|(?:prompt|inputs?)(?:[ _](?:length|tokens?|sizes?))?\b(?:(?!image|file|audio|video|document).){0,60}?"
    r"(?:exceed|longer than|larger than|is greater than|too (?:long|large|many)|must be less than)"
    r"|max(?:imum)? (?:message tokens|input (?:characters|tokens|length))"  # Ark, Qianfan
    r"|max size:? \d+ tokens"  # GitHub Models
    r"|too many tokens(?!,? (?:please|per|in the last))"  # but Bedrock says so of a minute
    r"|max_tokens\b.{0,40}got -\d|max_tokens \(-\d"  # vLLM, TensorRT-LLM: nothing is left for the reply
    r"|(?:上下文|输入|提示|prompt|token|消息|内容|对话|文本)[^。\n]{0,16}?"
    r"(?:超长|过长|太长|超(?:过|出)[^。\n]{0,16}?(?:长度|上限|限制|最大|窗口))"
)
# What makes an excess, in Chinese, one of a time and not of a prompt.
_OF_A_TIME = re.compile(r"用量|每日|每天|每分钟|每秒|并发|频率|频繁|配额|额度|速率|限流")
# Errors are short. What is longer quotes something, and a prompt may hold any words.
WORDS_CHARS = 2_000
# OpenAI and those who follow it; Moonshot, Gemini, DashScope, Bedrock; of Zhipu the numbers that its `code` holds.
_RATE_CODES = frozenset(
    {"rate_limit_exceeded", "rate_limit_error", "insufficient_quota", "rate_limit_reached_error", "resource_exhausted",
     "too_many_requests", "throttling", "throttling.ratequota", "throttling.allocationquota", "throttlingexception",
     "limit_requests", "limit_burst_rate", "over_capacity", "1302", "1303", "1305"}
)  # fmt: skip
_AUTH_CODES = frozenset(
    {"invalid_api_key", "authentication_error", "permission_error", "invalid_authentication_error", "unauthorized",
     "incorrect_api_key_error", "unauthenticated", "permission_denied", "invalidapikey", "autherror"}
)  # fmt: skip
_DOWN_CODES = frozenset(
    {"server_error", "overloaded_error", "service_unavailable", "api_error", "internal_server_error", "overloaded",
     "engine_overloaded_error", "internal_error", "internalservererror", "internalerror", "serviceunavailable",
     "unavailable", "upstream_error", "generation"}
)  # fmt: skip
# An account without credit stays so for longer than a reply can wait. "1113" is Zhipu's, then DashScope's, new-api's,
# Ark's, Together's, DashScope's, LiteLLM's.
_CREDIT_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "insufficient_credits",
     "exceeded_current_quota_error", "payment_required", "billing_not_active", "402", "1113", "arrearage",
     "insufficient_user_quota", "pre_consume_token_quota_failed", "accountoverdueerror", "credit_limit",
     "allocationquota.freetieronly", "budget_exceeded", "insufficient_funds", "quota_exhausted"}
)  # fmt: skip
_CREDIT = re.compile(
    r"insufficient (?:account |user )?(?:balance|credits?|funds|quota)|(?:credit|account|overdue) balance|more credits"
    r"|out of credits?|no credits?|exceeded your current quota|plan and billing|disabled for billing"
    r"|n[o']t have (?:any |enough |sufficient )?(?:\w+ )?credits|(?:available|included) credits|credit limit"  # xAI, HF
    r"|spending limit|account is in good standing|past invoices|budget has been exceeded"  # Fireworks, LiteLLM
    r"|free (?:tier|quota|allocation)\b.{0,40}(?:exhaust|exceed|used up)|used up your .{0,20}free"  # Cloudflare
    r"|(?:余额|额度|资源包)[^。\n]{0,4}(?:不足|失败|用尽|用完|耗尽)|欠费|请(?:先|及时)?充值"  # new-api
)
# Gemini has the same words for a minute's quota, and then says when to come again.
_COMES_AGAIN = re.compile(r"(?:retry|try again) (?:in|after) \d")
_MODEL_CODES = frozenset({"model_not_found", "unknown_model", "deploymentnotfound", "model_not_exist", "1211"})
# OpenAI, vLLM, Groq, xAI ("the model `x` does not exist"), Ollama ("model \"x\" not found"), DeepSeek ("Model Not
# Exist"), OpenRouter ("x is not a valid model ID"), Mistral, LiteLLM ("invalid model"), Together ("unable to access
# model"), Gemini ("models/x is not found for API version"), Moonshot, OpenRouter, Hugging Face, Zhipu, new-api.
_UNKNOWN_MODEL = re.compile(
    r"\bmodels?\b.{0,120}?(?:not exist|n't exist|not found|n't found|is not available)"
    r"|(?:invalid|unknown|unsupported|no such|not a valid|unable to access) model|not found the model"
    r"|no endpoints found|not supported by any provider|模型不存在|(?:未找到|不支持的?|没有)该?模型|无可用渠道",
    re.DOTALL,
)
# Azure and OpenAI, DashScope, Zhipu: the filter has refused the question, and would again.
_FILTER_CODES = frozenset({"content_filter", "data_inspection_failed", "datainspectionfailed", "1301"})
# The same without a code, inside a 200, where nothing else says whether to ask again.
_RATE = re.compile(r"rate.?limit|too many requests|quota exceeded")
_DOWN = re.compile(
    r"overloaded|unavailable|temporarily|timed? ?out|try again later|out of memory|disconnected"
    r"|internal server error|connection (?:error|refused|reset|closed)|at capacity|over capacity"
)
# MiniMax's `base_resp.status_code` (platform.minimax.io, error codes), as a status of HTTP.
_MINIMAX: Final = {
    1000: 500, 1001: 504, 1002: 429, 1004: 401, 1008: 402, 1013: 500, 1024: 500, 1026: 400, 1027: 400, 1033: 500,
    1039: 429, 1041: 429, 2013: 400, 2049: 401,
}  # fmt: skip
# An error in place of JSON, as people write it.
_PLAIN_ERROR = re.compile(rb"\W*(?:error|exception|traceback|internal server error|upstream)\b", re.IGNORECASE)
# What servers write in `code`, `status` and the like when nothing is wrong.
_FINE = frozenset({"", "0", "200", "ok", "success", "none", "null", "succeeded"})
_WRONG = re.compile(r"err|fail|invalid|limit|denied|exception")


@dataclass(frozen=True)
class Fault:
    """`passing`: the same request may well be answered a moment later. `complaint`: in the server's own words."""

    error: ModelError
    passing: bool = False
    complaint: "Complaint | None" = None


@dataclass(frozen=True)
class Complaint:
    """A server's error object in lower case. `codes` holds its `code`, `type` and `status`, whichever were given."""

    codes: frozenset[str] = frozenset()
    words: str = ""

    @property
    def of_credit(self) -> bool:
        if not self.codes.isdisjoint(_CREDIT_CODES):
            return True
        return bool(_CREDIT.search(self.words)) and not _COMES_AGAIN.search(self.words)

    @property
    def of_unknown_model(self) -> bool:
        return not self.codes.isdisjoint(_MODEL_CODES) or bool(_UNKNOWN_MODEL.search(self.words))

    @property
    def of_context(self) -> bool:
        if not self.codes.isdisjoint(_CONTEXT_CODES):
            return True
        if _PROMPT_TOO_LONG.search(self.words) and not _OF_A_TIME.search(self.words):
            return True
        return bool(_CONTEXT.search(self.words) and _EXCESS.search(self.words))


def complaint_in(body: bytes) -> Complaint:
    """The complaint that an error body holds, JSON or plain text."""
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return read_complaint(body.decode("utf-8", "replace"))
    if isinstance(found, list) and found:  # Google's compatible endpoint wraps its error object in a list
        found = found[0]
    return read_complaint(_inner(found) if isinstance(found, dict) else found)


def _inner(found: dict[str, Any]) -> Any:
    """The error in the object that is a whole answer; the object where it is the error itself."""
    errors = found.get("errors")  # Cloudflare
    if not found.get("error") and isinstance(errors, list) and errors:
        return errors[0]
    error = found.get("error")
    if isinstance(error, str) and found.get("code"):  # xAI
        return {"code": found["code"], "message": error}
    return error or found


def read_complaint(error: Any) -> Complaint:
    """The complaint in a decoded error: an object with `message`, `code`, `type`, or a bare string."""
    if not isinstance(error, dict):
        return Complaint(words=error[:WORDS_CHARS].lower() if isinstance(error, str) else "")
    words = [error.get(name) for name in ("message", "detail", "param", "msg", "error_msg", "status_msg")]
    if isinstance(error.get("n_ctx"), int):  # llama.cpp gives the window as a field
        words.append(f"n_ctx {error['n_ctx']}")
    if isinstance(error.get("metadata"), dict):  # OpenRouter keeps the provider's own words there
        words.append(error["metadata"].get("raw"))
    codes = [error.get(name) for name in ("code", "type", "status", "error_code", "error_type", "status_code")]
    return Complaint(
        codes=frozenset(str(code).lower() for code in codes if isinstance(code, str | int)),
        # `str`, for FastAPI's `detail` may be a list of objects.
        words="\n".join(str(word)[:WORDS_CHARS] for word in words if word).lower(),
    )


def failure_in(found: Any) -> Any:
    """The error in an object of a 200 that holds no reply, for `read_complaint`; None where it is no failure."""
    if isinstance(found, list) and found:
        found = found[0]
    if not isinstance(found, dict):
        return None
    if found.get("error") or (isinstance(found.get("errors"), list) and found["errors"]):
        return _inner(found)
    said = found.get("base_resp")
    if isinstance(said, dict) and isinstance(said.get("status_code"), int) and said["status_code"]:
        return {"code": _MINIMAX.get(said["status_code"]), "message": said.get("status_msg")}
    if found.get("object") == "error" or found.get("detail") or found.get("error_msg") or found.get("success") is False:
        return found
    if not isinstance(found.get("message") or found.get("msg"), str):
        return None
    return (
        found if _is_code(found.get("code")) or _is_wrong(found.get("status")) or _is_wrong(found.get("type")) else None
    )


def is_plain_error(data: bytes) -> bool:
    """Whether data that is no JSON says that something failed. Most such data are signs of life ("ping")."""
    return _PLAIN_ERROR.match(data) is not None


def _is_code(code: Any) -> bool:
    """Whether it is the code of an error."""
    return isinstance(code, str | int) and not isinstance(code, bool) and str(code).lower() not in _FINE


def _is_wrong(state: Any) -> bool:
    """Whether a `status` or a `type` is one of an error: it may as well say what goes on ("processing")."""
    said = str(state).lower()
    return _is_code(state) and (said.isdecimal() or _WRONG.search(said) is not None)


# The rest of 4xx is a refusal, the rest of 5xx an absence that passes.
_BY_STATUS: dict[int, type[ModelError]] = {
    401: ModelAuthFailed, 402: ModelRefused, 403: ModelAuthFailed, 404: ModelUnavailable,
}  # fmt: skip


def fault_of_status(status: int, complaint: Complaint) -> Fault:
    """What an answer other than 200 means."""
    fault = _fault_of_status(status, complaint)
    fault.error.status = status
    return fault


def _fault_of_status(status: int, complaint: Complaint) -> Fault:
    detail = f"status {status}"
    if status < 400:  # a redirect
        return Fault(ModelBadResponse(detail))
    text = _text_of(status, complaint)
    if status in _BY_STATUS:
        return Fault(_BY_STATUS[status](detail, text))
    if status == 429 or (status < 500 and not text and not complaint.codes.isdisjoint(_RATE_CODES)):
        # Groq's 413: more tokens than a minute has. That does not pass by asking for the same again.
        return Fault(ModelRateLimited(detail, text), passing=status == 429 and text != "no_credit")
    if complaint.of_context:
        return Fault(ContextTooLong(detail))
    if status == 408 or status >= 500:  # new-api says so of a model that it does not have
        return Fault(ModelUnavailable(detail), passing=complaint.codes.isdisjoint(_MODEL_CODES))
    return Fault(ModelRefused(detail, text))


def _text_of(status: int, complaint: Complaint) -> str:
    """What people are told of a refusal, where that is more than its status says."""
    if status == 402 or (status < 500 and complaint.of_credit):
        return "no_credit"
    return "" if complaint.codes.isdisjoint(_FILTER_CODES) else "filtered"


def fault_of_event(complaint: Complaint) -> Fault:
    """What an error object inside a 200 means."""
    return replace(_fault_of_event(complaint), complaint=complaint)


def _fault_of_event(complaint: Complaint) -> Fault:
    if complaint.of_context:
        return Fault(ContextTooLong("error in the stream"))
    if status := _status_of(complaint):
        return fault_of_status(status, complaint)
    return Fault(ModelBadResponse("error in the stream"))


def _status_of(complaint: Complaint) -> int:
    """The status that a complaint without one would have come with; 0 where nothing tells."""
    codes, words = complaint.codes, complaint.words
    if numbers := [int(code) for code in codes if re.fullmatch(r"[45][0-9]{2}", code)]:
        return min(numbers)
    signs = (
        (429, not codes.isdisjoint(_RATE_CODES)),
        (402, complaint.of_credit),
        (400, not codes.isdisjoint(_FILTER_CODES)),
        (401, not codes.isdisjoint(_AUTH_CODES)),
        (503, not codes.isdisjoint(_DOWN_CODES)),
        (429, _RATE.search(words)),
        (503, _DOWN.search(words)),
    )
    return next((status for status, is_meant in signs if is_meant), 0)


def fault_of_reason(error: Any) -> Fault:
    """What a reason means that says the server failed, with the error that may stand beside it."""
    fault = fault_of_event(read_complaint(error)) if error else None
    if fault is None or type(fault.error) is ModelBadResponse:  # it began well, and then its server could not go on
        return Fault(ModelUnavailable("the server says that it failed"), passing=True)
    return fault
