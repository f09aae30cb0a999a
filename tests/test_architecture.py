"""The shape of the code: which module may import which, how large a file may be, what the fast path may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "snakepit_cli"
BRIDGES = ROOT / "bridges"

# Layer → our own layers that it may import. `fast` is the file; docs/design/architecture.md draws this table.
LAYERS = {
    "base": set(),
    "settings": {"base"},
    "wire": {"base"},
    "core": {"base"},
    "launch": {"settings", "base"},
    "warden": {"base"},
    "server": {"core", "launch", "settings", "wire", "base"},
    "client": {"launch", "settings", "wire", "base"},
    "conformance": {"server", "launch", "settings", "wire", "base"},
    "cli": {"client", "conformance", "launch", "settings", "base"},
    "fast": {"client", "wire", "base", "cli"},
}
# Room of a layer → rooms beside it that it may import. Files beside the rooms put them together; those named here are
# below all of them.
ROOMS = {
    "server": {
        "calls": set(), "workers": {"calls"}, "doors": {"calls"}, "store": set(), "state": {"tools", "store"},
        "tools": {"store", "workers", "calls"}, "pools": {"tools", "workers", "calls"},
        "ops": {"instance", "state", "tools", "store", "pools", "workers", "calls"},
        "instance": {"state", "tools", "pools", "workers", "calls"},
    },
    "warden": {"records": set(), "burial": {"records"}, "births": {"burial", "records"}},
    "client": {
        "call": {"segments", "argument_segments"}, "connect": {"api", "call"}, "map": {"call", "segments"},
        "many": {"call", "segments", "argument_segments"},
        "api": {"call", "segments", "argument_segments", "map"},
    },
    "cli": {
        "completion": {"front_page"}, "output": set(), "connection": {"output"},
        "verbs": {"connection", "output", "completion"},
    },
}  # fmt: skip
BELOW = {
    "server": {"coalescer", "malloc_tuning", "operations", "peers", "segments", "serial_spin"},
    "warden": {"loop", "limits"},
    "client": {"values", "segments", "argument_segments", "error_frames", "following", "frame_stream", "json_text"},
    "cli": {"front_page", "help", "options", "parameters", "mapping", "multi_tail"},
}  # fmt: skip
STANDARD_ONLY = ("base", "core", "warden")
THIRD_PARTY: dict[str, set[str]] = {}
ONLY_IN = {"typer": "cli", "grpc": "server", "google": "wire"}
GENERATED = ("_pb2.py",)
MAX_LINES = 450


def sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.py")):
        if not path.name.endswith(GENERATED):
            yield path


def imports(path: Path) -> Iterator[str]:
    """Full names of all modules imported anywhere in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


@pytest.mark.parametrize("path", list(sources(PACKAGE)), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_only_downward(path: Path) -> None:
    mine = layer(path)
    if mine in {"__init__", "__main__"}:
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "snakepit_bridge":
            pytest.fail(f"{path.name} imports the bridge")
        if parts[0] == "snakepit_cli" and len(parts) > 1 and parts[1] in LAYERS and parts[1] != mine:
            assert parts[1] in LAYERS[mine], f"{mine} must not import {name}"
        if parts[0] in ONLY_IN and mine != "wire":
            assert mine == ONLY_IN[parts[0]], f"{mine} must not import {name}"


def rooms(name: str) -> Iterator[tuple[Path, str, str]]:
    """Of a layer: each file in a room, its room, and a room or file beside it that it imports."""
    for path in sources(PACKAGE / name):
        mine = path.relative_to(PACKAGE / name).parts[0].removesuffix(".py")
        for found in imports(path):
            parts = found.split(".")
            if parts[:2] == ["snakepit_cli", name] and len(parts) > 2 and parts[2] != mine:
                yield path, mine, parts[2]


@pytest.mark.parametrize("name", ROOMS)
def test_rooms_import_only_what_is_below_them(name: str) -> None:
    for path, mine, other in rooms(name):
        if mine in ROOMS[name] and other not in BELOW.get(name, ()):
            assert other in ROOMS[name][mine], f"{path.name}: {mine} must not import {other}"


def test_only_the_pools_room_knows_the_core() -> None:
    """Calls are told of by its events; a pool's states are known in one place."""
    for path in sources(PACKAGE / "server"):
        if path.relative_to(PACKAGE / "server").parts[0] not in {"pools", "calls"}:
            found = {name for name in imports(path) if name.startswith("snakepit_cli.core.")}
            assert not {name for name in found if "core.pool" in name or "core.table" in name}, path


@pytest.mark.parametrize("path", list(PACKAGE.rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_every_folder_says_what_belongs_into_it(path: Path) -> None:
    if path.parent != PACKAGE / "bridges":
        assert ast.get_docstring(ast.parse(path.read_text())), path


@pytest.mark.parametrize("name", STANDARD_ONLY)
def test_the_lower_layers_need_only_the_standard_library(name: str) -> None:
    allowed = {"snakepit_cli", *sys.stdlib_module_names, *THIRD_PARTY.get(name, ())}
    for path in sources(PACKAGE / name):
        foreign = {found.split(".")[0] for found in imports(path)} - allowed
        assert not foreign, f"{path}: {foreign}"


def test_bridges_do_not_know_the_tool() -> None:
    for path in sources(BRIDGES):
        assert not [name for name in imports(path) if name.split(".")[0] == "snakepit_cli"], path


def test_the_core_has_no_clock_and_no_io() -> None:
    banned = {"time", "os", "socket", "asyncio", "logging", "threading", "subprocess", "io", "pathlib"}
    for path in sources(PACKAGE / "core"):
        assert not banned & {name.split(".")[0] for name in imports(path)}, path


def test_the_server_starts_no_process_and_walks_through_none() -> None:
    for path in sources(PACKAGE / "server"):
        assert not {"subprocess", "psutil", "multiprocessing"} & {name.split(".")[0] for name in imports(path)}, path


def test_the_server_loads_nothing_that_starts_processes() -> None:
    """Not by way of another layer either, except what asyncio itself loads."""
    code = "import sys, asyncio, uvloop; before = set(sys.modules); import snakepit_cli.server.app; "
    code += "print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"psutil", "multiprocessing"} & set(done.stdout.split())
    assert "snakepit_cli.server.instance" in done.stdout


@pytest.mark.parametrize("path", [*sources(PACKAGE), *sources(BRIDGES)], ids=lambda path: path.name)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def loaded(statement: str) -> set[str]:
    """What the statement imports beyond what any start of CPython does (without site: that differs)."""
    code = f"import sys, os; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_the_fast_path_loads_next_to_nothing() -> None:
    extra = loaded("import snakepit_cli.fast")
    ours = {name for name in extra if name.startswith("snakepit_cli")}
    assert extra - ours <= {"__future__", "_socket", "_json"}, extra - ours


def test_help_does_not_load_the_server_side() -> None:
    heavy = {"grpc", "google.protobuf", "asyncio", "uvloop", "psutil", "msgspec"}
    code = "import sys, snakepit_cli.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not heavy & set(done.stdout.split())
