"""Maps errors of workers, the warden and the core to kinds of the error table."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any

from snakepit_cli.base.errors import KINDS, PitError
from snakepit_cli.base.packets import PacketError
from snakepit_cli.core.events import Failure
from snakepit_cli.wire import worker_pb2 as pb

_BARE = re.compile(r"(/\S.*): No module named snakepit_bridge")
"""What an interpreter prints that does not have the bridge."""
_NAMES = {number: name.lower() for name, number in pb.Failure.Kind.items()}


def of_core(failure: Failure, pool: str | None = None) -> PitError:
    """`pool` is named in hints."""
    detail = dict(failure.detail) if pool is None else {"pool": pool, **dict(failure.detail)}
    return PitError(failure.kind, failure.message, **detail)


def of_exception(error: Exception) -> PitError:
    """What became of an event or effect of a pool that raised."""
    if isinstance(error, PitError):
        return error
    if isinstance(error, PacketError):
        return PitError("usage", str(error), hint="make the environment or the command line smaller")
    return PitError("internal", f"{type(error).__name__}: {error}")


def no_parts(command: str, pool: str) -> PitError:
    """The arguments are a message with parts, and the worker reads only JSON."""
    text = f"`{command}`: the workers of pool {pool} take JSON; an argument is binary"
    return PitError("invalid_arguments", text, hint="pass the name of the file instead", wants_json=True)


def no_batches(pool: str) -> PitError:
    """A block is to be run a batch at a time, and the worker runs one item after another."""
    return PitError("usage", f"the workers of pool {pool} take one item at a time", hint="leave out --batch")


def of_worker(said: pb.Failure, language: str, **detail: Any) -> PitError:
    """A failure as a worker reports it. A kind that we do not know means that its handler failed."""
    kind = _NAMES.get(said.kind, "")
    facts = {"type": said.type, "traceback": said.traceback}
    facts = {name: value for name, value in facts.items() if value}
    if facts:
        facts["language"] = language
    message = said.message
    if said.type and kind in {"command_failed", "adapter_failed"}:
        message = f"{said.type}: {message}" if message else said.type
    return PitError(kind if kind in KINDS else "command_failed", message, **facts, **detail)


def of_template(said: dict[str, Any], language: str) -> Failure:
    """Maps a failure that a template has reported in its JSON."""
    failure = pb.Failure(
        kind=str(said["kind"]).upper(),
        type=said.get("type") or "",
        message=said.get("message") or "",
        traceback=said.get("traceback") or "",
    )
    return as_core(of_worker(failure, language))


def as_core(error: PitError) -> Failure:
    return Failure(error.kind, error.message, tuple(error.detail.items()))


def how_it_ended(message: dict[str, Any]) -> str:
    """The verb of a worker's end, from the warden's report."""
    if reason := message.get("reason"):
        return str(reason)
    if starved := message.get("oom"):
        limit = starved["limit"]
        return "was killed for lack of memory" + (f" (limit {limit / (1 << 20):.0f} MiB)" if limit else "")
    code = int(message["code"])
    if code >= 0:
        return f"exited with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}"


def of_exit(worker: str, message: dict[str, Any], *, attached: bool) -> Failure:
    """Why calls of a worker fail that has ended, or never ran, from the warden's report."""
    detail: list[tuple[str, Any]] = [("worker", worker)]
    if message["log"]:
        detail.append(("log", message["log"]))
        if bare := _BARE.search(str(message["log"][-1])):
            detail.append(("hint", f"install the bridge in it: {bare[1]} -m pip install snakepit-bridge"))
    kind = ("worker_oom" if message.get("oom") else "worker_crashed") if attached else "pool_unavailable"
    # One that never ran has no code, and its reason says all.
    when = " before it was ready" if "code" in message and not attached else ""
    return Failure(kind, f"worker {worker} {how_it_ended(message)}{when}", tuple(detail))


def why_cold(message: Mapping[str, Any]) -> str:
    """Why a template cannot be used and workers are started one by one."""
    reason = str(message.get("reason") or "the template could not be used")
    if threads := message.get("threads"):
        reason += f" ({', '.join(dict.fromkeys(map(str, threads)))})"
    what = f"{reason}: each worker imports the adapter by itself, so it starts later, but calls are as fast"
    return f"{what}; {message['advice']}" if message.get("advice") else what
