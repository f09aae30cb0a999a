"""python3 -m tests: installs what the tests need, under build/, and runs all of them. Needs only a Python ≥ 3.11.

python3 -m tests                     everything, on every Python that this project supports
python3 -m tests --only 3.11         one of them, everything
python3 -m tests tests/unit/core -k fifo  arguments go to pytest; linters and type checks are left out

CI=1 lets no Python be left out and makes every random choice from a fixed seed (TESTS_SEED, 1 without it).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
VERSIONS = ("3.11", "3.12", "3.13")
BRIDGE_VERSION = "3.9"
"""Oldest Python that the bridge supports; its own tests run there, too."""
BRIDGE_PACKAGES = ("./bridges/python", "pytest", "hypothesis", "grpcio", "numpy", "pyarrow")
PACKAGES = {
    "util-linux": ("unshare", "--version"), "mount": ("mount", "--version"), "git": ("git", "--version"),
    "strace": ("strace", "--version"), "e2fsprogs": ("mkfs.ext4", "-V"), "nodejs": ("node", "--version"),
    "ruby": ("ruby", "--version"), "golang-go": ("go", "version"), "jq": ("jq", "--version"),
    "perl": ("perl", "--version"), "gawk": ("gawk", "--version"), "lua5.4": ("lua5.4", "-v"),
    "r-base-core": ("Rscript", "--version"), "r-cran-jsonlite": ("Rscript", "-e", "library(jsonlite)"),
}  # fmt: skip
"""System package → what succeeds where it is installed. A program may be there without its library."""

ONCE = (
    "tests/crash", "tests/contract", "tests/test_benchmarks.py", "tests/test_docs.py", "tests/e2e/test_stdio.py",
    "tests/e2e/test_original_adapters.py", "tests/e2e/test_dspy.py",
)  # fmt: skip
"""What does not depend on the version of Python, or needs packages of the development only: run on the oldest only."""
ENDS = ("tests/e2e", "tests/field")
"""What starts the whole product: run on the oldest and the newest."""
SMOKE = ("tests/e2e/test_first_light.py", "tests/e2e/test_async.py", "tests/e2e/test_nested.py")
"""Of these, what runs on every version."""


@dataclass
class Clock:
    """How long each part took, in seconds."""

    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        say(name)
        began = time.monotonic()
        yield
        self.parts[name] = time.monotonic() - began

    def tell(self) -> None:
        say("all well")
        for name, seconds in self.parts.items():
            print(f"{seconds:6.0f} s  {name}")
        print(f"{sum(self.parts.values()):6.0f} s  in total", flush=True)


class FailedError(Exception):
    """A command has failed; the text says which, and what it said if that has not been shown."""


def say(text: str) -> None:
    print(f"\n── {text}", flush=True)


def run(*command: str | Path) -> None:
    """Shows what the command says. Raises FailedError."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise FailedError(f"failed: {' '.join(map(str, command))}")


def run_quietly(*command: str | Path) -> None:
    """Shows nothing: others run at the same time. Raises FailedError with the output."""
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, check=False, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        raise FailedError(f"{done.stdout}\nfailed: {' '.join(map(str, command))}")


def succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def interpreter(version: str) -> str | None:
    """A Python of this version: our own, on PATH, or from pyenv."""
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    candidates = [sys.executable, shutil.which(f"python{version}")]
    candidates += [str(path) for root in roots for path in sorted(root.glob(f"{version}.*/bin/python"))]
    probe = f"import sys; raise SystemExit(sys.version_info[:2] != ({version.replace('.', ', ')}))"
    return next((one for one in candidates if one and succeeds(one, "-c", probe)), None)


def interpreters(versions: Sequence[str]) -> dict[str, str]:
    """The Pythons that are here. Raises FailedError in CI when one is not."""
    found = {version: interpreter(version) for version in versions}
    missing = [version for version, python in found.items() if python is None]
    if missing and os.environ.get("CI"):
        raise FailedError(f"Python {', '.join(missing)} is missing, and in CI nothing may be left out")
    if missing:
        say(f"not installed here, and left out: Python {', '.join(missing)}")
    return {version: python for version, python in found.items() if python is not None}


def programs() -> None:
    """Installs the system packages that tests use, when they are missing and we may. Raises FailedError."""
    missing = [package for package, probe in PACKAGES.items() if not succeeds(*probe)]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise FailedError(f"missing: {', '.join(missing)}; install them and run this again")
    run("apt-get", "update", "-q")
    run("apt-get", "install", "-qy", "--no-install-recommends", *missing)


