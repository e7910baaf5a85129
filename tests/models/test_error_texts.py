"""The words of providers, gateways and local servers, each in the shape that it comes in: what is meant by them."""

import pytest

from lianhua.errors import ContextTooLong, ModelRateLimited, ModelUnavailable
from lianhua.models.openai.errors import Fault, complaint_in, fault_of_event, fault_of_status
from lianhua.models.openai.refusals import refuses_roles, window_in


def fault_of(status: int, body: str) -> Fault:
    return fault_of_status(status, complaint_in(body.encode()))


# Status, body, and the window that it names.
TOO_LONG: list[tuple[int, str, int | None]] = [
    (400, '{"error": {"code": "1261", "message": "Prompt 超长"}}', None),
    (400, '{"error": {"code": "1261", "message": "Prompt exceeds max length"}}', None),
    (
        400,
        '{"error": {"message": "Input length (5000 tokens) exceeds the maximum allowed le'
        'ngth (4090 tokens). Use a shorter input or enable --allow-auto-truncate."}}',
        4090,
    ),
    (
        413,
        '{"error": {"code": "tokens_limit_reached", "message": "Request body too large fo'
        'r gpt-4o model. Max size: 8000 tokens.", "details": "x"}}',
        8000,
    ),
    (
        400,
        '{"error": {"code": "model_max_prompt_tokens_exceeded", "message": "prompt token '
        'count of 70000 exceeds the limit of 64000"}}',
        64000,
    ),
    (
        400,
        '{"error": {"message": "litellm.ContextWindowExceededError: litellm.BadRequestErr'
        'or: OpenAIException - too much"}}',
        None,
    ),
    (
        400,
        '{"code": 20015, "message": "length of prompt_tokens (40000) must be less than ma'
        'x_seq_len (32768).", "data": null}',
        32768,
    ),
    (400, '{"error": {"message": "Prompt length 5000 is greater than max_seq_len 4096"}}', 4096),
    (
        400,
        '{"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000."}',
        4081,
    ),
    (
        400,
        '{"error": {"message": "You passed 5000 input tokens and requested 0 output token'
        "s. However, the model's context length is only 4096 tokens, resulting in a maxim"
        'um input length of 4096 tokens."}}',
        4096,
    ),
    (
        400,
        '{"error": {"message": "The sum of prompt length (5000) and max_tokens (16) shoul'
        'd not exceed max_num_tokens (8192)"}}',
        8192,
    ),
    (
        400,
        '{"object": "error", "message": "Request prompt has 5000 tokens in total, larger '
        'than the model input length limit 4096."}',
        4096,
    ),
    (
        400,
        '{"error": {"message": "The prompt size exceeds the context window size and cannot be processed."}}',
        None,
    ),
    (
        400,
        '{"error": {"message": "Input length 140000 exceeds the maximum length 131072", "code": "InvalidParameter"}}',
        131072,
    ),
    (
        400,
        '{"error": {"message": "Total tokens of image and text exceed max message tokens.'
        ' Request id: 021", "code": "InvalidParameter"}}',
        None,
    ),
    (400, '{"error_code": 336007, "error_msg": "the max input characters is 20000"}', None),
    (400, '{"error_code": 336103, "error_msg": "the prompt tokens is too long"}', None),
    (400, '{"error": {"message": "输入内容超过模型最大长度限制", "code": "InvalidParameter"}}', None),
    (400, '{"error": {"message": "请求的上下文长度超过模型限制(32768)"}}', 32768),
    (400, '{"error": {"message": "输入的token数超过了最大限制 8192"}}', 8192),
    (400, '{"error": {"message": "prompt过长，请缩短输入"}}', None),
    (
        400,
        '{"error": {"message": "Input Tokens Exceeded: Number of input tokens exceeds maximum length"}}',
        None,
    ),
    (
        400,
        '{"error": {"message": "AiError: AiError: The estimated number of input and maxim'
        'um output tokens (9000) exceeded this model context window limit (7968)."}}',
        7968,
    ),
    (
        400,
        '{"errors": [{"code": 5021, "message": "AiError: The estimated number of input an'
        'd maximum output tokens (9000) exceeded this model context window limit (7968)."'
        '}], "success": false}',
        7968,
    ),
    (
        400,
        '{"error": {"message": "This endpoint\'s maximum context length is 8192 tokens. Ho'
        "wever, you requested about 9000 tokens (8000 of text input, 1000 in the output)."
        ' Please reduce the length of either one, or use the \\"middle-out\\" transform"}}',
        8192,
    ),
    (
        400,
        '{"error": {"message": "the number of input tokens 5000 cannot exceed the total t'
        'okens limit 4096 for this model"}}',
        4096,
    ),
    (
        500,
        '{"error": "rpc error: code = Internal desc = the request exceeds the available c'
        'ontext size, try increasing it"}',
        None,
    ),
    (400, '{"error": {"message": "max_tokens must be at least 1, got -904."}}', None),
    (
        400,
        '{"error": {"message": "default_max_tokens (-903) must be greater than 0, default'
        '_max_tokens (-903) = max_seq_len (4097) - splited_prompt_len (5000)"}}',
        4097,
    ),
    (
        400,
        '{"error": {"message": "Input validation error: `inputs` must have less than 1024 tokens. Given: 5000"}}',
        1024,
    ),
    (
        422,
        '{"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <='
        ' 8193. Given: 9000 `inputs` tokens", "error_type": "validation"}',
        8193,
    ),
    (
        400,
        '{"error": {"message": "Requested token count exceeds the model\'s maximum context'
        ' length of 4096 tokens. You requested a total of 5000 tokens"}}',
        4096,
    ),
    (
        400,
        '{"error": {"message": "Invalid \'messages\': too many tokens", "code": "string_above_max_length"}}',
        None,
    ),
    (413, '{"error": {"message": "Prompt is too large"}}', None),
    (
        400,
        '{"error": {"message": "Your input exceeds the context window of this model. Plea'
        'se adjust your input and try again.", "code": "context_length_exceeded"}}',
        None,
    ),
    (
        400,
        '{"error": {"message": "input tokens exceeds the configured limit of 272000 token'
        's. Your messages resulted in 300000 tokens."}}',
        272000,
    ),
]


