"""`lianhua doctor`: looks at settings, model and store as the server would, and says what to mend."""

import asyncio
from contextlib import aclosing
from urllib.parse import urlsplit

from lianhua.chat.messages import ContextAccount
from lianhua.chat.prompt import Prompt, PromptMessage
from lianhua.chat.texts import say
from lianhua.config.hosts import host_names
from lianhua.config.oidc import read_providers
from lianhua.config.settings import Settings
from lianhua.errors import LianhuaError, ModelError, OidcUnavailable
from lianhua.models.choose import describe, describe_window, pick_models
from lianhua.models.openai.model import OpenAIModel
from lianhua.models.port import ChatModel, GenerationOptions, TextDelta
from lianhua.server.operation_findings import Finding, logs, metrics, own_container, store_findings
from lianhua.store.open import is_served, open_any_store
from lianhua.wiring import load_personas

ANSWER_TIMEOUT_S = 120.0  # a model on this computer is loaded first


async def examine(settings: Settings) -> list[Finding]:
    """What was looked at, in order. Raises only `WrongSettings`: then there is nothing to look at yet."""
    findings = [Finding(True, f"personas: {', '.join(persona.id for persona in load_personas(settings))}")]
    findings.append(proxy_settings(settings))
    findings += [metrics(settings), logs(settings), *own_container(settings)]
    findings += await _oidc(settings)
    findings += await _store(settings)
    models = await pick_models(settings)
    try:
        findings += [await _model(model) for model in models]
    finally:
        for model in models:
            await model.close()
    return findings


def proxy_settings(settings: Settings) -> Finding:
    """Whether a page behind a proxy could work: only the operator knows whether there is one."""
    names = sorted({urlsplit(origin).netloc for origin in settings.allowed_origins})
    trusted = ", ".join(map(str, settings.trusted_proxies))
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        return Finding(False, "proxy: LIANHUA_TRUSTED_PROXIES believes everybody; name the addresses of your proxies")
    if trusted and settings.on_loopback and not names:
        hint = "name the page's address in LIANHUA_ALLOWED_ORIGINS, else only localhost is answered"
        return Finding(False, f"proxy: {trusted} is trusted; {hint}")
    if not trusted and not names and not settings.base_path:
        hint = "name the page's address in LIANHUA_ALLOWED_ORIGINS and the proxy's in LIANHUA_TRUSTED_PROXIES"
        answers = (
            f"answers to {', '.join(host_names(settings).describe())}; for other names set LIANHUA_ALLOWED_ORIGINS"
        )
        return Finding(True, f"proxy: none is set up; {answers}; behind one, {hint} (docs/proxies.md)")
    parts = [
        f"trusted: {trusted or 'none'}",
        f"answers to {', '.join(host_names(settings).describe())}",
        f"below {settings.base_path}/" if settings.base_path else "at /",
    ]
    return Finding(True, f"proxy: {'; '.join(parts)}")


async def _oidc(settings: Settings) -> list[Finding]:
    """Whether each OpenID provider answers as its settings say."""
    providers = read_providers(settings).values()
    if not providers:
        return []
    try:
        from lianhua.auth.oidc import Client  # noqa: PLC0415  only here is its HTTP client needed
    except ImportError:
        return [Finding(False, "oidc: needs more packages; pip install 'lianhua[oidc]'")]
    findings = []
    for provider in providers:
        try:
            await Client(provider).metadata()
            findings.append(Finding(True, f"oidc: {provider.name}: {provider.issuer} answers"))
        except OidcUnavailable as error:
            findings.append(Finding(False, f"oidc: {provider.name}: {provider.issuer}: {error}"))
    return findings


async def _store(settings: Settings) -> list[Finding]:
    served = await is_served(settings)
    try:
        async with open_any_store(settings) as store:
            where = f"a running lianhua serves from {settings.data_dir}" if served else store.where
            remarks = [Finding(True, f"store: it {remark}") for remark in store.remarks]
            return [Finding(True, f"store: {where}"), *remarks, *await store_findings(store.database)]
    except LianhuaError as exc:
        return [Finding(False, f"store: {exc}")]


async def _model(model: ChatModel) -> Finding:
    if isinstance(model, OpenAIModel):
        await model.find_size()
    question = PromptMessage("user", "Say OK.")
    prompt = Prompt((question,), ContextAccount(model.info.context_tokens, 8, 0, ()), "en")
    try:
        async with (
            asyncio.timeout(ANSWER_TIMEOUT_S),
            aclosing(model.stream(prompt, GenerationOptions(max_tokens=8))) as batches,
        ):
            async for batch in batches:
                if any(isinstance(delta, TextDelta) for delta in batch):
                    return Finding(True, f"model: {describe(model)} answers; {describe_window(model.info)}")
    except ModelError as exc:
        hint = advice(exc)
        return Finding(False, f"model: {describe(model)}: {say(exc.code, 'en')} ({exc}){'; ' if hint else ''}{hint}")
    except TimeoutError:
        return Finding(False, f"model: {describe(model)}: no answer within {ANSWER_TIMEOUT_S:.0f} s")
    return Finding(False, f"model: {describe(model)}: an empty answer")


_ADDRESS = "check OPENAI_BASE_URL (or base_url): most servers want it with /v1 at its end"
_ADVICE = {
    401: "check the key: OPENAI_API_KEY (or the variable of api_key_env)",
    402: "the account at the model's server has no credit: top it up",
    403: "the key may not use this model: check it and the rights of its account",
    404: f"{_ADDRESS}; and the model's name, OPENAI_MODEL (or model)",
    405: _ADDRESS,
    407: "a proxy wants a login",
}


def advice(error: ModelError) -> str:
    """What the operator can do about an answer that was a refusal; empty where only waiting helps."""
    if 300 <= error.status < 400:
        return (
            "redirects are not followed: set OPENAI_BASE_URL (or base_url) to where it leads, https:// if it is http://"
        )
    if "certificate" in str(error):
        return (
            "set SSL_CERT_FILE to a file with the certificate of the authority that signed it (PEM), and check that "
            "the address has the name which the certificate is for"
        )
    return _ADVICE.get(error.status, "")
