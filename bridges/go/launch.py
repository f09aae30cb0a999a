"""Becomes a Go worker: compiles the adapter when its sources have changed, and executes what came out.

    python -IS launch.py --go GO --bridge FOLDER --adapter FOLDER --cwd FOLDER --python PYTHON

Started by snakepit for each worker, so imports are few. Programs are kept in $XDG_CACHE_HOME/snakepit/go, each with the
names and digests of all that the go tool read to make it. One that does not compile is reported by the Python bridge
as an adapter that failed.
"""

from __future__ import annotations

import os
import sys
from _blake2 import blake2b

SOURCES = (".go", ".mod", ".sum", ".s", ".h", ".c", ".cc", ".cpp", ".m", ".syso", ".work")
KEPT_SECONDS = 30 * 24 * 3600.0
WORKSPACE = "go 1.19\n\nuse (\n\t{bridge}\n\t{module}\n)\n"
MODULE = "module adapter\n\ngo 1.19\n"
SETTINGS = ("GOFLAGS", "GOOS", "GOARCH", "GOEXPERIMENT", "CGO_ENABLED", "CC", "GOTOOLCHAIN")
"""Variables that make another program of the same files."""
READ = (
    "{{if not .Standard}}{{$in := .Dir}}{{if not (and .Module .Module.Version (not .Module.Replace))}}"
    "S\t{{$in}}\n{{with .Module}}F\t{{.GoMod}}\n{{end}}"
    "{{range .GoFiles}}F\t{{$in}}/{{.}}\n{{end}}{{range .CgoFiles}}F\t{{$in}}/{{.}}\n{{end}}"
    "{{range .CFiles}}F\t{{$in}}/{{.}}\n{{end}}{{range .CXXFiles}}F\t{{$in}}/{{.}}\n{{end}}"
    "{{range .HFiles}}F\t{{$in}}/{{.}}\n{{end}}{{range .SFiles}}F\t{{$in}}/{{.}}\n{{end}}"
    "{{range .SysoFiles}}F\t{{$in}}/{{.}}\n{{end}}{{range .EmbedFiles}}F\t{{$in}}/{{.}}\n{{end}}"
    "{{range .EmbedPatterns}}P\t{{$in}}\t{{.}}\n{{end}}{{end}}{{end}}"
)
"""For `go list`: the folders and files of all packages that can change; downloaded modules cannot."""


def digest(kind: str, path: str) -> str:
    """Of a file (F), of the names in a folder (D), or of those that are sources (S); empty when there is none."""
    try:
        if kind == "F":
            with open(path, "rb") as opened:
                data = opened.read()
        else:
            names = sorted(name for name in os.listdir(path) if kind == "D" or name.endswith(SOURCES))
            data = "\0".join(names).encode("utf-8", "surrogateescape")
    except OSError:
        return ""
    return blake2b(data, digest_size=16).hexdigest()


def current(entry: str) -> bool:
    """Whether the program is there and nothing that it was made of has changed."""
    try:
        with open(os.path.join(entry, "inputs"), encoding="utf-8", errors="surrogateescape") as inputs:
            lines = inputs.read().splitlines()
    except OSError:
        return False
    if not os.access(os.path.join(entry, "worker"), os.X_OK):
        return False
    return all(digest(kind, path) == known for kind, known, path in (line.split("\t", 2) for line in lines))


