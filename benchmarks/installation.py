"""snakepit as a user has it: installed by pip, not editable, in a fresh virtual environment.

An editable install adds an import hook to every start of the interpreter, which would be measured too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import BenchmarkError

ROOT = Path(__file__).resolve().parents[1]
_PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "scripts", "snakepit_cli", "bridges")
_FOREIGN = ("SNAKEPIT_", "PYTHON", "VIRTUAL_ENV", "COVERAGE_")


@dataclass(frozen=True)
class Installation:
    python: str
    """The interpreter that everything of ours runs in, and that `python -c pass` means."""
    command: tuple[str, ...]
    """`snakepit`."""


def clean_environment() -> None:
    """Takes out of our environment what would change the start of an interpreter or find another instance."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN):
            del os.environ[name]


def install() -> Installation:
    """The installation of the present sources; made when there is none yet. Raises BenchmarkError."""
    kept = ROOT / "build" / "benchmarks"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    place = kept / f"venv-{version}-{_fingerprint()}"
    if not (place / "complete").exists():
        for old in kept.glob(f"venv-{version}-*"):
            shutil.rmtree(old)
        run(sys.executable, "-m", "venv", str(place))
        run(str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(ROOT))
        (place / "complete").touch()
    return Installation(str(place / "bin" / "python"), (str(place / "bin" / "snakepit"),))


def _fingerprint() -> str:
    """Of the names and contents of all files that the wheel is made from."""
    digest = hashlib.sha256()
    for path in sorted(_sources()):
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _sources() -> Iterator[Path]:
    for name in _PACKAGED:
        place = ROOT / name
        if place.is_file():
            yield place
        for path in place.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def run(*argv: str) -> None:
    """Raises BenchmarkError with what the command said when it fails."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
