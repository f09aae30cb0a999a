"""Ends an instance, and returns only when nothing of it is left.

Graceful: the server lets running calls finish, then the warden ends. Firm: the warden is killed, its children die
with it, and the reaper proves it. The warden is held by a pidfd that was opened before it was asked to end: a
number could be somebody else's by the time we look.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from typing import Any

from snakepit_cli.base import paths
from snakepit_cli.base.errors import PitError
from snakepit_cli.client import api, launch
from snakepit_cli.client.connect import endpoint, find

_SILENCE_SECONDS = 5.0
_FIRM_SECONDS = 10.0
_DEATH_SECONDS = 5.0
_REAP_SECONDS = 60.0

Json = dict[str, Any]


class Process:
    """A process that cannot be mistaken for another one."""

    def __init__(self, pid: int) -> None:
        """Raises ProcessLookupError."""
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def signal(self, number: int) -> None:
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            pass

    def ended(self, seconds: float) -> bool:
        """Waits for its end."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))


def instance(name: str, timeout: float) -> Json | None:
    """Ends everything of an instance: {"pools", "workers", "firm"}, or None when nothing ran. Raises PitError.

    Running calls get `timeout` seconds.
    """
    sock = find(name)
    if sock is None:
        return _deaf(name, timeout)
    with api.Connection(sock) as connection:
        try:
            pid = int(api.ping(connection)["warden"])
        except PitError:
            return _deaf(name, timeout)
        try:
            process = Process(pid)
        except ProcessLookupError:
            return _settled(name, {})
        with process:
            try:
                report = api.shutdown(connection, timeout, patience=timeout + _SILENCE_SECONDS)
            except PitError as error:
                if error.kind not in {"unavailable", "server_restarted"}:
                    raise
                process.signal(signal.SIGTERM)
                report = {}
            return _end(name, process, report, timeout)


def _deaf(name: str, timeout: float) -> Json | None:
    """The server does not answer; there may be a warden."""
    process = _warden(name)
    if process is None:
        return _settled(name, None)
    with process:
        process.signal(signal.SIGTERM)
        return _end(name, process, {}, timeout)


def _warden(name: str) -> Process | None:
    """The warden that endpoint.json names, when that process is ours and is one."""
    pid = endpoint(name).get("pid")
    if not isinstance(pid, int):
        return None
    try:
        process = Process(pid)
    except (OSError, OverflowError):
        return None
    try:
        # After the pidfd was opened: what is read here is about the process that it holds.
        mine = os.stat(f"/proc/{pid}").st_uid == os.geteuid()
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
    except OSError:
        mine, words = False, []
    if mine and b"snakepit_cli.warden" in words and name.encode() in words and not process.ended(0):
        return process
    process.__exit__()
    return None


def _end(name: str, process: Process, report: Json, timeout: float) -> Json | None:
    firm = not process.ended(timeout + _FIRM_SECONDS)
    if firm:
        process.signal(signal.SIGKILL)
        if not process.ended(_DEATH_SECONDS):
            raise PitError("internal", f"the warden (pid {process.pid}) does not end, even when killed")
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
            launch.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, cwd="/", check=False,
            env=launch.environment(name), timeout=_REAP_SECONDS,
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
    """Ends a server of another version, unless it has work to do. Raises PitError `version_skew` when it has."""
    sock = find(name)
    if sock is None:
        return
    with api.Connection(sock) as connection:
        try:
            process = Process(int(api.ping(connection)["warden"]))
        except ProcessLookupError:
            return
        with process:
            api.shutdown(connection, timeout, patience=timeout + _SILENCE_SECONDS, if_idle=True)
            if not process.ended(timeout + _FIRM_SECONDS):
                raise PitError("version_skew", "the server of another version does not end")


def instances() -> list[str]:
    """Every instance of this user that has a state directory."""
    try:
        names = os.listdir(paths.state_root())
    except OSError:
        return []
    return sorted(name for name in names if paths.valid_name(name) and paths.is_ours(paths.state_dir(name)))
