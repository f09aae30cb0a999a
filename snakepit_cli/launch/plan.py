"""How a pool's workers are started: the bridge's manifest with its holes filled in."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.reference import DIALECTS, LANGUAGES
from snakepit_cli.launch import environment, manifest
from snakepit_cli.settings.schema import AdapterSettings

_TITLE_ROOM = "." * 200
_MOST = 2 << 20
"""Bytes that describe a pool. A message to the warden holds them several times."""
_CLASS = re.compile(r":[A-Z][\w:]*$")
"""What may follow the name of an adapter's file."""
_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
_ROOTLESS = "--map-current-user"


@dataclass(frozen=True)
class Spec:
    """What a pool runs. JSON both ways: the warden keeps it for the next server."""

    name: str
    adapter: str
    size: int
    cwd: str
    env: Mapping[str, str]
    limits: Mapping[str, float]
    python: str = sys.executable
    spare: int = 0
    """Workers beyond the size, attached and idle: they take over when one is lost."""
    capacity: int | None = None
    """Calls at a time in one worker; None for what the adapter says."""
    contain: str = "standard"
    """Or "strict": each worker is the first process of a PID namespace, and all in it ends with it."""
    custom: AdapterSettings | None = None
    """The adapter as the configuration describes it, when that is where it comes from."""

    @property
    def language(self) -> str:
        if self.custom is not None or self.dialect is not None:
            return "exec"
        language = self.adapter.partition(":")[0]
        return language if language in LANGUAGES else "python"

    @property
    def dialect(self) -> str | None:
        """How the program of an `exec:` adapter is spoken to: `lines` or `json`. None for a worker that dials in."""
        if self.custom is not None:
            return None if self.custom.dialect == "grpc" else self.custom.dialect
        return next((name for start, name in DIALECTS.items() if self.adapter.startswith(start)), None)


@dataclass(frozen=True)
class Launch:
    """Ready for the warden. `{worker}` is left for it to fill in."""

    argv: tuple[str, ...]
    """Of a worker that is executed."""
    template: tuple[str, ...] | None
    """Of the template that all pools of this interpreter fork from; None when each worker is started by itself."""
    why_cold: str | None
    """Why there is no template."""
    env: Mapping[str, str]
    template_env: Mapping[str, str]
    key: str
    """Interpreter and what of its environment matters at its start: same key, same template."""
    go: Mapping[str, Any]
    """What a forked child is told when it may run."""


def bridge_folder() -> Path:
    """Where the Python bridge is installed, found without importing it. Raises PitError."""
    spec = find_spec("snakepit_bridge")
    if spec is None or not spec.submodule_search_locations:
        raise PitError("runtime_not_found", "the Python bridge (snakepit_bridge) is not installed")
    return Path(spec.submodule_search_locations[0])


def find_runtime(python: str, hint: str, environ: Mapping[str, str]) -> str:
    """The interpreter of a pool, when it is there and can be executed. Raises PitError with the hint."""
    if shutil.which(python, path=environ.get("PATH")):
        return python
    if os.path.exists(python):
        raise PitError("runtime_not_executable", f"{python} cannot be executed", hint=hint)
    raise PitError("runtime_not_found", f"there is no {python}", hint=hint)


@cache
def _manifest() -> dict[str, Any]:
    with open(bridge_folder() / "bridge.toml", "rb") as file:
        return tomllib.load(file)


