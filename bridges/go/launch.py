"""Becomes a Go worker: compiles the adapter when its sources have changed, and executes what came out.

    python -IS launch.py --go GO --bridge FOLDER --adapter FOLDER --cwd FOLDER --python PYTHON

Started by snakepit for each worker, so imports are few. Programs are kept by what they were made of, in
$XDG_CACHE_HOME/snakepit/go. One that does not compile is reported by the Python bridge as an adapter that failed.
"""

from __future__ import annotations

import os
import sys
from _blake2 import blake2b

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = (".go", ".mod", ".sum", ".s", ".h", ".c")
KEPT_SECONDS = 30 * 24 * 3600.0
WORKSPACE = "go 1.19\n\nuse (\n\t{bridge}\n\t{adapter}\n)\n"
MODULE = "module adapter\n\ngo 1.19\n"


def sources(adapter: str) -> Iterator[str]:
    """A file, or every source file below a folder, in a fixed order; tests are none."""
    if os.path.isfile(adapter):
        yield adapter
    for path, folders, files in os.walk(adapter):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")) and name != "testdata")
        for name in sorted(files):
            if name.endswith(SOURCES) and not name.endswith("_test.go"):
                yield os.path.join(path, name)


def key(*parts: str) -> str:
    """Of these places and of all sources there."""
    digest = blake2b(digest_size=16)
    for part in parts:
        for file in sources(part):
            with open(file, "rb") as opened:
                data = opened.read()
            digest.update(b"%b\0%d\0" % (file.encode(), len(data)))
            digest.update(data)
    return digest.hexdigest()


def cache() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "snakepit", "go")


def compiled(go: str, bridge: str, adapter: str) -> str:
    """The program of an adapter. Raises CalledProcessError, OSError."""
    entry = os.path.join(cache(), key(bridge, adapter))
    program = os.path.join(entry, "worker")
    try:
        os.utime(entry)
        if os.access(program, os.X_OK):
            return program
    except OSError:
        os.makedirs(entry, 0o700, exist_ok=True)
    import fcntl

    with open(os.path.join(entry, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.access(program, os.X_OK):
            _compile(go, bridge, adapter, entry)
            _forget_old(entry)
    return program


def _compile(go: str, bridge: str, adapter: str, entry: str) -> None:
    import subprocess

    if not os.path.exists(os.path.join(adapter, "go.mod")):
        adapter = _module(adapter, os.path.join(entry, "source"))
    with open(os.path.join(entry, "go.work"), "w") as work:
        work.write(WORKSPACE.format(bridge=bridge, adapter=adapter))
    out = os.path.join(entry, "worker.new")
    command = [go, "build", "-trimpath", "-ldflags=-s -w", "-o", out, "."]
    env = {**os.environ, "GOWORK": os.path.join(entry, "go.work")}
    subprocess.run(command, cwd=adapter, env=env, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    os.rename(out, os.path.join(entry, "worker"))


def _module(adapter: str, folder: str) -> str:
    """A module made of a file or a folder that is none: links to the files, and a go.mod."""
    os.makedirs(folder, exist_ok=True)
    inside = [] if os.path.isfile(adapter) else os.listdir(adapter)
    for file in [os.path.join(adapter, name) for name in inside] or [adapter]:
        link = os.path.join(folder, os.path.basename(file))
        if file.endswith(SOURCES) and not os.path.lexists(link):
            os.symlink(file, link)
    with open(os.path.join(folder, "go.mod"), "w") as module:
        module.write(MODULE)
    return folder


def _forget_old(entry: str) -> None:
    """What nobody has used for a month."""
    import shutil
    import time

    for name in os.listdir(os.path.dirname(entry)):
        other = os.path.join(os.path.dirname(entry), name)
        try:
            if time.time() - os.stat(other).st_mtime > KEPT_SECONDS:
                shutil.rmtree(other)
        except OSError:
            pass  # another worker was faster


def main() -> None:
    given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    adapter = os.path.realpath(os.path.join(given["--cwd"], given["--adapter"]))
    try:
        program = compiled(given["--go"], given["--bridge"], adapter)
    except Exception as error:  # noqa: BLE001 - whatever it is, the server is told
        output = getattr(error, "stderr", None)
        words = f"{type(error).__name__}: {error}"
        if output:
            lines = output.decode(errors="replace").strip().splitlines()
            words = "\n".join(line for line in lines if not line.startswith("# "))  # names of packages
        refusal = ["--adapter", given["--adapter"], "--broken", words[:8192]]
        os.environ.update(PYTHONSAFEPATH="1", SNAKEPIT_SAFE_PATH="1")
        os.execv(given["--python"], [given["--python"], "-m", "snakepit_bridge", "worker", *refusal])
    os.execv(program, [program])


if __name__ == "__main__":
    main()
