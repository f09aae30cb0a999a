"""Innocent strangers: children of the oracle that look like workers of ours. Nobody may touch them."""

from __future__ import annotations

import subprocess
import sys

_COUNT = 30
_NAMES = ("pit-worker", "a) Z 1 1 1", "pit-template", "python")
"""Short names; the second is made to confuse readers of /proc/PID/stat."""
_CODE = "import ctypes, signal, sys; ctypes.CDLL(None).prctl(15, sys.argv[1].encode(), 0, 0, 0); signal.pause()"


class Decoys:
    def __init__(self) -> None:
        self.all = [subprocess.Popen(_command(number)) for number in range(_COUNT)]

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self.all]

    def adopt(self, stranger: subprocess.Popen[bytes]) -> None:
        """From now on he is watched over like the others."""
        self.all.append(stranger)

    def hurt(self) -> dict[int, int]:
        """Pid → exit status, of those who are dead."""
        return {one.pid: one.returncode for one in self.all if one.poll() is not None}


def _command(number: int) -> list[str]:
    """Same user, same program, same words as one of our workers."""
    title = ["snakepit", "worker", f"default-{number}", "[showcase]", "instance=default"]
    return [sys.executable, "-S", "-c", _CODE, _NAMES[number % len(_NAMES)], *title]
