"""Makes the file tree of the container image: this Python, what its libraries need, and an installed Lianhua.

    python scripts/image_tree.py SITE TREE

`SITE` is a folder that `pip install --target` has filled. `TREE` is made; nothing else of the system gets into it: no
shell, no package manager. Run in the first stage of the Containerfile, and by `make image-check` on any glibc Linux.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

UID = 10001
# Of the standard library: what a server never imports.
LEFT_OUT = (
    "test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data", "site-packages", "dist-packages",
    "__pycache__", "config-*", "_tkinter*", "_test*", "_ctypes_test*", "xxlimited*", "*.a",
)  # fmt: skip
UNUSED_IN_SITE = ("__pycache__", "bin", "tests", "test", "*.pyi", "*.pyx", "*.pxd", "*.c", "*.h")
ZONES = Path("/usr/share/zoneinfo")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def main(site: Path, tree: Path) -> None:
    """Raises `FileExistsError` where the tree is there already."""
    tree.mkdir(mode=0o755)
    python = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    copied = [
        copy_file(python, tree),
        *copy_folder(stdlib, tree / stdlib.relative_to("/"), LEFT_OUT),
        *copy_folder(site, tree / "app", UNUSED_IN_SITE),
    ]
    copied += [copy_file(library, tree) for library in sorted(libraries(copied, tree))]
    strip(copied)
    link = tree / "usr/bin/python3"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(python)
    settle(tree)
    compile_all(tree, stdlib)
    size = sum(file.lstat().st_size for file in tree.rglob("*") if file.is_file() and not file.is_symlink())
    print(f"{tree}: {size / 1e6:.0f} MB")


def copy_file(file: Path, tree: Path) -> Path:
    target = tree / file.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file.resolve(), target)
    return target


def copy_folder(source: Path, target: Path, left_out: tuple[str, ...]) -> Iterator[Path]:
    """The binaries in it, by their new places."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*left_out), dirs_exist_ok=True)
    for file in target.rglob("*"):
        if file.is_file() and is_binary(file):
            yield file


def is_binary(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def libraries(binaries: list[Path], tree: Path) -> set[Path]:
    """Every library of the system that the binaries are linked with (ldd(1)), the loader among them."""
    found: set[Path] = set()
    for binary in binaries:
        listed = subprocess.run(["/usr/bin/ldd", binary], capture_output=True, text=True, check=False).stdout
        paths = (Path(path) for path in re.findall(r"(?:=> )?(/\S+) \(0x", listed))
        found |= {path for path in paths if not path.is_relative_to(tree.resolve())}
    return found


def strip(binaries: list[Path]) -> None:
    """Takes out what only a debugger reads, a fifth of all; without strip(1) the image is that much larger."""
    if tool := shutil.which("strip"):
        subprocess.run([tool, "--strip-unneeded", *binaries], check=False, stderr=subprocess.DEVNULL)


def settle(tree: Path) -> None:
    """What a program expects of a system, and the two folders that it may write to, whoever runs it."""
    etc = tree / "etc"
    (etc / "ssl/certs").mkdir(parents=True, exist_ok=True)
    (etc / "passwd").write_text(f"lianhua:x:{UID}:0:lianhua:/data:/nonexistent\n")
    (etc / "group").write_text("root:x:0:\n")
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    if CERTIFICATES.is_file():
        copy_file(CERTIFICATES, tree)
    # Time zones, without the same ones once more, with leap seconds.
    ignored = shutil.ignore_patterns("posix", "right", "*.tab", "*.list", "leapseconds", "posixrules")
    shutil.copytree(ZONES, tree / ZONES.relative_to("/"), ignore=ignored)
    for name, mode in (("data", 0o770), ("tmp", 0o1777)):
        (tree / name).mkdir()
        (tree / name).chmod(mode)
    if os.geteuid() == 0:
        os.chown(tree / "data", UID, 0)


def compile_all(tree: Path, stdlib: Path) -> None:
    """As byte code beside the sources: the image is read-only where it runs."""
    folders = {tree / "app": "/app", tree / stdlib.relative_to("/"): str(stdlib)}
    for folder, place in folders.items():
        command = [sys.executable, "-m", "compileall", "-q", "-j", "0", "-s", str(folder), "-p", place, str(folder)]
        subprocess.run(command, check=False)  # some files of the library are there to be refused


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
