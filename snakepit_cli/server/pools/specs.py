"""Builds a pool's spec from a client's request and the configuration."""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Mapping

from snakepit_cli.base.errors import PitError
from snakepit_cli.base.reference import absolute
from snakepit_cli.core.limits import Limits
from snakepit_cli.launch import environment, plan
from snakepit_cli.settings.schema import PoolSettings, Settings
from snakepit_cli.wire.ops import PoolRequest


def make(request: PoolRequest, settings: Settings) -> plan.Spec:
    """The request comes first, then the configuration, then the defaults. Raises PitError."""
    said = settings.pool(request.pool) or PoolSettings(limits=settings.limits)
    adapter = absolute(request.adapter, request.cwd) if request.adapter else said.adapter
    custom = settings.adapters.get(adapter)
    size = request.size or said.size
    of_adapter = custom.env if custom is not None else {}
    env = {**environment.for_workers(request.env), **said.env, **of_adapter, **(request.variables or {})}
    return plan.Spec(
        name=request.pool,
        adapter=adapter,
        custom=custom,
        size=size,
        spare=said.spare if request.spare is None else request.spare,
        capacity=request.capacity or said.capacity,
        contain=request.contain or said.contain,
        cwd=_folder(request, said, None if custom is None else custom.directory),
        env={**environment.threads(size), **env},
        limits=_limits(request, said.limits),
        python=_python(request, settings, said.python, env),
    )


def changed(has: plan.Spec, request: PoolRequest, fresh: plan.Spec, *, failed: bool) -> plan.Spec:
    """What a pool that runs `has` is to run after the request, which describes `fresh` when it makes a new pool.

    Another --adapter describes the pool anew, except for its size. Other options change what they name. A pool that has
    failed is described anew whenever the request is about the same adapter: its environment may be the cause.

    Raises PitError when the client has another interpreter and does not say that the pool should.
    """
    is_named = request.adapter is not None
    is_other = fresh.adapter != has.adapter
    moves = fresh.language == "python" and not is_same(fresh.python, has.python)
    if is_named and moves and not (is_other or failed or request.interpreter):
        # Two environments that share an instance, and call the same script, must not take the pool from each other.
        text = f"pool {has.name!r} runs with the interpreter {has.python}, not with {fresh.python}"
        hint = f"add `--python {shlex.quote(fresh.python)}` to change that, or give the new pool another name"
        raise PitError("usage", text, hint=hint)
    if (is_named and is_other) or (failed and (is_named or not is_other)):
        limits = fresh.limits if failed and request.timeout is not None else has.limits
        return dataclasses.replace(fresh, size=request.size or has.size, limits=limits)
    return dataclasses.replace(
        has,
        size=request.size or has.size,
        spare=has.spare if request.spare is None else request.spare,
        capacity=request.capacity or has.capacity,
        contain=request.contain or has.contain,
        env={**has.env, **(request.variables or {})},
        python=fresh.python if request.interpreter and moves else has.python,
    )


def _python(request: PoolRequest, settings: Settings, said: str | None, env: Mapping[str, str]) -> str:
    """Raises PitError."""
    if request.interpreter:
        return plan.find_runtime(_from(request.cwd, request.interpreter), "correct --python", env)
    setting = f"pools.{request.pool}.python"
    hint = f"correct it in {settings.origin(setting)}" if said else f"name another one in the configuration: {setting}"
    return plan.find_runtime(said or _interpreter(request.python), hint, env)


def _from(folder: str, program: str) -> str:
    """A path is meant from the folder, a bare name from PATH."""
    return os.path.normpath(os.path.join(folder, os.path.expanduser(program))) if os.sep in program else program


def _interpreter(python: str | None) -> str:
    """The client's, when it is another one than the server's."""
    return sys.executable if python is None or is_same(python, sys.executable) else python


def is_same(python: str, other: str) -> bool:
    """Whether two paths are one interpreter of one environment. A virtual environment has several links to it; the
    folder tells environments apart, because the links of all of them end at the same file."""
    if python == other:
        return True
    folders = {os.path.realpath(os.path.dirname(one)) for one in (python, other)}
    return len(folders) == 1 and os.path.realpath(python) == os.path.realpath(other)


def of_configuration(name: str) -> PoolRequest:
    """The request that a first call to a pool stands for."""
    return PoolRequest(pool=name, cwd="/", env=environment.for_workers(os.environ))


def _folder(request: PoolRequest, said: PoolSettings, own: str | None) -> str:
    """The working directory: for what the configuration describes it is the file's, not the client's."""
    if own is not None:
        return own
    return request.cwd if request.adapter or said.folder is None else said.folder


def _limits(request: PoolRequest, limits: Mapping[str, float]) -> dict[str, float]:
    found = dict(limits)
    if request.timeout is not None:
        usual = found.get("startup_timeout", Limits().startup_timeout)
        found["startup_timeout"] = max(request.timeout, usual)
    return found