def cache() -> str:
    """Where programs are kept: never in a home of another user, which `sudo` may leave. Raises PermissionError."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if _is_mine(base):
        if "HOME" not in os.environ:  # the go tool does not look it up, as `expanduser` does
            os.environ.setdefault("GOCACHE", os.path.join(base, "go-build"))
    else:
        base = f"/tmp/snakepit-{os.geteuid()}"  # noqa: S108 - checked below
        os.makedirs(base, 0o700, exist_ok=True)
        if os.lstat(base).st_uid != os.geteuid():
            raise PermissionError(f"{base} belongs to another user")
        os.environ.setdefault("GOCACHE", os.path.join(base, "go-build"))
    return os.path.join(base, "snakepit", "go")


def _is_mine(path: str) -> bool:
    """Whether it, or the nearest directory above it that exists, belongs to this user."""
    path = os.path.abspath(path)
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    try:
        return os.stat(path).st_uid == os.geteuid()
    except OSError:
        return False


def compiled(go: str, bridge: str, adapter: str) -> str:
    """The program of an adapter. Raises CalledProcessError, OSError."""
    what = [go, str(os.stat(go).st_mtime_ns), bridge, adapter, *(os.environ.get(name, "") for name in SETTINGS)]
    name = blake2b("\0".join(what).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    entry = os.path.join(cache(), name)
    program = os.path.join(entry, "worker")
    if current(entry):
        os.utime(entry)
        return program
    os.makedirs(entry, 0o700, exist_ok=True)
    import fcntl

    with open(os.path.join(entry, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not current(entry):
            _compile(go, bridge, adapter, entry)
            _forget_old(entry)
    return program


def _compile(go: str, bridge: str, adapter: str, entry: str) -> None:
    import subprocess

    folder, package = os.path.split(adapter) if os.path.isfile(adapter) else (adapter, ".")
    module = _module_of(folder)
    with open(os.path.join(entry, "go.work"), "w") as work:
        work.write(WORKSPACE.format(bridge=_quoted(bridge), module=_quoted(module or folder)))
    env = {**os.environ, "GOWORK": os.path.join(entry, "go.work")}
    made = [] if module else ["-overlay", _overlay(folder, entry)]
    how = {"cwd": folder, "env": env, "capture_output": True, "stdin": subprocess.DEVNULL}
    listed = subprocess.run([go, "list", "-e", "-deps", *made, "-f", READ, package], check=False, **how)
    inputs = _inputs(listed.stdout.decode("utf-8", "surrogateescape"))  # as they are before they are read
    out = os.path.join(entry, "worker.new")
    build = [go, "build", "-trimpath", "-ldflags=-s -w", *made, "-o", out, package]
    subprocess.run(build, check=True, **how)
    os.rename(out, os.path.join(entry, "worker"))
    with open(os.path.join(entry, "inputs.new"), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(inputs)
    os.rename(os.path.join(entry, "inputs.new"), os.path.join(entry, "inputs"))


def _inputs(listed: str) -> str:
    """Lines of kind, digest and path."""
    found: dict[tuple[str, str], None] = {}
    for line in listed.splitlines():
        kind, tab, path = line.partition("\t")
        if not tab or not path:
            continue
        if kind == "P":
            found.update({("D", folder): None for folder in _folders(*path.split("\t", 1))})
            continue
        found["S" if kind == "S" else "F", path] = None
        if path.endswith(".mod"):
            found["F", path[:-4] + ".sum"] = None
    return "".join(f"{kind}\t{digest(kind, path)}\t{path}\n" for kind, path in found)


def _folders(package: str, pattern: str) -> list[str]:
    """Where another file may match a pattern of embedded files."""
    path = os.path.join(package, pattern.removeprefix("all:"))
    while any(sign in path for sign in "*?["):
        path = os.path.dirname(path)
    return [folder for folder, _, _ in os.walk(path)] if os.path.isdir(path) else []


def _module_of(folder: str) -> str | None:
    """The folder itself or the nearest above it that has a go.mod."""
    while not os.path.exists(os.path.join(folder, "go.mod")):
        folder, before = os.path.dirname(folder), folder
        if folder == before:
            return None
    return folder


def _overlay(folder: str, entry: str) -> str:
    """A folder that is no module is taken for one that has a go.mod; nothing is written there."""
    import json

    file = os.path.join(entry, "module")
    with open(file, "w") as module:
        module.write(MODULE)
    overlay = os.path.join(entry, "overlay.json")
    with open(overlay, "w") as written:
        json.dump({"Replace": {os.path.join(folder, "go.mod"): file}}, written)
    return overlay


def _quoted(path: str) -> str:
    """As go.work has it: a path may hold spaces."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _forget_old(entry: str) -> None:
    """Builds that have not been used for a month."""
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
