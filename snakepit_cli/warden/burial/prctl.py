"""What the kernel does for us so that no process outlives the warden or escapes it (Linux; elsewhere a no-op)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_TURN_SECONDS = 0.005
_LINUX = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def _prctl(option: int, value: int | bytes) -> bool:
    return _libc is not None and _libc.prctl(option, value, 0, 0, 0) == 0


def set_name(name: bytes) -> None:
    """What `ps -o comm` and `top` show of this process; the kernel keeps 15 bytes."""
    _prctl(_PR_SET_NAME, name)


def become_subreaper() -> bool:
    """Orphaned descendants become our children instead of init's, so that we can see, end and reap them."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> bool:
    """In a fresh child: get this signal when the parent dies. False when the parent is gone already.

    The signal follows the parent's *thread*; the warden has only one. The check comes after the request, because
    the parent may die in between, and compares with its pid, because orphans need not go to pid 1.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    return os.getppid() == parent


def own_children() -> set[int]:
    """Pids of all our children, adopted ones included, zombies too."""
    return _children(os.getpid())


def descendants(root: int) -> set[int]:
    """Pids of its children, their children and so on, zombies too."""
    found: set[int] = set()
    todo = [root]
    while todo:
        new = _children(todo.pop()) - found
        found |= new
        todo += new
    return found


def _children(pid: int) -> set[int]:
    """Of all of its threads; empty when it is gone."""
    found: set[int] = set()
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found.update(map(int, file.read().split()))
    except OSError:
        pass
    return found


def kill_descendants(root: int) -> set[int]:
    """Kills them, each through a descriptor that is opened before its parent is looked up: a pid that has been reused
    meanwhile is left alone. Pids that we may not signal."""
    family = descendants(root)
    return {pid for pid in family if not _kill_member(pid, family | {root})}


def _kill_member(pid: int, family: set[int]) -> bool:
    """False when we may not."""
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return True
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
        # Its parent may have died since: then it is ours or init's by now, and the next look finds it.
        if parent in family:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except PermissionError:
        return False
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return True


def kill_group(leader: int) -> None:
    """Kills what is left of a session whose leader has not been reaped, so its id cannot have been reused."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def kill_own_child(pid: int, number: int = signal.SIGKILL) -> bool:
    """False when we may not: it runs a set-user-id program. An unreaped child's pid cannot be reused, so this needs
    no pidfd."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        return False
    return True


def end_own_children(seconds: float) -> set[int]:
    """Kills and reaps all our children, adopted ones included, and those that they leave to us; those that are left
    after that time, because we may not kill them or they do not die."""
    deadline = time.monotonic() + seconds
    while strays := own_children():
        for pid in strays:
            kill_own_child(pid)
        while _reaped():
            pass
        if time.monotonic() > deadline:
            return own_children()
        time.sleep(_TURN_SECONDS)
    return set()


def _reaped() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False
