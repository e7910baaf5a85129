"""The child as other processes of the machine see it, and what people are told when it does not come up."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from lianhua.errors import ModelUnavailable
from lianhua.models.local.child import Failed, Order
from lianhua.models.local.process import ModelProcess, missing_runtime, why_not_loaded
from tests.support.models.tiny_gguf import write_tiny_gguf

KEY = "a-key-of-the-test"


def order_for(file: Path, parent_pid: int | None = None) -> Order:
    return Order(
        file=str(file),
        alias="tiny",
        api_key=KEY,
        context_tokens=1024,
        reply_tokens=256,
        cores=1,
        parent_pid=parent_pid or os.getpid(),
    )


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ModelProcess]:
    process = await ModelProcess.start(order_for(write_tiny_gguf(tmp_path / "tiny.gguf")))
    yield process
    await process.stop()


def opened_as(process: ModelProcess, descriptor: int) -> Path:
    return Path(f"/proc/{process.pid}/fd/{descriptor}").readlink()


async def test_it_listens_on_loopback_only(process: ModelProcess) -> None:
    assert process.url.startswith("http://127.0.0.1:")


async def test_without_the_key_it_answers_nobody(process: ModelProcess) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
    url = f"{process.url}/v1/chat/completions"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json=body) as without:
            assert without.status == 401
        async with session.post(url, json=body, headers={"Authorization": f"Bearer {KEY}"}) as with_key:
            assert with_key.status == 200
            assert (await with_key.json())["model"] == "tiny"


async def test_no_page_of_a_browser_may_read_it(process: ModelProcess) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Origin": "https://evil.example"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{process.url}/health", headers=headers) as answer,
    ):
        assert answer.headers.get("Access-Control-Allow-Origin", "") == ""


@pytest.mark.parametrize("path", ["/slots", "/metrics", "/"])
async def test_nothing_but_the_model_is_served(process: ModelProcess, path: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession() as session, session.get(process.url + path, headers=headers) as answer:
        assert answer.status in (404, 501)


async def test_the_key_is_not_on_the_command_line_or_in_the_environment(process: ModelProcess) -> None:
    proc = Path(f"/proc/{process.pid}")

    assert KEY.encode() not in (proc / "cmdline").read_bytes()
    assert KEY.encode() not in (proc / "environ").read_bytes()


async def test_what_it_prints_once_it_is_up_goes_nowhere(process: ModelProcess) -> None:
    assert opened_as(process, 1) == opened_as(process, 2) == Path(os.devnull)


async def test_a_child_whose_parent_is_gone_already_does_not_stay(tmp_path: Path) -> None:
    file = write_tiny_gguf(tmp_path / "tiny.gguf")

    with pytest.raises(ModelUnavailable, match="status 1 while loading"):
        await ModelProcess.start(order_for(file, parent_pid=1))


async def test_a_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert missing_runtime() is None
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    with pytest.raises(ModelUnavailable, match="pip install"):
        await ModelProcess.start(order_for(tmp_path / "any.gguf"))


def test_an_old_processor_is_named() -> None:
    assert "AVX2" in why_not_loaded(None, -signal.SIGILL, [])


def test_a_kill_while_loading_hints_at_memory() -> None:
    assert "enough memory" in why_not_loaded(None, -signal.SIGKILL, [])


def test_the_library_s_own_cause_is_preferred_to_its_general_complaint() -> None:
    log = [
        b"0.1 I srv: loading",
        b"0.2 E llama_model_load: error loading model: unknown architecture",
        b"bye",
    ]

    assert why_not_loaded(Failed("Failed to init"), 1, log).endswith("cannot be loaded: unknown architecture")
