"""What the kernel does for us so that no process outlives the warden or escapes it (Linux; elsewhere a no-op)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def _prctl(option: int, value: int) -> bool:
    return _libc is not None and _libc.prctl(option, value, 0, 0, 0) == 0


def become_subreaper() -> bool:
    """Orphaned descendants become our children instead of init's, so that we can see, end and reap them."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> bool:
    """In a fresh child: be killed when the parent dies. False when the parent is gone already.

    The signal follows the parent's *thread*; the warden has only one. The check comes after the request, because
    the parent may die in between, and compares with its pid, because orphans need not go to pid 1.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def own_children() -> set[int]:
    """Pids of all our children, adopted ones included, zombies too."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()


def kill_group(leader: int) -> None:
    """Kills what is left of a session whose leader has not been reaped, so its id cannot have been reused."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def kill_own_child(pid: int, number: int = signal.SIGKILL) -> None:
    """An unreaped child's pid cannot be reused, so this needs no pidfd."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