def base_template(instance: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The template that every Python pool forks from, so that it can start before any pool is wanted."""
    spec = Spec("", "", 0, "/", environment.for_workers(environ), {})
    launch = make(spec, instance, "")
    return {"argv": launch.template, "env": launch.template_env, "key": launch.key}


def _program(spec: Spec) -> Launch:
    """Any program, as its command line says. Raises PitError."""
    custom = spec.custom
    if custom is not None:
        return _converses(spec, (custom.executable, *custom.args))
    try:
        argv = shlex.split(spec.adapter.partition(":")[2])
    except ValueError as error:
        raise PitError("adapter_not_found", f"{spec.adapter}: {error}") from None
    if not argv:
        raise PitError("adapter_not_found", f"{spec.adapter} names no program", hint="for example 'exec:jq -c .'")
    return _converses(spec, tuple(argv))


def _converses(spec: Spec, argv: tuple[str, ...]) -> Launch:
    """A program that talks by lines."""
    found = _executable(spec, argv[0])
    if spec.capacity is not None:
        hint = 'exec-json: programs say it in their hello: {"hello": {"capacity": N, …}}'
        raise PitError("usage", "a program says itself how many calls it takes at a time", hint=hint)
    command = (found, *argv[1:])
    if spec.dialect == "lines" and (unbuffer := shutil.which("stdbuf", path=spec.env.get("PATH"))):
        # Most filters keep their answers in a buffer when they do not write to a terminal.
        command = (unbuffer, "-oL", *command)
    return _by_itself(spec, command, spec.env)


def _executable(spec: Spec, program: str) -> str:
    """Raises PitError."""
    near = os.path.join(spec.cwd, program)
    found = near if os.sep in program else shutil.which(program, path=spec.env.get("PATH"))
    if found is None or not os.path.exists(found):
        hint = f"install it ({manifest.installer(program)}), or give its path"
        raise PitError("runtime_not_found", f"there is no program {program!r}", hint=hint)
    if not os.access(found, os.X_OK):
        raise PitError("runtime_not_executable", f"{found} cannot be executed", hint=f"chmod +x {found}")
    return found


def _by_itself(spec: Spec, command: tuple[str, ...], env: Mapping[str, str]) -> Launch:
    """Each worker is executed: there is no template."""
    return Launch(
        argv=(*_namespace(spec), *command), template=None, why_cold=None, env=env, template_env={}, key="",
        go={"env": env, "cwd": spec.cwd},
    )  # fmt: skip


def _bridge(spec: Spec, gateway: str) -> Launch:
    """A worker of another language, as the manifest of its bridge says. Raises PitError."""
    bridge = manifest.load(spec.language)
    runtime = bridge.find(spec.env)
    _, colon, reference = spec.adapter.partition(":")
    if not colon and bridge.builtin:
        reference = str(bridge.folder / bridge.builtin)
    elif not colon:
        raise PitError(
            "adapter_not_found", f"no adapter is named {spec.adapter!r}", hint=f"for example {spec.language}:./adapter"
        )
    if not os.path.exists(os.path.join(spec.cwd, _CLASS.sub("", reference))):
        raise PitError("adapter_not_found", f"there is no {reference}", hint=f"for example {spec.language}:./adapter")
    holes = {
        "runtime": runtime, "bridge": str(bridge.folder), "adapter": reference, "cwd": spec.cwd,
        "python": sys.executable,
    }  # fmt: skip
    return _by_itself(spec, manifest.fill(bridge.worker, holes), _environment(spec, gateway))


def _environment(spec: Spec, gateway: str) -> dict[str, str]:
    """Of a worker that dials in."""
    env = {**spec.env, "SNAKEPIT_GATEWAY": f"unix:{gateway}"}
    if spec.capacity is not None:
        env["SNAKEPIT_CAPACITY"] = str(spec.capacity)
    return env


def _check_size(spec: Spec) -> None:
    """The warden, and the kernel when a program is started, take only so much. Raises PitError, naming what it is."""
    for name, value in spec.env.items():
        if (why := environment.unfit(name, value)) is not None:
            raise PitError("invalid_configuration", f"pool {spec.name!r}: {why}")
    sizes = {
        "the environment": sum(len(name) + len(value) for name, value in spec.env.items()),
        "the adapter's configuration": 0 if spec.custom is None else len(repr(spec.custom)),
        "the adapter": len(spec.adapter),
    }
    if sum(sizes.values()) > _MOST:
        what = max(sizes, key=lambda name: sizes[name])
        text = f"pool {spec.name!r}: {what} has {sizes[what]} bytes; with all that describes a pool it may have {_MOST}"
        raise PitError("invalid_configuration", text)


def make(spec: Spec, instance: str, gateway: str) -> Launch:
    """Fills in the manifest of the pool's bridge for this pool. Raises PitError."""
    _check_size(spec)
    if spec.dialect is not None:
        return _program(spec)
    if spec.custom is not None:
        argv = (_executable(spec, spec.custom.executable), *spec.custom.args)
        return _by_itself(spec, argv, _environment(spec, gateway))
    if spec.language in LANGUAGES:
        return _bridge(spec, gateway)
    holes = {
        "python": spec.python,
        "instance": instance,
        "pool": spec.name,
        "adapter": spec.adapter,
        "cwd": spec.cwd,
        "title_room": _TITLE_ROOM,
        "worker": "{worker}",
    }
    python = _manifest()
    # The bridge must be importable by an interpreter that runs from a source tree, too.
    path = str(bridge_folder().parent)
    env = _environment(spec, gateway)
    if (
        spec.python == sys.executable
        and path not in env.get("PYTHONPATH", "").split(":")
        and "site-packages" not in path
    ):
        env["PYTHONPATH"] = ":".join(part for part in (path, env.get("PYTHONPATH")) if part)
    namespace = _namespace(spec)
    # Nothing in the current directory may shadow a module of the bridge's own.
    safe = env if "PYTHONSAFEPATH" in env else {**env, "PYTHONSAFEPATH": "1", "SNAKEPIT_SAFE_PATH": "1"}
    return Launch(
        argv=namespace + _fill(python["worker"], holes),
        template=_fill(python["template"], holes),
        why_cold=None,
        env=safe,
        template_env=safe,
        key="\0".join([spec.python, *sorted(f"{k}={v}" for k, v in env.items() if k.startswith("PYTHON"))]),
        go={
            "instance": instance,
            "pool": spec.name,
            "adapter": spec.adapter,
            "cwd": spec.cwd,
            "env": safe,
            **({"contain": spec.contain} if namespace else {}),
        },
    )


def _namespace(spec: Spec) -> tuple[str, ...]:
    """What the command line of a strictly contained worker begins with: it runs first in a PID namespace.

    Raises PitError.
    """
    if spec.contain != "strict":
        return ()
    program = shutil.which(_NAMESPACE[0], path=spec.env.get("PATH"))
    if program is None:
        raise PitError("runtime_not_found", "strict containment needs `unshare`", hint="install util-linux")
    return (program, *_NAMESPACE[1:], *(() if os.geteuid() == 0 else (_ROOTLESS,)), "--")


def _fill(parts: list[str], holes: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(holes[part[1:-1]] if part[:1] == "{" and part[-1:] == "}" else part for part in parts)
