"""What an adapter offers, found out by starting one worker of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.ids import pool_of
from snakepit_cli.conformance.peer import NAME, FailedError, Peer
from snakepit_cli.launch import environment
from snakepit_cli.launch.plan import Launch, Spec, make
from snakepit_cli.server.pools.call_policy import CallPolicy
from snakepit_cli.settings.schema import AdapterSettings

_START_SECONDS = 120.0


def planned(
    reference: str, custom: AdapterSettings | None, environ: Mapping[str, str], cwd: str
) -> tuple[Spec, Launch]:
    """How a worker is started. Raises PitError when something that it takes is not there."""
    env = environment.for_workers(environ)
    if custom is not None:
        env, cwd = {**env, **custom.env}, custom.directory or cwd
        CallPolicy(reference, custom)
    if not os.path.isdir(cwd):
        raise PitError("invalid_configuration", f"there is no directory {cwd}")
    spec = Spec(pool_of(NAME), reference, 1, cwd, env, {}, custom=custom)
    return spec, make(spec, "check", "")


def commands(
    reference: str, custom: AdapterSettings | None, environ: Mapping[str, str], cwd: str
) -> list[dict[str, Any]]:
    """Name and summary of each command, after a worker was started and has told them. Raises PitError."""
    spec, launch = planned(reference, custom, environ, cwd)
    if spec.dialect is not None:
        return [{"name": name, "summary": ""} for name in (custom.commands or () if custom is not None else ())]
    argv = tuple(part.replace("{worker}", NAME) for part in launch.argv)
    try:
        with Peer(argv, launch.env, spec.cwd) as peer:
            hello = peer.attach(_START_SECONDS)
    except FailedError as error:
        raise PitError("adapter_failed", f"{reference}: {error}") from None
    except OSError as error:
        raise PitError("runtime_not_executable", f"{argv[0]}: {error.strerror}") from None
    offered = {one.name: one.summary for one in hello.commands}
    wanted = list(offered) if custom is None or custom.commands is None else list(custom.commands)
    if missing := [name for name in wanted if name not in offered]:
        raise PitError("adapter_failed", f"{reference}: the worker has no command {', '.join(missing)}")
    return [{"name": name, "summary": offered[name]} for name in wanted]
