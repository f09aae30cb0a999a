"""`run`, the daemon, and `reap`, which ends orphans when no daemon runs."""

from __future__ import annotations

import argparse
import errno
import json
import os
import secrets
import sqlite3
import sys
import traceback
from typing import Any

from snakepit_cli.base.errors import KINDS
from snakepit_cli.base.failpoints import failpoint
from snakepit_cli.base.paths import PathError
from snakepit_cli.warden import daemon
from snakepit_cli.warden.burial import cgroups, reap
from snakepit_cli.warden.records import logs, segments
from snakepit_cli.warden.records.logs import CappedLog
from snakepit_cli.warden.records.paths import Places
from snakepit_cli.warden.records.store import Registry

ALREADY_RUNNING = 75
_OUTSIDE = {
    errno.ENOSPC: "unsafe_directory", errno.EDQUOT: "unsafe_directory", errno.EROFS: "unsafe_directory",
    errno.EACCES: "unsafe_directory", errno.EPERM: "unsafe_directory", errno.EIO: "unsafe_directory",
    errno.EFBIG: "unsafe_directory", errno.EISDIR: "unsafe_directory", errno.ENOTDIR: "unsafe_directory",
    errno.ELOOP: "unsafe_directory", errno.ENXIO: "unsafe_directory",
    errno.EMFILE: "unavailable", errno.ENFILE: "unavailable", errno.ENOMEM: "unavailable", errno.EAGAIN: "unavailable",
}  # fmt: skip
"""Errors of the system that are not ours: kind of base.errors."""


class FailedError(Exception):
    """The warden cannot run; the message is a kind of base.errors and what happened."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _places(instance: str) -> Places:
    try:
        return Places.of(instance)
    except PathError as error:
        raise FailedError("unsafe_directory", str(error)) from error


def _registry(places: Places) -> Registry:
    try:
        registry = Registry(places.registry)
    except (sqlite3.Error, OSError) as error:
        raise FailedError("unsafe_directory", f"the registry {places.registry} cannot be used: {error}") from error
    if registry.quarantined:
        print(f"the registry was not readable and was set aside as {registry.quarantined}", file=sys.stderr)
    return registry


def _run(arguments: argparse.Namespace) -> int:
    """Returns when the instance has ended. Tells `ready_fd` once: accepting, or why not."""
    ready: int | None = arguments.ready_fd

    def say(message: dict[str, Any]) -> None:
        nonlocal ready
        _tell(ready, message)
        ready = None

    try:
        os.umask(0o077)
        places = _places(arguments.instance)
        lock = places.lock()
        if lock is None:
            say({"locked": True})
            if arguments.foreground:
                print(f"snakepit: a server of instance {arguments.instance} is running already", file=sys.stderr)
            return ALREADY_RUNNING
        if not arguments.foreground:
            _detach(places)
        failpoint("warden.locked")
        os.chdir("/")
        logs.prune(places.state / "logs")
        registry, secret, run = _registry(places), reap.cookie(places.state), secrets.token_hex(8)
        for orphan in reap.reap(registry, secret, None, cgroups.abandoned(places.state, secret, None)):
            print(f"reaped {orphan}", file=sys.stderr)
        segments.reap(secret, dry_run=False)
        warden = daemon.Warden(places, registry, secret, run, say, foreground=arguments.foreground)
        warden.run()
    except FailedError as error:
        say({"error": {"kind": error.kind, "message": str(error)}})
        print(f"snakepit: {error}", file=sys.stderr)
        return KINDS[error.kind].exit
    except OSError as error:
        failure = _of_the_system(error)
        say({"error": failure})
        if failure["kind"] == "internal":
            raise
        print(f"snakepit: {failure['message']}", file=sys.stderr)
        return KINDS[failure["kind"]].exit
    except BaseException:
        say({"error": {"kind": "internal", "message": traceback.format_exc()}})
        raise
    return KINDS[warden.failure["kind"]].exit if warden.failure else 0


def _tell(descriptor: int | None, message: dict[str, Any]) -> None:
    """Writes one line into the pipe of the client that waits for us. The client may be gone."""
    if descriptor is None:
        return
    try:
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    except OSError:
        pass
    os.close(descriptor)


def _of_the_system(error: OSError, what: str = "the server") -> dict[str, Any]:
    """Turns errors that the user can do something about into errors of the table."""
    if error.errno not in _OUTSIDE:
        return {"kind": "internal", "message": traceback.format_exc()}
    name = error.filename2 or error.filename  # of two, the one that was to be replaced
    where = f"{name}: " if name else ""
    return {"kind": _OUTSIDE[error.errno], "message": f"{what} cannot be started: {where}{error.strerror}"}


def _detach(places: Places) -> None:
    """Our own output goes to our log; nothing of the client that started us is kept open."""
    log = CappedLog(places.log("warden"))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    os.close(null)


def _reap(arguments: argparse.Namespace) -> int:
    """With no warden running: prints a JSON list of the orphans found and whether they ended."""
    try:
        places = _places(arguments.instance)
        lock = places.lock()
        if lock is None:
            print(json.dumps({"locked": True}))
            return ALREADY_RUNNING
        registry = _registry(places)
        try:
            secret = reap.cookie(places.state)
        except OSError:
            secret = secrets.token_hex(16)  # no process carries it; those that are registered are found without
        dead = cgroups.abandoned(places.state, secret, None)
        report = reap.reap(registry, secret, None, dead, dry_run=arguments.dry_run)
        report += segments.reap(secret, dry_run=arguments.dry_run)
        registry.close()
        if not arguments.dry_run:
            places.unpublish()
    except FailedError as error:
        print(json.dumps({"error": {"kind": error.kind, "message": str(error)}}))
        return 1
    except OSError as error:
        print(json.dumps({"error": _of_the_system(error, "the reaper")}))
        return 1
    print(json.dumps({"orphans": report}))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="snakepit-warden")
    verbs = parser.add_subparsers(required=True)
    run = verbs.add_parser("run")
    run.add_argument("--instance", required=True)
    run.add_argument("--ready-fd", type=int)
    run.add_argument("--foreground", action="store_true")
    run.set_defaults(verb=_run)
    burial = verbs.add_parser("reap")
    burial.add_argument("--instance", required=True)
    burial.add_argument("--dry-run", action="store_true")
    burial.set_defaults(verb=_reap)
    arguments = parser.parse_args()
    return int(arguments.verb(arguments))
