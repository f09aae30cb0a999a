"""The bridges of other languages: where each is, what runtime it needs, and how that is installed.

The Python bridge is a package of its own: it comes with the interpreter that it runs in.
"""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from snakepit_cli.base.errors import PitError

_INSTALLERS = (("apt", "apt-get"), ("dnf", "dnf"), ("brew", "brew"))
_VERSION_SECONDS = 20.0


@dataclass(frozen=True)
class Bridge:
    """The manifest, `bridge.toml`. Words may have holes in braces."""

    folder: Path
    language: str
    runtime: str
    """Name of the program."""
    minimum: str
    version: tuple[str, ...]
    """Command line that prints the runtime's version."""
    package: Mapping[str, str]
    """Kind of package manager → name of the runtime's package there."""
    worker: tuple[str, ...]
    """Command line of a worker."""
    builtin: str
    """File of the adapter that is named as the language is; empty when there is none."""
    prepare: tuple[str, ...]
    """Run in the bridge's folder, it makes the first start of a worker quick. Empty when there is nothing to do."""

    def find(self, environ: Mapping[str, str]) -> str:
        """The runtime's program. Raises PitError."""
        found = shutil.which(self.runtime, path=environ.get("PATH"))
        if found is None:
            hint = f"install {self.runtime} {self.minimum} or newer ({installer(self.runtime, self.package)})"
            raise PitError("runtime_not_found", f"there is no {self.runtime}", hint=hint)
        return found

    def usable(self, environ: Mapping[str, str]) -> tuple[str, str]:
        """The runtime's program and version. Raises PitError when there is none, or it is too old."""
        runtime = self.find(environ)
        version = _version_of(self.language, runtime, os.stat(runtime).st_mtime_ns)
        if version is None:
            raise PitError("runtime_not_executable", f"{runtime} does not say its version")
        if not self.new_enough(version):
            hint = f"install {self.runtime} {self.minimum} or newer ({installer(self.runtime, self.package)})"
            raise PitError("runtime_not_found", f"{runtime} is {version}, which is too old", hint=hint)
        return runtime, version

    def version_of(self, runtime: str) -> str | None:
        """As it says itself; None when it does not. Waits for the program: nothing for an event loop."""
        import subprocess

        try:
            done = subprocess.run(
                fill(self.version, {"runtime": runtime}), capture_output=True, text=True, timeout=_VERSION_SECONDS,
                check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout)
        return found[0] if found else None

    def new_enough(self, version: str) -> bool:
        return _numbers(version) >= _numbers(self.minimum)


@lru_cache(maxsize=16)
def _version_of(language: str, runtime: str, changed: int) -> str | None:  # noqa: ARG001 — it is part of the key
    return load(language).version_of(runtime)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


@cache
def load(language: str) -> Bridge:
    folder = _folder(language)
    with open(folder / "bridge.toml", "rb") as file:
        said = tomllib.load(file)
    return Bridge(
        folder=folder, language=said["language"], runtime=said["runtime"], minimum=said["minimum"],
        version=tuple(said["version"]), package=said["package"], worker=tuple(said["worker"]),
        builtin=said.get("builtin", ""), prepare=tuple(said.get("prepare", ())),
    )  # fmt: skip


def _folder(language: str) -> Path:
    """In the package, or beside it in a source tree."""
    here = Path(__file__).resolve().parents[1]
    packaged = here / "bridges" / language
    return packaged if packaged.is_dir() else here.parent / "bridges" / language


def fill(words: tuple[str, ...], holes: Mapping[str, str]) -> tuple[str, ...]:
    """The words with their holes filled in."""
    return tuple(re.sub(r"\{(\w+)\}", lambda found: holes[found[1]], word) for word in words)


def installer(program: str, packages: Mapping[str, str] | None = None) -> str:
    """The command that would install it on this system. `packages` are the names that are not the program's own."""
    for kind, command in _INSTALLERS:
        if shutil.which(command):
            sudo = "" if os.geteuid() == 0 or kind == "brew" else "sudo "
            return f"{sudo}{command} install {(packages or {}).get(kind, program)}"
    return "with the system's package manager"
