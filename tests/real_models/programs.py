"""Real model servers as child processes: started on a free port, waited for, ended by their process id."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers.ports import free_port

START_TIMEOUT_S = 240.0
END_TIMEOUT_S = 15.0
HERE = Path(__file__).parent


@dataclass
class Program:
    """A server that answers at `base_url`, knows its model as `model`, and writes to `log`."""

    command: Sequence[str]
    environ: Mapping[str, str]
    port: int
    model: str
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        """Until it lists its models."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env={**os.environ, **self.environ}, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await asyncio.to_thread(self._answers):
                if self.process.poll() is not None:
                    raise RuntimeError(f"{self.command[0]} ended:\n{self.log.read_text('utf-8', 'replace')[-4000:]}")
                await asyncio.sleep(0.2)

    async def end(self) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def get(self, path: str) -> Any:
        """JSON of the server itself, as of llama.cpp's `/slots`."""
        key = self.environ.get("LITELLM_MASTER_KEY", "")
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)

    def _answers(self) -> bool:
        try:
            return bool(self.get("/v1/models"))
        except OSError:
            return False


@contextlib.asynccontextmanager
async def running(program: Program) -> AsyncIterator[Program]:
    try:
        await program.start()
        yield program
    finally:
        await program.end()


def llama(file: Path, folder: Path, *, context_tokens: int = 4096, template: str = "") -> Program:
    port = free_port()
    options = {"file": str(file), "context_tokens": context_tokens, "template": template, "port": port}
    command = [sys.executable, str(HERE / "llama_server.py"), json.dumps(options)]
    return Program(command, {}, port, file.stem, folder / f"llama-{port}.log")


def litellm(venv: Path, behind: Program, folder: Path) -> Program:
    port = free_port()
    config = folder / f"litellm-{port}.yaml"
    model = {"model": f"openai/{behind.model}", "api_base": behind.base_url, "api_key": "none"}
    config.write_text(json.dumps({"model_list": [{"model_name": "by-litellm", "litellm_params": model}]}), "utf-8")
    command = [str(venv / "bin/litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environ = {"LITELLM_MASTER_KEY": MASTER_KEY, "LITELLM_TELEMETRY": "False"}
    return Program(command, environ, port, "by-litellm", folder / f"litellm-{port}.log")


# It does not start with a short one.
MASTER_KEY = "sk-loopback-only-0123456789-0123456789"


def transformers(venv: Path, model: Path, folder: Path) -> Program:
    port = free_port()
    command = [str(venv / "bin/transformers"), "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    environ = {"HF_HUB_OFFLINE": "1"}
    return Program(command, environ, port, str(model), folder / f"transformers-{port}.log")


def vllm(venv: Path, model: Path, folder: Path, context_tokens: int) -> Program:
    port = free_port()
    command = [
        *(str(venv / "bin/python"), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)),
        *("--host", "127.0.0.1", "--port", str(port), "--served-model-name", "tiny"),
        *("--max-model-len", str(context_tokens), "--dtype", "float32", "--enforce-eager"),
    ]
    environ = {"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    return Program(command, environ, port, "tiny", folder / f"vllm-{port}.log")
