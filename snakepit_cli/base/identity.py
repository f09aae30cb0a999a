"""Identifies a process: a pid alone means whichever process has it now.

A process is identified by boot id, pid namespace, pid and start time in clock ticks since boot. Clock ticks do
not move when the wall clock does. Signals go only through a pidfd that was opened first and verified second:
after that the pid may be reused, the descriptor still means the same process.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Identity:
    boot: str
    pidns: int
    pid: int
    start: int
    """Clock ticks since boot, field 22 of /proc/PID/stat."""


@dataclass(frozen=True, slots=True)
class Stat:
    state: str
    ppid: int
    pgrp: int
    session: int
    start: int


@cache
def boot_id() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


@cache
def pid_namespace() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def stat(pid: int) -> Stat | None:
    """None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name in parentheses may itself hold ") Z 1 1": only the last parenthesis ends it.
    fields = text.rpartition(b")")[2].split()
    if len(fields) < 20:
        return None
    return Stat(fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def identify(pid: int) -> Identity | None:
    """Identity of a live process of this boot and pid namespace; None when there is none."""
    found = stat(pid)
    return Identity(boot_id(), pid_namespace(), pid, found.start) if found else None


def own() -> Identity:
    """Of this process."""
    found = identify(os.getpid())
    return found or Identity(boot_id(), pid_namespace(), os.getpid(), 0)


def open_verified(identity: Identity) -> int | None:
    """A pidfd of exactly this process, to be closed by the caller; None when it is gone or not of this boot."""
    if identity.boot != boot_id() or identity.pidns != pid_namespace():
        return None
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:
        return None
    found = stat(identity.pid)
    if found is None or found.start != identity.start or found.state in "ZX":
        os.close(descriptor)
        return None
    return descriptor


def send_signal(descriptor: int, number: int) -> bool:
    """False when the process is gone. Raises PermissionError for one that runs a set-user-id program."""
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    return True


def environment(pid: int) -> dict[bytes, bytes]:
    """Environment the process was started with; empty when it is gone or not ours to read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = file.read().split(b"\0")
    except OSError:
        return {}
    return {key: value for key, _, value in (pair.partition(b"=") for pair in pairs) if key}
