"""Ends an instance, and returns only when nothing of it is left.

Graceful: the server lets running calls finish, then the warden ends. Firm: the warden is killed, its children die
with it, and the reaper proves it. The warden and its keeper are held by descriptors that are opened before the warden
is asked to end.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import Any

from snakepit_cli import __version__
from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api
from snakepit_cli.client.connect import start_warden
from snakepit_cli.client.connect.find import endpoint, find
from snakepit_cli.client.connect.process import Process, behind, identified

_SILENCE_SECONDS = 5.0
_DEAF_SECONDS = 2.0
"""What a server gets to answer at all, and its warden to end it when it does not."""
_FIRM_SECONDS = 10.0
_DEATH_SECONDS = 5.0
_REAP_SECONDS = 60.0

Json = dict[str, Any]


def instance(name: str, timeout: float) -> Json | None:
    """Ends everything of an instance: {"pools", "workers", "firm"}, or None when nothing ran. Raises PitError.

    Running calls get `timeout` seconds.
    """
    sock = find(name)
    if sock is None:
        return _deaf(name, timeout)
    with api.Connection(sock) as connection:
        process = behind(sock, name)
        if process is None:
            return _deaf(name, timeout)
        with _Held(process) as held:
            try:
                api.ping(connection, patience=_DEAF_SECONDS)
                report = api.shutdown(connection, timeout, patience=timeout + _SILENCE_SECONDS)
            except PitError as error:
                if error.kind not in {"unavailable", "server_restarted"}:
                    raise
                process.signal(signal.SIGTERM)
                return _end(name, held, {}, timeout + _DEAF_SECONDS)
            return _end(name, held, report, timeout + _FIRM_SECONDS)


def _deaf(name: str, timeout: float) -> Json | None:
    """No process listens, but there may be a warden: its socket may have been removed."""
    process = identified(endpoint(name).get("identity"), name)
    if process is None:
        return _settled(name, None)
    with _Held(process) as held:
        process.signal(signal.SIGTERM)
        return _end(name, held, {}, timeout + _DEAF_SECONDS)


class _Held(contextlib.ExitStack):
    """A warden, and its keeper if it has one: opened while the warden lives, because then its parent is known."""

    def __init__(self, warden: Process) -> None:
        super().__init__()
        self.warden = self.enter_context(warden)
        self.keeper = warden.parent()
        if self.keeper is not None:
            self.enter_context(self.keeper)


def _end(name: str, held: _Held, report: Json, patience: float) -> Json | None:
    warden, keeper = held.warden, held.keeper
    firm = not warden.ended(patience)
    if firm:
        warden.signal(signal.SIGKILL)
        if not warden.ended(_DEATH_SECONDS):
            raise PitError("internal", f"the warden (pid {warden.pid}) does not end, even when killed")
    if keeper is not None and not keeper.ended(_DEATH_SECONDS):
        message = f"the keeper (pid {keeper.pid}) cannot end all processes that handlers have started"
        raise PitError("unavailable", message, hint=f"look at what is left with `pstree -p {keeper.pid}`")
    return _settled(name, {**report, "firm": firm})


def _settled(name: str, report: Json | None) -> Json | None:
    """After the warden's end: what may have been left of it, or of a run before it, is reaped."""
    if not os.path.isdir(paths.state_dir(name)):
        return report
    if report is not None and not report.get("firm"):
        return report
    orphans = [orphan for orphan in reap_offline(name, dry_run=False) if orphan.get("ended")]
    if orphans:
        return {**(report or {"firm": True}), "reaped": len(orphans)}
    return report


def reap_offline(name: str, *, dry_run: bool) -> list[Json]:
    """The reaper, when no server runs. Raises PitError."""
    arguments = ["reap", "--instance", name, *(["--dry-run"] if dry_run else [])]
    try:
        done = subprocess.run(
            start_warden.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, cwd="/", check=False,
            env=start_warden.environment(name), timeout=_REAP_SECONDS,
        )  # fmt: skip
        if done.returncode < 0:
            ender = signal.Signals(-done.returncode).name
            raise PitError("unavailable", f"the reaper was ended by {ender}", hint="run `snakepit reap` again")
        said = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise PitError("internal", f"the reaper did not end within {_REAP_SECONDS:.0f} s") from None
    except ValueError:
        raise PitError(
            "internal", "the reaper failed", log=done.stderr.decode(errors="replace").splitlines()[-20:]
        ) from None
    if said.get("locked"):
        raise PitError(
            "unavailable", f"a server of instance {name} is starting or ending", hint="try again in a moment"
        )
    if "error" in said:
        raise PitError.from_dict(said["error"])
    orphans: list[Json] = said["orphans"]
    return orphans


def if_idle(name: str, timeout: float) -> None:
    """Ends a server of another version. Raises PitError `version_skew` when it has work to do, or pools that were
    made with `up`: the next server would not have them."""
    sock = find(name)
    if sock is None:
        return
    with api.Connection(sock) as connection:
        process = behind(sock, name)
        if process is None:
            return
        with process:
            _expect_no_pools(api.status(connection))
            api.shutdown(connection, timeout, patience=timeout + _SILENCE_SECONDS, if_idle=True)
            if not process.ended(timeout + _FIRM_SECONDS):
                raise PitError("version_skew", "the server of another version does not end")


def _expect_no_pools(status: Json) -> None:
    """Raises PitError when `up` has made pools: only its user may end them."""
    pools = [str(pool["name"]) for pool in status["pools"]]
    if status["idle_exit"] is not None or not pools:
        return
    text = (
        f"the server is version {status['version']}, this is {__version__};"
        f" ending it would end the pools that `up` has made: {', '.join(pools)}"
    )
    raise PitError("version_skew", text, hint="run `snakepit down`, then `snakepit up` for each of them")


def instances() -> list[str]:
    """Every instance of this user that has a state directory."""
    try:
        names = os.listdir(paths.state_root())
    except OSError:
        return []
    return sorted(name for name in names if paths.valid_name(name) and paths.is_ours(paths.state_dir(name)))
