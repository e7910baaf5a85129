"""What the server itself says to people, in Chinese and English. The page has its own catalogues."""

from typing import Final

from lianhua.chat.messages import Language

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "history_cleared": ("对话历史已清除", "Conversation history cleared"),
    # Refusals: what happened and what to do.
    "invalid_request": ("请求有误", "The request is not valid"),
    "unknown_role": ("没有这个角色", "There is no such persona"),
    "unknown_model": ("没有这个模型", "There is no such model"),
    "message_too_long": ("消息太长，请缩短后再发", "The message is too long; shorten it and send it again"),
    "conversation_not_found": ("找不到这个对话", "There is no such conversation"),
    "turn_not_found": ("找不到这一轮对话", "There is no such turn"),
    "persona_not_found": ("找不到这个自定义角色", "There is no such persona of your own"),
    "turn_in_progress": ("上一条回复还没有结束", "A reply is still being made in this conversation"),
    "idempotency_mismatch": ("同一个幂等键已用于另一个请求", "This idempotency key was used for another request"),
    "message_erased": (
        "这条消息已经收到过，后来被清除了；要再说一次，请重新发送",
        "This message had been taken and was cleared since; to say it again, send it anew",
    ),
    "rate_limited": ("请求太频繁，请稍后再试", "Too many requests; try again in a moment"),
    "rate_limited_for": (
        "请求太频繁，请在 {seconds} 秒后再试",
        "Too many requests; try again in {seconds} s",
    ),
    "turns_running": (
        "你已有 {running} 条回复正在生成，请等其中一条结束",
        "{running} of your replies are being made; wait for one of them to end",
    ),
    "quota_exhausted": ("额度不够了", "The budget is used up"),
    "quota_until": (
        "{budget}额度剩下的不够这一轮；{when}（{zone}）重新开始",
        "What is left of the {budget} is not enough for this; it begins anew at {when} ({zone})",
    ),
    "tokens_of_day": ("今天的词元", "day's token budget"),
    "tokens_of_month": ("这个月的词元", "month's token budget"),
    "money_of_day": ("今天的费用", "day's money budget"),
    "money_of_month": ("这个月的费用", "month's money budget"),
    "not_authenticated": ("请先登录", "Log in first"),
    "login_failed": ("用户名或密码不对", "The name or the password is wrong"),
    "oidc_refused": (
        "通过身份提供方登录没有成功，请重新登录；仍然不行请联系管理员",
        "Logging in at the identity provider did not succeed; begin again, or ask an administrator",
    ),
    "oidc_unavailable": ("暂时连不上身份提供方，请稍后再试", "The identity provider is not reachable; try later"),
    "untrusted_header": (
        "请求带有只有受信任的代理才能发送的用户请求头",
        "The request has a header that names its user, which only a trusted proxy may send, once",
    ),
    "link_used": ("这个链接已经用过或已过期，请管理员再给一个", "This link was used or has run out; ask for a new one"),
    "weak_password": ("密码太短或太常见", "The password is too short or too common"),
    "user_not_found": ("没有这个用户", "There is no such user"),
    "name_taken": ("这个名字已经有人用了", "The name is taken"),
    "forbidden": ("不允许这样访问", "This is not allowed"),
    "cross_site": ("拒绝来自其他网站的请求", "Requests from other sites are refused"),
    "cross_site_host": (
        "拒绝来自其他网站的请求：网页地址是 {origin}，而请求的 Host 是 {host}。如果前面有反向代理，请让它原样传递 Host"
        "（nginx：proxy_set_header Host $http_host;），或者把网页地址写进 LIANHUA_ALLOWED_ORIGINS",
        "Requests from other sites are refused: the page is at {origin}, and the request's Host is {host}. Behind a "
        "proxy, let it pass the Host on (nginx: proxy_set_header Host $http_host;), or name the page's address in "
        "LIANHUA_ALLOWED_ORIGINS",
    ),
    "foreign_host": (
        "这个服务器不以 {host} 的名字应答，只应答：{names}。要用别的名字访问，请把网页地址写进 LIANHUA_ALLOWED_ORIGINS"
        "（例如 LIANHUA_ALLOWED_ORIGINS=http://chat.example.org）",
        "This server does not answer to {host}, only to: {names}. To reach it by another name, set "
        "LIANHUA_ALLOWED_ORIGINS to the page's address (such as LIANHUA_ALLOWED_ORIGINS=http://chat.example.org)",
    ),
    "backup_refused": ("备份文件无法使用", "The backup file cannot be used"),
    "head_too_slow": ("请求没有及时发完", "The request did not arrive in time"),
    "head_too_large": ("请求的地址和请求头太大", "The request's address and headers are too large"),
    "head_limit": (
        "请求的地址和请求头一共最多 {limit} 字节。长消息请用 POST 发送（POST /api/conversations/ID/turns）",
        "The request's address and headers may have {limit} bytes together. A long message: send it by POST "
        "(POST /api/conversations/ID/turns)",
    ),
    "payload_too_large": ("请求体太大", "The request body is too large"),
    "overloaded": ("服务器太忙，请稍后再试", "The server is too busy; try again in a moment"),
    "disk_full": (
        "服务器的磁盘空间不足，放不下这个文件",
        "The server's disk has no room for this file",
    ),
    "store_unavailable": ("暂时连不上存储，请稍后再试", "The store cannot be reached; try again in a moment"),
    "draining": ("服务器正在关闭，请稍后再试", "The server is shutting down; try again in a moment"),
    "import_cut": ("文件不完整，请重新导出或下载", "The file was cut off; export or download it again"),
    "import_damaged": ("文件与导出时不一致，请重新导出", "The file is not what was exported; export it again"),
    "import_empty": ("文件里没有可以导入的对话", "There is nothing in the file that could be imported"),
    "not_found": ("没有这个地址", "There is nothing at this address"),
    "method_not_allowed": ("这个地址不支持这种方法", "This address does not take that method"),
    "internal": ("服务器内部出错了", "Something went wrong inside the server"),
    # The ends of a turn.
    "model_auth_failed": ("模型服务拒绝了密钥，请检查 OPENAI_API_KEY", "The model refused the key; check it"),
    "model_rate_limited": ("模型服务限流，请稍后再试", "The model's server limits requests; try again later"),
    "model_unavailable": ("模型服务暂时不可用", "The model cannot be reached at the moment"),
    "model_timeout": ("模型太久没有回应", "The model did not answer in time"),
    "model_refused": ("模型服务拒绝了这个请求", "The model's server refused this request"),
    "model_bad_response": ("模型服务的回答无法理解", "The model's server sent something that is not an answer"),
    "context_too_long": ("对话超出了模型的上下文窗口", "The conversation is longer than the model's context window"),
    "worker_lost": ("生成进程中断了，已保留收到的内容", "The process making this reply was lost; what came is kept"),
    "server_stopping": ("服务器停止，已保留收到的内容", "The server stopped in mid-reply; what came is kept"),
    "reply_cut": ("模型的回答中途断开，已保留收到的内容", "The model's answer was cut off; what came is kept"),
    "reply_too_long": ("回复达到长度上限，已停止", "The reply reached its length limit and was stopped"),
    "no_credit": ("模型服务的账户余额不足，请充值", "The account at the model's server is out of credit; top it up"),
    "no_such_model": ("模型服务没有模型 {model}，请检查名称", "The model's server has no model {model}; check it"),
    "other_models": (
        "模型服务没有模型 {model}；可用的有：{models}",
        "The model's server has no model {model}; it has: {models}",
    ),
    "only_thoughts": (
        "模型把可用的长度都用在了思考上，没有写出回答；请继续，或提高长度上限",
        "The model spent all its tokens on thinking and wrote no answer; continue, or raise the limit",
    ),
    "no_answer": (
        "模型没有写出回答就结束了；请继续或重试",
        "The model ended without having written an answer; continue, or retry",
    ),
    "only_a_call": (
        "模型没有回答，而是要调用工具；这里没有工具，请重试或换一个模型",
        "The model called a tool in place of an answer; there are none here, retry or choose another model",
    ),
    "filtered": ("模型服务的内容过滤拦下了这一轮", "The content filter of the model's server has stopped this"),
    # Notices while a turn runs.
    "picture_left_out": ("模型还画了图，图没有保留", "The model also drew a picture, which is not kept"),
    "retrying": (
        "模型暂时没有回应，正在重试（第 {attempt} 次，最多 {attempts} 次）",
        "The model did not answer; trying again (attempt {attempt} of at most {attempts})",
    ),
    "unanswered_left_out": (
        "模型服务拒绝了请求，已去掉没有得到回复的问题再试",
        "The model refused the request; trying without the questions that got no reply",
    ),
    "fallback": ("模型无法回答，改由 {model} 回答", "The model cannot answer; {model} is asked in its place"),
    "queued": ("正在排队，前面还有 {ahead} 个回复", "Waiting in the queue, {ahead} before this one"),
    "restarted": ("生成进程中断，正在重新生成", "The process making this reply was lost; it is being made again"),
    "continued": ("生成进程中断，正在接着写", "The process making this reply was lost; it goes on from here"),
    "window_shrunk": ("对话太长，已用更少的历史消息重试", "The conversation was too long; trying with fewer messages"),
    # A conversation as Markdown.
    "untitled": ("未命名对话", "Conversation without a title"),
    "export_model": ("模型", "Model"),
    "export_begun": ("开始于", "Begun"),
    "export_user": ("用户", "User"),
    "export_assistant": ("助手", "Assistant"),
    "export_stopped": ("已停止", "stopped"),
    "export_failed": ("失败", "failed"),
    "export_interrupted": ("已中断", "interrupted"),
    "export_length": ("达到长度上限", "cut at its length limit"),
    "export_content_filter": ("被内容过滤", "held back by the content filter"),
    "export_dropped": ("这里有 {count} 条消息已按保留规则删除", "{count} messages here are no longer kept"),
}  # fmt: skip


def say(key: str, language: Language, **values: object) -> str:
    """The text of `key`, which is an error code or a name from the table above."""
    zh, en = _TEXTS[key]
    return (zh if language == "zh" else en).format(**values)


def has(key: str) -> bool:
    """Whether there is a text of that name."""
    return key in _TEXTS


def preferred_language(accept_language: str | None) -> Language:
    """The better of zh and en for an `Accept-Language` header (RFC 9110, 12.5.4); Chinese where it names neither."""
    best: tuple[float, Language] = (0.0, "zh")
    for part in (accept_language or "").split(","):
        tag, _, parameter = part.strip().partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        primary = tag.strip().lower().partition("-")[0]
        if primary == "zh" and weight > best[0]:
            best = (weight, "zh")
        elif primary == "en" and weight > best[0]:
            best = (weight, "en")
    return best[1]
