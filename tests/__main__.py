"""python3 -m tests: installs what the tests need, under build/, and runs all of them. Needs only a Python ≥ 3.11.

python3 -m tests                     everything, on every Python that this project supports
python3 -m tests --only 3.11         one of them
python3 -m tests tests/unit/core -k fifo  arguments go to pytest; linters and type checks are left out
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
VERSIONS = ("3.11", "3.12", "3.13")
BRIDGE_VERSION = "3.9"
"""Oldest Python that the bridge supports; its own tests run there, too."""
PACKAGES = {
    "unshare": "util-linux", "mount": "mount", "git": "git", "strace": "strace", "mkfs.ext4": "e2fsprogs",
    "node": "nodejs", "ruby": "ruby", "go": "golang-go", "jq": "jq", "perl": "perl", "gawk": "gawk", "lua5.4": "lua5.4",
    "Rscript": "r-base-core r-cran-jsonlite",
}  # fmt: skip


ONCE = ("tests/crash", "tests/test_benchmarks.py", "tests/e2e/test_stdio.py", "tests/contract")
"""What takes its time and does not depend on the version of Python: run on the first one only."""


def interpreter(version: str) -> str | None:
    """A Python of this version: our own, on PATH, or from pyenv."""
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    candidates = [sys.executable, shutil.which(f"python{version}")]
    candidates += [str(path) for root in roots for path in sorted(root.glob(f"{version}.*/bin/python"))]
    probe = f"import sys; raise SystemExit(sys.version_info[:2] != ({version.replace('.', ', ')}))"
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-c", probe], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def say(text: str) -> None:
    print(f"\n── {text}", flush=True)


def run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"failed: {' '.join(map(str, command))}")


def programs() -> None:
    """Installs the system programs that tests use, when they are missing and we may."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit(f"missing: {', '.join(missing)}; install them and run this again")
    run("apt-get", "update", "-q")
    run("apt-get", "install", "-qy", "--no-install-recommends", *" ".join(missing).split())


def environment(name: str, python: str, *install: str) -> Path:
    """A virtual environment under build/ with these packages; kept between runs."""
    folder = BUILD / name
    if not (folder / "bin" / "python").exists():
        run(python, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *install)
    return folder / "bin" / "python"


def check(python: Path) -> None:
    say("lint, types, generated files")
    run(python, "-m", "ruff", "check", ".")
    run(python, "-m", "ruff", "format", "--check", ".")
    run(python, "-m", "mypy")
    run(python, "-m", "tests.tools.regen", "--check")
    # Else the first test that starts a Go worker waits for the compiler, and others for that.
    run(python, "-m", "snakepit_cli", "bridge", "install", "go")


def main() -> None:
    began = time.monotonic()
    arguments = sys.argv[1:]
    versions = list(VERSIONS)
    if arguments[:1] == ["--only"]:
        versions, arguments = [arguments[1]], arguments[2:]
    programs()
    for version in versions:
        found = interpreter(version)
        if found is None:
            if os.environ.get("CI"):
                sys.exit(f"Python {version} is missing, and in CI nothing may be left out")
            say(f"Python {version} is not installed here: left out")
            continue
        say(f"Python {version}: install")
        python = environment(f"venv-{version}", found, "-e", ".[dev]")
        if version == versions[0] and not arguments:
            check(python)
        say(f"Python {version}: tests")
        once = [] if version == versions[0] or arguments else [word for path in ONCE for word in ("--ignore", path)]
        run(python, "-m", "pytest", "-q", "-n", "auto", *once, *arguments)
    if not arguments and (oldest := interpreter(BRIDGE_VERSION)):
        say(f"Python {BRIDGE_VERSION}: the bridge alone")
        python = environment(f"venv-{BRIDGE_VERSION}", oldest, "./bridges/python", "pytest", "hypothesis", "grpcio")
        run(python, "-m", "pytest", "-q", "--confcutdir=tests/unit/bridge", "tests/unit/bridge")
    say(f"all well, in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
