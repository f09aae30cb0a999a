"""Decoys: children of the oracle that look like workers of ours. Nothing may touch them."""

from __future__ import annotations

import subprocess
import sys

_COUNT = 30
_NAMES = ("pit-worker", "a) Z 1 1 1", "pit-template", "python")
"""Short names; the second is made to confuse readers of /proc/PID/stat."""
_CODE = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0)
mine = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
signal.pthread_sigmask(signal.SIG_BLOCK, mine)
sys.exit(OUTSIDE if signal.sigwaitinfo(mine).si_pid == 0 else INSIDE)
"""
OUTSIDE, INSIDE = 90, 91
"""Exit status after a signal that somebody outside of the universe has sent, or somebody in it."""


class Decoys:
    def __init__(self) -> None:
        self.all = [subprocess.Popen(_command(number)) for number in range(_COUNT)]

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self.all]

    def adopt(self, stranger: subprocess.Popen[bytes]) -> None:
        """From now on it is watched like the others."""
        self.all.append(stranger)

    def hurt(self) -> dict[int, int]:
        """Pid → exit status, of those that are dead."""
        return {one.pid: one.returncode for one in self.all if one.poll() is not None}

    def disturbed(self) -> bool:
        """Somebody outside of the universe has sent signals into it: whatever the trial shows, it is not ours."""
        return OUTSIDE in self.hurt().values()


def _command(number: int) -> list[str]:
    """Same user, same program, same words as one of our workers."""
    title = ["snakepit", "worker", f"default-{number}", "[showcase]", "instance=default"]
    code = _CODE.replace("OUTSIDE", str(OUTSIDE)).replace("INSIDE", str(INSIDE))
    return [sys.executable, "-S", "-c", code, _NAMES[number % len(_NAMES)], *title]
