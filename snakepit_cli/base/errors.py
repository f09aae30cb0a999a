"""Every way in which a command can fail: one closed table, and the exception that carries a row of it.

Exit codes follow sysexits(3), timeout(1) and the shell where these have a word for the case. Each kind has
one line that says what it means and one that says what to do next; `message` says what happened this time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from snakepit_cli.base.ids import pool_of


class Kind(NamedTuple):
    """A row: exit code, whether the same request may succeed when sent again, what it means, what to do."""

    exit: int
    retryable: bool
    cause: str
    hint: str


KINDS: dict[str, Kind] = {
    "command_failed": Kind(1, False, "the handler raised", ""),
    "usage": Kind(2, False, "the command line is wrong", "run `snakepit --help`"),
    "not_running": Kind(3, True, "no server is running in this instance", "run `snakepit up`"),
    "partial_failure": Kind(3, False, "some items failed", "look for \"error\" in the output"),
    "invalid_arguments": Kind(65, False, "the arguments are not acceptable", "compare them with `snakepit commands --pool POOL`"),
    "input_not_found": Kind(66, False, "an input file is missing or unreadable", "check the path"),
    "reference_failed": Kind(66, True, "a file that the request refers to has changed or cannot be read", "run it again, and do not change the file meanwhile"),
    "unavailable": Kind(69, True, "no server is running and none may or could be started", "run `snakepit server start` and read what it says"),
    "pool_not_found": Kind(69, False, "there is no such pool", "list pools with `snakepit status`, make one with `snakepit up POOL`"),
    "pool_unavailable": Kind(69, True, "the pool cannot start its workers", "read `snakepit logs`, then run `snakepit up POOL` again"),
    "session_not_found": Kind(69, False, "there is no such session", "create it first"),
    "variable_not_found": Kind(69, False, "the session has no such variable", "list them with `snakepit var list`"),
    "program_not_found": Kind(69, False, "there is no such program", "list them with `snakepit program list`"),
    "tool_not_found": Kind(69, False, "the session has no such tool", "list them with `snakepit tools list`"),
    "tool_unavailable": Kind(71, False, "the process that offered the tool is gone", "start it again"),
    "call_loop": Kind(75, False, "the call would wait for itself", "give the pool more workers, or let the adapter take more calls at a time"),
    "invalid_value": Kind(65, False, "the variable cannot hold this value", "compare it with `snakepit var list --json`"),
    "already_exists": Kind(65, False, "it exists already", "use another name, or replace it"),
    "in_use": Kind(65, False, "something else depends on it", "remove what depends on it first"),
    "version_conflict": Kind(75, True, "it was changed in the meantime", "read it again, and then decide"),
    "quota_exceeded": Kind(73, False, "a limit of the configuration is reached", "remove what is not needed, or raise the limit in [session]"),
    "history_lost": Kind(69, False, "that version is not kept any more", "see `snakepit var history`"),
    "state_unavailable": Kind(74, True, "the file with the sessions cannot be used", "free some disk space, or check its permissions; `snakepit status` names the state directory"),
    "internal": Kind(70, False, "a bug in snakepit", "report it, with the output of `snakepit logs server`"),
    "invalid_result": Kind(70, False, "the handler returned something that has no JSON form", "return numbers, strings, lists, dicts, booleans, null, arrays or bytes; stream what is too long for a message"),
    "worker_crashed": Kind(71, True, "the worker died during the call", "read `snakepit logs WORKER`; a new worker takes its place"),
    "worker_unresponsive": Kind(71, True, "the worker neither answered nor computed", "read `snakepit logs WORKER`; a new worker takes its place"),
    "worker_oom": Kind(71, True, "the worker was killed for using too much memory", "give it less to do at once, or more memory"),
    "session_lost": Kind(71, True, "the worker that held the session's state died", "start the session again"),
    "server_restarted": Kind(71, True, "the server restarted during the call", "send it again if it may run twice"),
    "unsafe_directory": Kind(73, False, "a directory is unsafe or cannot be written", "set SNAKEPIT_RUNTIME_DIR and SNAKEPIT_STATE_DIR to directories of your own"),
    "output_failed": Kind(74, False, "the output cannot be written", "make room, or write it somewhere else"),
    "pool_saturated": Kind(75, True, "the pool's queue is full", "send less at once, or make the pool larger with `snakepit up POOL --size N`"),
    "worker_busy": Kind(75, True, "the session's worker is busy", "try again later"),
    "version_skew": Kind(76, True, "the running server is another version and has work to do", "run `snakepit down` when it may end; the next command starts this version"),
    "not_yours": Kind(77, False, "it belongs to another user, or its secret is not known", "use an instance of your own"),
    "invalid_configuration": Kind(78, False, "the configuration is not valid", "correct the value named in the message"),
    "queue_timeout": Kind(124, True, "no worker became free in time", "make the pool larger with `snakepit up POOL --size N`"),
    "worker_timeout": Kind(124, True, "the call did not finish in time", "allow more with --timeout"),
    "startup_timeout": Kind(124, True, "the workers did not get ready in time", "read `snakepit logs`; a worker is ready when it has sent its hello; allow more time with `snakepit up --timeout`"),
    "adapter_failed": Kind(126, False, "the adapter's code raised while it was loaded", "correct it, then run `snakepit up POOL` again"),
    "runtime_not_executable": Kind(126, False, "the language runtime cannot be executed", "check its permissions"),
    "runtime_not_found": Kind(127, False, "the language runtime is not installed", "install it, or name another with --adapter"),
    "command_not_found": Kind(127, False, "the adapter has no such command", "list them with `snakepit commands --pool POOL`"),
    "adapter_not_found": Kind(127, False, "there is no such adapter", "name it as pkg.mod:Class or path/to/file.py:Class"),
    "cancelled": Kind(130, False, "the call was cancelled", "send it again if you still need it"),
    "interrupted": Kind(130, False, "interrupted from the keyboard", "run it again"),
    "output_closed": Kind(141, False, "the reader of the output went away", "nothing to do"),
    "terminated": Kind(143, False, "terminated by a signal", "run it again"),
}  # fmt: skip


def _filled(hint: str, detail: dict[str, Any]) -> str:
    """With the names of the worker and of its pool, when they are known."""
    worker = detail.get("worker")
    worker = worker if isinstance(worker, str) else ""
    pool = detail.get("pool") or pool_of(worker)
    for hole, value in (("WORKER", worker), ("POOL", pool)):
        if isinstance(value, str) and value:
            hint = hint.replace(hole, value)
    return hint


class PitError(Exception):
    """The only exception that crosses a layer on purpose; `kind` is a key of KINDS.

    `detail` holds further facts for machines (JSON types only), such as `type` and `traceback` of what a
    handler raised, `worker`, `suggestion`. A `hint` given here replaces the table's.
    """

    def __init__(self, kind: str, message: str, *, hint: str | None = None, **detail: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = _filled(KINDS[kind].hint, detail) if hint is None else hint
        self.detail = detail

    @property
    def exit_code(self) -> int:
        return KINDS[self.kind].exit

    def as_dict(self) -> dict[str, Any]:
        """What `--json` prints as the value of "error", and what travels on the front socket."""
        row = KINDS[self.kind]
        return {
            "kind": self.kind,
            "message": self.message,
            "exit": row.exit,
            "retryable": row.retryable,
            "hint": self.hint,
            **self.detail,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PitError:
        """The reverse of `as_dict`. A kind this version does not know becomes `internal` with its name kept."""
        rest = {k: v for k, v in data.items() if k not in {"kind", "message", "exit", "retryable", "hint"}}
        kind = data.get("kind", "internal")
        if kind not in KINDS:
            return cls("internal", f"{kind}: {data.get('message', '')}", **rest)
        return cls(kind, data.get("message", ""), hint=data.get("hint"), **rest)
