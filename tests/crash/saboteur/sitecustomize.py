"""Takes one mechanism away from the product, so that the suite that proves it can be seen to go red.

Python imports this at its start when this folder is on PYTHONPATH; a variable says which mechanism. Its name begins
with PYTHON because such variables are passed on to templates and workers. Another variable has the warden run under
strace, which kills it at a system call.
"""

from __future__ import annotations

import os
import sys

_WARDEN = "snakepit_cli.warden"


def _no_pdeathsig() -> None:
    from snakepit_cli.warden.burial import prctl

    prctl.die_with_parent = lambda parent, _=0: os.getppid() == parent


def _no_pdeathsig_in_templates() -> None:
    import snakepit_bridge.template

    snakepit_bridge.template.PR_SET_PDEATHSIG = 3  # PR_GET_DUMPABLE: does nothing


def _no_gate() -> None:
    from snakepit_cli.warden.births import spawn

    spawn.passed = lambda gate: True


def _no_subreaper() -> None:
    from snakepit_cli.warden.burial import prctl

    prctl.become_subreaper = lambda: False
    _no_cgroup()  # which would do its work


def _no_cgroup() -> None:
    from snakepit_cli.warden.burial import cgroups

    cgroups.own_cgroup = lambda: None


def _no_keeper() -> None:
    from snakepit_cli.warden import keeper

    keeper.fork = lambda: None


def _no_helper_marks() -> None:
    from snakepit_cli.warden.burial import helpers, prctl

    helpers.of_the_dead = lambda *_: ()
    prctl.kill_descendants = lambda _: set()


def _no_pid_namespace() -> None:
    from snakepit_cli.launch import plan

    plan._namespace = lambda spec: ()


def _no_registry() -> None:
    """Not for a suite: for the benchmark that says what the registry costs."""
    from snakepit_cli.warden.records import ledger

    ledger.Ledger.register = lambda self, rows: None
    ledger.Ledger.forget = lambda self, ids: None


def _no_start_time() -> None:
    from snakepit_cli.base import identity

    identity.open_verified = lambda one: os.pidfd_open(one.pid)


def _no_boot_id() -> None:
    from dataclasses import replace

    from snakepit_cli.base import identity

    verified = identity.open_verified
    identity.open_verified = lambda one: verified(replace(one, boot=identity.boot_id()))


def _no_pidfd() -> None:
    """Signals go to the number that was verified."""
    from snakepit_cli.base import identity

    verified, numbers = identity.open_verified, {}

    def remember(one: identity.Identity) -> int | None:
        descriptor = verified(one)
        numbers[descriptor] = one.pid
        return descriptor

    def send(descriptor: int, number: int) -> bool:
        os.kill(numbers[descriptor], number)
        return True

    identity.open_verified, identity.send_signal = remember, send


def _no_flock() -> None:
    import fcntl

    fcntl.flock = lambda *_: None


def _no_full_sync() -> None:
    import functools
    import sqlite3

    class Lazy(sqlite3.Connection):
        def execute(self, sql: str, *rest: object) -> sqlite3.Cursor:
            return super().execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), *rest)

    sqlite3.connect = functools.partial(sqlite3.connect, factory=Lazy)


def _no_store_sync() -> None:
    import functools

    from snakepit_cli.server.store import schema

    schema.opened = functools.partial(schema.opened, synchronous="OFF")


def _no_segment_removal() -> None:
    from snakepit_cli.base import shared_memory

    shared_memory.clear = lambda _: None
    shared_memory.remove_abandoned = lambda **_: iter(())


def _no_segment_removal_in_server() -> None:
    from snakepit_cli.server import segments

    segments._unlink = lambda _: None


def _no_salvage() -> None:
    from snakepit_cli.server.pools import answers

    answers.salvage = lambda *_: None


def _no_private_directories() -> None:
    from snakepit_cli.base import paths

    paths.secure = lambda path: os.makedirs(path, 0o755, exist_ok=True)
    paths.is_ours = lambda _: True


def _no_peer_check() -> None:
    from snakepit_cli.server.doors import front
    from snakepit_cli.server.workers import gateway

    front.peer_uid = gateway.peer_uid = lambda _: os.geteuid()


def _no_frame_checks() -> None:
    from snakepit_cli.server.doors import front

    front._MALFORMED = ()


def _no_message_checks() -> None:
    from snakepit_cli.server.workers import gateway

    gateway.MalformedError = ZeroDivisionError


def _no_scanner_checks() -> None:
    from snakepit_cli.client.call import arguments

    arguments.scan = lambda text, start, _: arguments._scan(text, start)


def _no_configuration_checks() -> None:
    from snakepit_cli.settings import load

    load._WrongError = None


def _no_quarantine() -> None:
    from snakepit_cli.warden.records import store

    store._set_aside = lambda path: path


_ORACLE = "tests.crash.oracle"
_TAKEN = {
    "pdeathsig": {_WARDEN: _no_pdeathsig, "snakepit_bridge": _no_pdeathsig_in_templates},
    "gate": {_WARDEN: _no_gate},
    "subreaper": {_WARDEN: _no_subreaper},
    "cgroup": {_WARDEN: _no_cgroup},
    "keeper": {_WARDEN: _no_keeper},
    "helper-marks": {_WARDEN: _no_helper_marks},
    "pid-namespace": {"snakepit_cli.server": _no_pid_namespace},
    "registry": {_WARDEN: _no_registry},
    "start-time": {_WARDEN: _no_start_time},
    "pidfd": {_WARDEN: _no_pidfd},
    "boot-id": {_WARDEN: _no_boot_id},
    "flock": {_WARDEN: _no_flock, "snakepit_cli": _no_flock},
    "segment-removal": {
        _WARDEN: _no_segment_removal,
        "snakepit_cli": _no_segment_removal,
        "snakepit_cli.server": _no_segment_removal_in_server,
    },
    "salvage": {"snakepit_cli.server": _no_salvage},
    "private-directories": {_WARDEN: _no_private_directories, "snakepit_cli": _no_private_directories},
    "peer-check": {"snakepit_cli.server": _no_peer_check},
    "frame-checks": {"snakepit_cli.server": _no_frame_checks},
    "message-checks": {"snakepit_cli.server": _no_message_checks},
    "scanner-checks": {_ORACLE: _no_scanner_checks},
    "configuration-checks": {_ORACLE: _no_configuration_checks},
    "quarantine": {_ORACLE: _no_quarantine},
    "store-sync": {"tests.crash.writer": _no_store_sync},
    "full-sync": {_WARDEN: _no_full_sync, "tests.crash.registrar": _no_full_sync},
}

for _module, _take in _TAKEN.get(os.environ.get("PYTHON_SABOTAGE", ""), {}).items():
    if _module in sys.orig_argv:
        _take()

_inject = os.environ.pop("PYTHON_STRACE", "") if _WARDEN in sys.orig_argv and "run" in sys.orig_argv else ""
if _inject:
    # Below the keeper: strace is to kill the warden, and that alone.
    from snakepit_cli.warden import keeper

    keeper.fork()
    os.environ["PYTHON_KEPT"] = "1"
    _traced = ["-e", f"trace={_inject.partition(':')[0]}", "-e", f"inject={_inject}", "-o", "/dev/null", "-qq", "-D"]
    os.execvp("strace", ["strace", *_traced, sys.executable, *sys.orig_argv[1:]])
if os.environ.pop("PYTHON_KEPT", "") and _WARDEN in sys.orig_argv:
    _no_keeper()
