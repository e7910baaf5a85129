"""`make release`: from a clean checkout to a tag, a wheel, an sdist and notes. Nothing is uploaded.

The version is the one in `src/lianhua/__init__.py`, and the changelog has a section `## VERSION - DATE` for it.
"""

import re
import subprocess
import sys
from pathlib import Path

import lianhua

ROOT = Path(__file__).parents[1]


def main() -> None:
    version = lianhua.__version__
    notes = section(ROOT.joinpath("CHANGELOG.md").read_text("utf-8"), version)
    if notes is None:
        sys.exit(f"release: CHANGELOG.md has no section `## {version} - DATE` with entries in it")
    if _out("git", "status", "--porcelain"):
        sys.exit("release: commit or remove what `git status` shows first")
    if _out("git", "tag", "--list", f"v{version}"):
        sys.exit(f"release: the tag v{version} is there; raise the version in src/lianhua/__init__.py")
    _run("make", "check", "test")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel")
    ROOT.joinpath("dist", f"notes-{version}.md").write_text(notes, "utf-8")
    _run("git", "tag", "--annotate", f"v{version}", "--message", f"Lianhua {version}\n\n{notes}")
    print(f"dist/ has the wheel, the sdist and the notes of {version}; `git push origin v{version}` publishes the tag")


def section(changelog: str, version: str) -> str | None:
    """The entries of a version with a date, without their heading; None where there are none."""
    heading = rf"^## {re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}$"
    found = re.search(rf"{heading}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return (found[1].strip() or None) if found else None


def _run(*words: str) -> None:
    subprocess.run(words, cwd=ROOT, check=True)


def _out(*words: str) -> str:
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
