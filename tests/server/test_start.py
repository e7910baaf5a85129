"""Starting: what is wrong is said in one line, and nothing is left running."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import SCRIPT, StartServer
from tests.support.client import Client
from tests.support.waiting import HANGS_S


def refused(data_dir: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Exit code and words of a server that should not start."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, "-m", "lianhua", "serve", *arguments],
        env={
            **inherited,
            "LIANHUA_DATA_DIR": str(data_dir),
            "LIANHUA_PORT": "0",
            "LIANHUA_DISCOVERY": "0",
            **environment,
        },
        cwd=data_dir,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    said = [line for line in ended.stderr.splitlines() if line.startswith("lianhua: ")]
    assert len(said) == 1, ended.stderr
    return ended.returncode, said[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIANHUA_PROT", "8000"),
        ("LIANHUA_PORT", "70000"),
        ("LIANHUA_RETENTION_DAYS", "nan"),
        ("LIANHUA_ALLOWED_ORIGINS", "*"),
        ("LIANHUA_SCRIPT", "/does/not/exist.toml"),
        ("REDIS_URL", "http://127.0.0.1:6379"),
        ("OPENAI_BASE_URL", "localhost:11434"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, name: str, value: str) -> None:
    code, line = refused(tmp_path, **{name: value})
    assert code == 2
    assert name in line
    assert not (tmp_path / "store").exists()


def test_an_address_that_others_can_reach_needs_to_be_meant(tmp_path: Path) -> None:
    for arguments, environment in (([], {"LIANHUA_HOST": "0.0.0.0"}), (["--host", "::"], {})):
        code, line = refused(tmp_path, *arguments, **environment)
        assert code == 2
        assert "LIANHUA_ALLOW_OPEN" in line


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, line = refused(tmp_path, "--port", port)
    assert code == 2
    assert f"127.0.0.1:{port}" in line


def test_a_store_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        code, line = refused(tmp_path, REDIS_URL=f"redis://:sesame@127.0.0.1:{port}/0")
    assert code == 1
    assert f"127.0.0.1:{port}" in line
    assert "sesame" not in line


def test_a_server_can_be_ended_while_it_waits_for_its_store(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        starting = subprocess.Popen(
            [sys.executable, "-m", "lianhua", "serve", "--port", "0"],
            env={**os.environ, "REDIS_URL": address, "LIANHUA_DATA_DIR": str(tmp_path), "LIANHUA_DISCOVERY": "0"},
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(HANGS_S)
        connection, _ = silent.accept()
        with connection:
            starting.send_signal(signal.SIGTERM)
            _, said = starting.communicate(timeout=HANGS_S)
    assert starting.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_whose_standard_input_is_closed_serves(tmp_path: Path, workers: str) -> None:
    server = subprocess.Popen(
        ["sh", "-c", f'exec "{sys.executable}" -m lianhua serve --port 0 --workers {workers} <&-'],
        env={**os.environ, "LIANHUA_DATA_DIR": str(tmp_path), "LIANHUA_SCRIPT": str(SCRIPT)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        assert "Lianhua 连话: http://" in server.stdout.readline()
    finally:
        server.terminate()
        _, said = server.communicate(timeout=HANGS_S)
    assert server.returncode == 0
    assert "Traceback" not in said


async def test_a_data_directory_has_one_owner(
    tmp_path: Path, start_server: StartServer, session: aiohttp.ClientSession
) -> None:
    first = Client(session, start_server(LIANHUA_SCRIPT=str(SCRIPT)).url, "alice")
    conversation = await first.create()
    code, line = refused(tmp_path)
    assert code == 2
    assert "LIANHUA_DATA_DIR" in line
    assert (await first.say(conversation, "hello")).end["status"] == "done"


def test_the_environment_counts_more_than_the_file(tmp_path: Path, start_server: StartServer) -> None:
    (tmp_path / ".env").write_text(f"LIANHUA_SCRIPT={SCRIPT}\nLIANHUA_LOG_LEVEL=debug\n")
    server = start_server(LIANHUA_LOG_LEVEL="warning")
    assert "Scripted" in server.log
    assert " INFO " not in server.log


def test_the_first_line_says_where_the_server_is(start_server: StartServer) -> None:
    server = start_server(LIANHUA_SCRIPT=str(SCRIPT))
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)


def test_the_stores_files_are_for_their_owner_only(tmp_path: Path, start_server: StartServer) -> None:
    start_server(LIANHUA_SCRIPT=str(SCRIPT))
    assert (tmp_path / "store").stat().st_mode & 0o077 == 0