@pytest.mark.parametrize(("status", "body", "window"), TOO_LONG)
def test_a_prompt_too_long_is_known_and_the_window_that_is_named(status: int, body: str, window: int | None) -> None:
    fault = fault_of(status, body)
    assert type(fault.error) is ContextTooLong
    assert type(fault_of_event(complaint_in(body.encode())).error) is ContextTooLong
    assert window_in(complaint_in(body.encode()).words) == window


# What is too much, but not the prompt.
NOT_TOO_LONG: list[tuple[int, str]] = [
    (
        400,
        '{"error": {"message": "max_tokens (9000) exceeds the model\'s maximum output tokens 8192"}}',
    ),
    (400, '{"error": {"message": "Invalid value for max_tokens: must be <= 8192"}}'),
    (400, '{"error": {"message": "Image size exceeds the maximum of 5 MB"}}'),
    (
        429,
        '{"error": {"message": "Rate limit reached for tokens per min. Limit: 10000, requ'
        'ested 12000", "code": "rate_limit_exceeded"}}',
    ),
    (400, '{"error": {"message": "stop: too many sequences, maximum is 4"}}'),
    (400, '{"error": {"message": "user name is too long"}}'),
    (429, '{"error": {"message": "请求过于频繁，超过最大并发限制"}}'),
    (429, '{"error": {"message": "您的token用量已超过每日上限"}}'),
    (400, '{"error": {"message": "Input should be less than or equal to 2"}}'),
    (
        400,
        '{"error": {"message": "too many images: the maximum number of input images exceeds 8"}}',
    ),
    (429, '{"message": "Too many tokens, please wait before trying again."}'),
    (
        429,
        '{"error": {"message": "Request too large for gpt-4 on tokens per min (TPM): Limit 10000, Requested 12000"}}',
    ),
]


@pytest.mark.parametrize(("status", "body"), NOT_TOO_LONG)
def test_what_else_is_too_much_is_no_prompt_too_long(status: int, body: str) -> None:
    assert type(fault_of(status, body).error) is not ContextTooLong
    assert not complaint_in(body.encode()).of_context


