"""Bodies of the models, and of the download of the small one."""

from typing import Literal

from lianhua.api.schemas.body import Out


class ModelOut(Out):
    id: str
    name: str
    kind: Literal["openai", "local", "demo", "scripted"]
    images: bool
    context_tokens: int
    note: str


class DownloadOut(Out):
    """The small model on its way to this computer."""

    state: Literal["waiting", "running", "done", "stopped", "skipped", "failed"]
    received_bytes: int
    total_bytes: int
    reason: str | None


class ModelsOut(Out):
    models: list[ModelOut]
    default_model: str
    download: DownloadOut | None
