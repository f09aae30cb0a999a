"""Moves a forked worker into a PID namespace: the kernel ends every process in it when its first process ends.

The warden knows, registers and signals the process outside. It stays, forks the worker as the first process of the
namespace, passes SIGTERM on, and ends as the worker ends. Each dies with the other: the worker by PDEATHSIG. The worker
has a /proc of its own, which shows only its namespace.

Without root a user namespace comes first, in which the user is the same. What it allows besides is given up again.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
from types import FrameType
from typing import NoReturn

__all__ = ["enter"]

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 16384, 1 << 18
PR_SET_PDEATHSIG = 1
CAPABILITIES_VERSION = 0x20080522
EXIT_REFUSED = 1
EXIT_UNWANTED = 125


def enter(lifeline: int) -> None:
    """Returns in the worker, first process of a PID namespace. The caller has one thread.

    `lifeline` is closed in the process outside. Where the kernel does not allow it, both end and say why.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    rootless = os.geteuid() != 0
    uid, gid = os.geteuid(), os.getegid()
    parent = os.getppid()
    _expect(libc.unshare(CLONE_NEWPID | (CLONE_NEWUSER if rootless else 0)), "unshare")
    if rootless:
        _map("setgroups", "deny")
        _map("uid_map", f"{uid} {uid} 1")
        _map("gid_map", f"{gid} {gid} 1")
    # A change of credentials may have removed it.
    libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(EXIT_UNWANTED)
    outside, ours = os.pipe()
    worker = os.fork()
    if worker:
        os.close(lifeline)
        os.close(outside)
        _stand_outside(worker)
    os.close(ours)
    libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    poll = select.poll()
    poll.register(outside, 0)
    if poll.poll(0):  # it died before the leash was on
        os._exit(EXIT_UNWANTED)
    os.close(outside)
    os.setsid()
    _expect(libc.unshare(CLONE_NEWNS), "unshare")
    _expect(libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None), "mount /")
    _expect(
        libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(MS_NOSUID | MS_NODEV | MS_NOEXEC), None), "mount /proc"
    )
    if rootless:
        _give_up_capabilities(libc)


def _expect(result: int, what: str) -> None:
    if result != 0:
        _refuse(what, os.strerror(ctypes.get_errno()))


def _refuse(what: str, why: str) -> NoReturn:
    print(f"snakepit_bridge: strict containment: {what}: {why}", file=sys.stderr, flush=True)
    os._exit(EXIT_REFUSED)


def _map(name: str, text: str) -> None:
    try:
        file = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        os.write(file, text.encode())
        os.close(file)
    except OSError as error:
        _refuse(name, error.strerror or str(error))


def _give_up_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION, 0)
    _expect(libc.capset(header, (ctypes.c_uint32 * 6)()), "capset")


def _stand_outside(worker: int) -> NoReturn:
    """The process that the warden knows: ends as the worker ends."""

    def pass_on(number: int, _: FrameType | None) -> None:
        os.kill(worker, number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    # Not reaped yet: until the handlers are gone, its number must stay its own.
    os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    _, status = os.waitpid(worker, 0)
    if os.WIFSIGNALED(status):
        _die_by(os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def _die_by(number: int) -> NoReturn:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no second core dump: the worker has written its own
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