NO_CREDIT: list[tuple[int, str]] = [
    (
        403,
        '{"error": {"message": "用户额度不足, 剩余额度: ＄0.0", "type": "new_api_error", "code": "in'
        'sufficient_user_quota"}}',
    ),
    (
        403,
        '{"error": {"message": "预扣费额度失败, 用户剩余额度: 0, 需要预扣费额度: 0.1", "type": "new_api_error'
        '", "code": "pre_consume_token_quota_failed"}}',
    ),
    (
        401,
        '{"error": {"message": "[sk-abc***] 该令牌额度已用尽 !token.UnlimitedQuota && token.Remai'
        'nQuota = 0", "type": "one_api_error"}}',
    ),
    (
        403,
        '{"code": 30001, "message": "Sorry, your account balance is insufficient", "data": null}',
    ),
    (
        403,
        '{"error": {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier of '
        "the model has been exhausted. If you wish to continue access the model on a paid"
        ' basis, please disable the \\"use free tier only\\" mode in the management console'
        '."}}',
    ),
    (
        400,
        '{"error": {"code": "Arrearage", "message": "Access denied, please make sure your'
        ' account is in good standing."}}',
    ),
    (
        403,
        '{"error": {"code": "AccountOverdueError", "message": "The request failed because'
        ' your account has an overdue balance."}}',
    ),
    (
        429,
        '{"error": {"type": "exceeded_current_quota_error", "message": "Your account org-'
        'x is suspended, please check your plan and billing details"}}',
    ),
    (
        403,
        '{"code": "permission-denied", "error": "Your newly created team doesn\'t have any'
        ' credits yet. You can purchase credits on https://console.x.ai"}',
    ),
    (
        429,
        '{"code": "resource-exhausted", "error": "Your team has either used all available'
        ' credits or reached its monthly spending limit."}',
    ),
    (
        402,
        '{"error": "You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO"}',
    ),
    (
        429,
        '{"errors": [{"code": 4006, "message": "AiError: you have used up your daily free'
        ' allocation of 10,000 neurons, please upgrade"}]}',
    ),
    (
        412,
        '{"error": {"message": "Account x is suspended, possibly due to reaching the mont'
        'hly spending limit or failure to pay past invoices."}}',
    ),
    (403, '{"error": {"message": "账户余额不足，请充值"}}'),
    (403, '{"error": {"message": "Your account has insufficient credit"}}'),
    (
        400,
        '{"error": {"message": "Your credit balance is too low to access the Anthropic API."}}',
    ),
    (429, '{"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}'),
    (429, '{"error": {"message": "账号余额已用尽，请充值后重试"}}'),
    (403, '{"error": {"message": "This organization has been disabled for billing"}}'),
    (
        403,
        '{"error": {"message": "BUDGET_EXCEEDED: Budget has been exceeded! Current cost: '
        '10, Max budget: 10", "type": "budget_exceeded"}}',
    ),
    (
        400,
        '{"error": {"message": "Budget has been exceeded! Current cost: 10.1, Max budget:'
        ' 10", "type": "budget_exceeded", "code": "400"}}',
    ),
    (
        429,
        '{"error": {"message": "Credit limit exceeded, please navigate to https://api.tog'
        'ether.xyz/settings/billing", "code": "credit_limit"}}',
    ),
]


@pytest.mark.parametrize(("status", "body"), NO_CREDIT)
def test_an_account_without_credit_is_said_and_not_asked_again(status: int, body: str) -> None:
    for fault in (fault_of(status, body), fault_of_event(complaint_in(body.encode()))):
        assert (fault.error.text, fault.passing) == ("no_credit", False)


PASSING_LIMITS: list[tuple[int, str]] = [
    (
        429,
        '[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceede'
        "d your current quota, please check your plan and billing details. * Quota exceed"
        "ed for metric: generate_content_free_tier_requests, limit: 10\\nPlease retry in 3"
        '7.59s."}}]',
    ),
    (429, '{"error": {"code": "1302", "message": "您当前使用该API的并发数过高，请降低并发"}}'),
    (429, '{"error": {"code": "1305", "message": "当前API请求过多，请稍后重试"}}'),
    (429, '{"error": {"message": "当前分组上游负载已饱和，请稍后再试", "type": "new_api_error"}}'),
    (
        429,
        '{"error": {"message": "Your account x<ak-y> request reached organization max RPM'
        ': 3, please try again after 1 seconds", "type": "rate_limit_reached_error"}}',
    ),
    (
        429,
        '{"error": {"code": "limit_requests", "message": "You exceeded your current requests list."}}',
    ),
]


