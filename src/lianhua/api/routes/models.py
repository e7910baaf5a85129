"""The models, and the small one on its way to this computer."""

from fastapi import APIRouter

from lianhua.api.deps import ModelDownload, Models, ViewerLanguage
from lianhua.api.schemas.models import DownloadOut, ModelOut, ModelsOut
from lianhua.chat.messages import Language
from lianhua.errors import InvalidRequest
from lianhua.models.download.download import Download

router = APIRouter(prefix="/models", tags=["models"])


@router.get("")
async def list_models(models: Models, download: ModelDownload, language: ViewerLanguage) -> ModelsOut:
    """The models to choose from, and which answers when nobody chooses."""
    return ModelsOut(
        models=[ModelOut.model_validate(model.info) for model in models],
        default_model=models.default.info.id,
        download=_download_out(download, language) if download else None,
    )


@router.post("/download")
async def start_download(download: ModelDownload, language: ViewerLanguage) -> DownloadOut:
    """Fetches the small model, or goes on where it was stopped."""
    there = _there(download)
    there.start()
    return _download_out(there, language)


@router.delete("/download")
async def stop_download(download: ModelDownload, language: ViewerLanguage) -> DownloadOut:
    """Stops fetching; what has come is kept for later."""
    there = _there(download)
    await there.stop()
    return _download_out(there, language)


def _there(download: Download | None) -> Download:
    if download is None:
        raise InvalidRequest("download", "this server was not started with --pull")
    return download


def _download_out(download: Download, language: Language) -> DownloadOut:
    view = download.view
    reason = view.reason.text(language) if view.reason else None
    return DownloadOut(
        state=view.state, received_bytes=view.received_bytes, total_bytes=view.total_bytes, reason=reason
    )
