"""Which models this server has, by what is set and by what there is on this machine."""

import logging
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from lianhua.config.readers import is_loopback
from lianhua.config.settings import Settings
from lianhua.errors import WrongSettings
from lianhua.models.catalog import Catalog
from lianhua.models.configured import (
    ListedModel,
    check_fallbacks,
    context_tokens_of,
    is_providers_own,
    parse_models_file,
    parse_models_list,
)
from lianhua.models.demo import DemoModel
from lianhua.models.discover import FoundModel, FoundServer, find_model
from lianhua.models.download.download import Download
from lianhua.models.download.package_index import PackageIndex
from lianhua.models.http.endpoint import parse_endpoint
from lianhua.models.http.proxies import Proxy, proxy_for, proxy_variables
from lianhua.models.local.host import ModelHost
from lianhua.models.local.model import CONTEXT_TOKENS, LocalModel, local_info
from lianhua.models.local.process import missing_runtime
from lianhua.models.openai.model import OpenAIModel
from lianhua.models.openai.timeouts import Limits
from lianhua.models.port import ChatModel, ModelInfo, Prefill, WindowSource
from lianhua.models.scripted import ScriptedModel, load_script

logger = logging.getLogger(__name__)

OPENAI_URL: Final = "https://api.openai.com/v1"
# Ollama and LM Studio give a model this window unless told otherwise, and drop what is beyond without a word.
FOUND_CONTEXT_TOKENS: Final = 4_096


async def pick_models(
    settings: Settings, found: FoundModel | None = None, model_host: ModelHost | None = None
) -> list[ChatModel]:
    """The models, the default one first. Raises `WrongSettings`.

    What is set is used. With nothing set: a server that already runs on this machine, else the pulled model, else
    `demo`; of several workers' models `found` says what there is. A local model runs at `model_host`, in a process of
    our own where there is none.
    """
    if settings.script:
        return [ScriptedModel(load_script(settings.script))]
    limits = Limits(settings.connect_timeout_s, settings.first_byte_timeout_s, settings.delta_timeout_s)
    chosen: list[ChatModel] = [_openai(listed, settings, limits) for listed in _listed(settings)]
    if settings.local_model:
        chosen.append(_local(settings.local_model, settings, limits, model_host))
    check_fallbacks({model.info.id: model.info.fallback for model in chosen}, f"LIANHUA_MODELS: {settings.models}")
    if chosen:
        return chosen
    found = found or await find_model(settings.data_dir, discovery=settings.discovery)
    if found.server:
        return [_found(found.server, settings, limits), DemoModel()]
    if found.file:
        return [_local(Path(found.file), settings, limits, model_host), DemoModel()]
    return [DemoModel()]


def describe(model: ChatModel) -> str:
    """One line for the log and for `doctor`."""
    info = model.info
    proxy = model.proxy if isinstance(model, OpenAIModel) else None
    way = f", by way of the proxy {proxy} ({proxy.setting})" if proxy else ""
    return f"{info.name} ({info.kind}{', ' + info.note if info.note else ''}){way}"


def describe_window(info: ModelInfo) -> str:
    """How large a model's window is, and how that is known."""
    how = {"set": "as set", "told": "as its server says", "learnt": "learnt from a refusal"}
    how |= {"known": "as its provider says", "guessed": "a guess"}
    return f"a window of {info.context_tokens:,} tokens ({how[info.window]})"


def _listed(settings: Settings) -> list[ListedModel]:
    if settings.models is None:
        named = settings.openai_api_key or settings.openai_base_url
        return [ListedModel(settings.openai_model)] if named else []
    if settings.models.endswith(".toml"):
        path = Path(settings.models).expanduser()
        return parse_models_file(read_file(path, "LIANHUA_MODELS"), f"LIANHUA_MODELS: {path}")
    return parse_models_list(settings.models)


def _openai(listed: ListedModel, settings: Settings, limits: Limits) -> OpenAIModel:
    upstream = listed.model or listed.id
    key = settings.environ.get(listed.api_key_env) if listed.api_key_env else settings.openai_api_key
    if listed.api_key_env and not key:
        raise WrongSettings(f"LIANHUA_MODELS: {listed.id} wants the environment variable {listed.api_key_env}")
    base_url = listed.base_url or settings.openai_base_url or OPENAI_URL
    remote = not is_loopback(urlsplit(base_url).hostname or "")
    set_tokens = listed.context_tokens or settings.context_tokens
    info = ModelInfo(
        id=listed.id,
        name=listed.name or listed.id,
        kind="openai",
        context_tokens=set_tokens or context_tokens_of(upstream),
        images=listed.images,
        prefill=listed.prefill,
        serial=not remote,
        window="set" if set_tokens else "known" if is_providers_own(upstream) else "guessed",
        fallback=listed.fallback,
    )
    # llama.cpp's server ends a connection after a streamed reply without saying so, and the next turn would meet a dead
    # one. On this machine a new connection costs 0.1 ms, so there none is used twice.
    proxy = _proxy(base_url, settings)
    return OpenAIModel(info, base_url, key, limits, upstream_model=upstream, keep_connections=remote, proxy=proxy)


def _proxy(base_url: str, settings: Settings) -> Proxy | None:
    """What is on the way to `base_url` by the environment."""
    if settings.model_proxy == "off":
        return None
    try:
        endpoint = parse_endpoint(base_url)
    except ValueError:  # the model says so when it is asked
        return None
    try:
        return proxy_for(endpoint, settings.environ)
    except ValueError as exc:
        raise WrongSettings(f"{exc}; or set LIANHUA_MODEL_PROXY=off") from None


def _found(found: FoundServer, settings: Settings, limits: Limits) -> OpenAIModel:
    tokens = settings.context_tokens or found.context_tokens or FOUND_CONTEXT_TOKENS
    window: WindowSource = "set" if settings.context_tokens else "told" if found.context_tokens else "guessed"
    # Ollama and llama.cpp go on with a last message of the model's own; of LM Studio nothing of the kind is documented.
    prefill: Prefill | None = None if found.name == "LM Studio" else "last"
    info = ModelInfo(
        found.model, found.model, "openai", tokens, note=found.name, prefill=prefill, serial=True, window=window
    )
    return OpenAIModel(info, found.base_url, None, limits, keep_connections=False)


def _local(file: Path, settings: Settings, limits: Limits, host: ModelHost | None = None) -> LocalModel:
    model = LocalModel(file, limits, info=local_info(file, settings.context_tokens or CONTEXT_TOKENS), host=host)
    model.start()
    return model


def download_for(settings: Settings, catalog: Catalog) -> Download | None:
    """A download of the small model, begun, whose model joins the catalog; None where it could not run here."""
    if missing := missing_runtime():
        logger.warning("the small model is not fetched: %s", missing)
        return None
    limits = Limits(settings.connect_timeout_s, settings.first_byte_timeout_s, settings.delta_timeout_s)

    async def arrived(file: Path) -> None:
        model = _local(file, settings, limits)
        catalog.add(model)
        logger.info("model: %s answers from now on", describe(model))

    index = PackageIndex(environ=proxy_variables(settings.environ))
    download = Download(settings.data_dir, arrived, index=index)
    download.start()
    return download


def read_file(path: Path, setting: str) -> str:
    """A file that a setting names. Raises `WrongSettings`."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeError) as exc:
        raise WrongSettings(f"{setting}: cannot read {path} ({type(exc).__name__})") from exc