@pytest.mark.parametrize(("status", "body"), PASSING_LIMITS)
def test_a_limit_that_passes_is_not_taken_for_one_of_credit(status: int, body: str) -> None:
    fault = fault_of(status, body)
    assert (type(fault.error), fault.error.text, fault.passing) == (ModelRateLimited, "", True)


UNKNOWN_MODEL: list[tuple[int, str]] = [
    (
        503,
        '{"error": {"message": "当前分组 default 下对于模型 gpt-9 无可用渠道（distributor）", "type": "ne'
        'w_api_error", "code": "model_not_found"}}',
    ),
    (
        400,
        '{"code": 20012, "message": "Model does not exist. Please check it carefully.", "data": null}',
    ),
    (
        404,
        '{"error": {"message": "The model `x` does not exist or you do not have access to'
        ' it.", "code": "InvalidEndpointOrModel.NotFound"}}',
    ),
    (
        404,
        '{"error": {"message": "Not found the model moonshot-v9 or Permission denied", "t'
        'ype": "resource_not_found_error"}}',
    ),
    (404, '{"error": {"code": "model_not_found", "message": "Model not exist."}}'),
    (
        404,
        '{"error": {"message": "The model or endpoint x does not exist", "code": "NotFound"}}',
    ),
    (400, '{"error": {"message": "Invalid model: x", "type": "invalid_model"}}'),
    (404, '{"error": {"message": "model \'x\' not found", "type": "not_found_error"}}'),
    (
        400,
        '{"error": {"message": "/chat/completions: Invalid model name passed in model=x. '
        'Call `/v1/models` to view available models for your key."}}',
    ),
    (
        404,
        '{"error": {"message": "Model not found, inaccessible, and/or not deployed", "code": "NOT_FOUND"}}',
    ),
    (400, '{"errors": [{"code": 5007, "message": "No such model @cf/x or task"}]}'),
    (
        403,
        '{"error": {"message": "The model is not supported by any provider you have enabled"}}',
    ),
    (400, '{"error": {"code": "1211", "message": "模型不存在，请检查模型代码。"}}'),
    (404, '{"error": {"message": "未找到模型 x"}}'),
    (400, '{"error": {"message": "不支持的模型：x"}}'),
    (404, '{"error": {"message": "No endpoints found for x/y.", "code": 404}}'),
    (400, '{"error": {"message": "Unsupported model: x"}}'),
    (400, '{"detail": "[xinference] Model not found in the model list, uid: x"}'),
]


@pytest.mark.parametrize(("status", "body"), UNKNOWN_MODEL)
def test_an_unknown_model_is_known_in_any_words(status: int, body: str) -> None:
    assert complaint_in(body.encode()).of_unknown_model


def test_a_gateway_without_the_model_is_not_asked_again() -> None:
    fault = fault_of(503, '{"error": {"code": "model_not_found", "message": "无可用渠道"}}')
    assert (type(fault.error), fault.passing) == (ModelUnavailable, False)


ROLES: list[str] = [
    "系统角色不被支持",
    "System messages are not supported",
    "messages 中 role 不正确，第一条必须是 user",
    "messages 参数非法。请检查文档。",
    "the role of first message must be user",
    "消息角色必须交替出现",
    "Unsupported role: system",
    "role 'system' is not supported by this model",
    "Input should be 'user' or 'assistant'",
    "messages with role 'system' must be the first",
    "user and assistant roles should be alternating",
    "Conversation must alternate",
    "System role is not allowed",
    "This model does not support system messages.",
    "Bad role: system",
    "A system message is not permitted for this model",
    'raise_exception("Conversation roles must alternate user/assistant/user/assistant/...")',
    'Message role "system" not allowed',
]


NO_ROLES: list[str] = [
    "invalid temperature",
    "the model does not exist",
    "Unknown parameter: stream_options",
    "user not found",
    "Content policy: your message is not allowed",
    "system overloaded",
    "Invalid API key for this user",
    "max_tokens must be positive",
    "unexpected field: foo",
]


@pytest.mark.parametrize("words", ROLES)
def test_a_refusal_of_roles_is_known(words: str) -> None:
    assert refuses_roles(words.lower())


@pytest.mark.parametrize("words", NO_ROLES)
def test_other_refusals_are_not_taken_for_one_of_roles(words: str) -> None:
    assert not refuses_roles(words.lower())