def environment(version: str, python: str, *packages: str) -> Path:
    """Python of a virtual environment under build/ with these packages; kept between runs. Raises FailedError."""
    folder = BUILD / f"venv-{version}"
    if not (folder / "bin" / "python").exists():
        run_quietly(python, "-m", "venv", folder)
    run_quietly(folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
    return folder / "bin" / "python"


def environments(pythons: dict[str, str], *, checked: bool) -> dict[str, Path]:
    """One for each version, made at the same time; with `checked` the oldest checks the sources meanwhile."""
    oldest, *others = pythons
    made = {oldest: environment(oldest, pythons[oldest], "-e", ".[dev]")}
    jobs: dict[str, Future[Path]] = {}
    with ThreadPoolExecutor(2) as threads:
        checks = threads.submit(check, made[oldest]) if checked else None
        for version in others:
            packages = BRIDGE_PACKAGES if version == BRIDGE_VERSION else ("-e", ".[test]")
            jobs[version] = threads.submit(environment, version, pythons[version], *packages)
        if checks is not None:
            checks.result()
    return made | {version: job.result() for version, job in jobs.items()}


def check(python: Path) -> None:
    """Lint, types, generated files. Raises FailedError."""
    run_quietly(python, "-m", "ruff", "check", ".")
    run_quietly(python, "-m", "ruff", "format", "--check", ".")
    run_quietly(python, "-m", "mypy")
    run_quietly(python, "-m", "tests.tools.regen", "--check")
    # Else the first test that starts a Go worker waits for the compiler, and others for that.
    run_quietly(python, "-m", "snakepit_cli", "bridge", "install", "go")


def selection(versions: Sequence[str], version: str) -> list[str]:
    """What of the tests runs on a version, as arguments of pytest: everything, on at least one of them."""
    if version == versions[0]:
        return []
    if version == versions[-1]:
        return [f"--ignore={path}" for path in ONCE]
    smoke = set(SMOKE)
    files = {str(path.relative_to(ROOT)) for folder in ENDS for path in (ROOT / folder).glob("test_*.py")}
    return [f"--ignore={path}" for path in (*ONCE, *sorted(files - smoke))]


def workers() -> int:
    """How many tests run at a time. Many wait for other processes: one more than there are processors."""
    return len(os.sched_getaffinity(0)) + 1


def pytest(python: Path, *arguments: str) -> None:
    distribution = ("-n", str(workers()), "--dist", "loadfile", "--no-loadscope-reorder")
    run(python, "-m", "pytest", "-q", *distribution, "--durations=20", *arguments)


def everything(versions: Sequence[str], clock: Clock) -> None:
    """Raises FailedError."""
    oldest = interpreter(BRIDGE_VERSION)
    with clock.part("install, lint, types, generated files"):
        pythons = interpreters(versions)
        bridge = {BRIDGE_VERSION: oldest} if oldest else {}
        made = environments(pythons | bridge, checked=True)
    for version in pythons:
        with clock.part(f"tests on Python {version}"):
            pytest(made[version], *selection(list(pythons), version))
    if bridge:
        with clock.part(f"tests of the bridge on Python {BRIDGE_VERSION}"):
            run(made[BRIDGE_VERSION], "-m", "pytest", "-q", "--confcutdir=tests/unit/bridge", "tests/unit/bridge")


def some(versions: Sequence[str], arguments: Sequence[str], clock: Clock) -> None:
    """Raises FailedError."""
    with clock.part("install"):
        made = environments(interpreters(versions), checked=False)
    for version, python in made.items():
        with clock.part(f"tests on Python {version}"):
            pytest(python, *arguments)


def parsed() -> tuple[argparse.Namespace, list[str]]:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python3 -m tests", description=__doc__, formatter_class=raw, allow_abbrev=False)
    parser.add_argument("--only", metavar="VERSION", choices=VERSIONS, help=f"one of {', '.join(VERSIONS)}")
    return parser.parse_known_args()


def main() -> None:
    options, arguments = parsed()
    if os.environ.get("CI"):
        os.environ.setdefault("TESTS_SEED", "1")
    versions = [options.only] if options.only else list(VERSIONS)
    clock = Clock()
    try:
        programs()
        if arguments:
            some(versions, arguments, clock)
        else:
            everything(versions, clock)
    except FailedError as error:
        sys.exit(str(error))
    clock.tell()


if __name__ == "__main__":
    main()
