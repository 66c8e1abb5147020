"""The house stands: imports run upward only, and looking at it costs nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pixelsmile

PACKAGE = Path(pixelsmile.__file__).parent

# Each storey may import from those above it in this list, a room in the ground also from its neighbours.
STOREYS = (
    {"pixelsmile", "version", "errors", "hashing", "images", "limits", "originals", "picture_cost"},
    {"store", "embedded", "workers"},
    {"expressions"},
    {"portraits"},
    {"networks", "remote"},
    {"faces", "features", "results"},
    {"provenance"},
    {"editing", "judges"},
    {"editors", "triplets"},
    {"training", "dataset", "benchmarks"},
    {"web"},
    {"cli"},
)
GROUND = STOREYS[0]
STOREY_OF = {room: level for level, rooms in enumerate(STOREYS) for room in rooms}
# The package itself hands out the editor when asked, and starts the command line.
DOORS = ("__init__.py", "__main__.py")


def room_of(module: str) -> str:
    """`pixelsmile.editing.flow` lies in editing; the package itself is ground."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def imported_modules(path: Path) -> set[str]:
    """Every module of ours that a file imports: at its top, inside functions, under TYPE_CHECKING."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            inner = {f"{module}.{alias.name}" for alias in node.names} if module == "pixelsmile" else {module}
            found |= {name if room_of(name) in STOREY_OF else module for name in inner}
    return {name for name in found if name.split(".")[0] == "pixelsmile"}


def may_import(room: str, other: str) -> bool:
    return room == other or STOREY_OF[other] < STOREY_OF[room] or {room, other} <= GROUND


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).as_posix() not in DOORS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_upward_only(path):
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    assert room in STOREY_OF, f"{room} has no place in the house: give it one here and in the design"
    wrong = [name for name in imported_modules(path) if not may_import(room, room_of(name))]
    assert not wrong, f"{room} may not import {wrong}"


def test_no_files_import_one_another():
    """Not at their top, and not inside functions either: whoever reads one file has to read no circle."""
    named = {_module_name(path): path for path in FILES}
    edges = {name: {other for other in _modules(path, named)} - {name} for name, path in named.items()}
    assert list(_circles(edges)) == []


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def _modules(path: Path, named: dict[str, Path]) -> set[str]:
    """The files of ours that a file imports, at its top and inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in named else node.module or "" for name in inner}
    return found & set(named)


def _circles(edges: dict[str, set[str]]) -> Iterator[list[str]]:
    """Files that reach themselves, by taking away again and again those that import nothing that is left."""
    left = dict(edges)
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    if left:
        yield sorted(left)


OURS = {"Editor", "ClipEncoder"}  # whose from_pretrained is not a library's


def test_no_code_that_comes_with_a_model_is_run():
    """Without it transformers asks, and a "y" on the terminal is enough."""
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "from_pretrained"
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id in OURS)
        and not any(ast.unparse(keyword) == "trust_remote_code=False" for keyword in node.keywords)
    ]
    assert wrong == []


def test_the_rule_itself():
    assert may_import("editing", "expressions")
    assert may_import("cli", "editing")
    assert may_import("store", "errors")
    assert not may_import("errors", "expressions")
    assert not may_import("training", "benchmarks")
    assert not may_import("editing", "cli")
    assert may_import("cli", "web")
    assert not may_import("web", "cli")
    assert room_of("pixelsmile.editing.flow") == "editing"


HEAVY = ("torch", "diffusers", "transformers", "skia", "PIL", "numpy", "pydantic", "rich", "argcomplete")


@pytest.mark.parametrize(
    "statement",
    [
        "import pixelsmile",
        "from pixelsmile.cli import main; main(['--help'])",
        "from pixelsmile.cli import main; main(['--version'])",
        "from pixelsmile.cli import main; main(['expressions'])",
        "from pixelsmile.cli.edit import parser; parser().format_help()",
        "from pixelsmile.cli.train import parser; parser().format_help()",
        "from pixelsmile.cli.serve import parser; parser().format_help()",
    ],
)
def test_a_look_loads_nothing_heavy(statement):
    program = f"import sys\n{statement}\nprint(*(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []


@pytest.mark.parametrize(
    "module",
    ["expressions", "portraits", "results", "judges", "images", "store.manifests", "editing.photographs"],
)
def test_what_works_without_torch(module):
    program = f"import sys, pixelsmile.{module}\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
