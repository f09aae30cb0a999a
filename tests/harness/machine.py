"""How busy the machine is, for limits of time that must hold on a quiet one and may not be met on a loaded one."""

from __future__ import annotations

import subprocess
import sys
import time

_STARTS = 8
_QUIET = 0.012
"""Seconds of a start on a quiet machine."""


def slowness() -> float:
    """How many times longer something takes now than on a quiet machine: at least 1."""
    began = time.monotonic()
    for _ in range(_STARTS):
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
    return max(1.0, (time.monotonic() - began) / _STARTS / _QUIET)


def too_late(seconds: float, limit: float) -> bool:
    """Whether something took longer than `limit` by more than the machine is slow now."""
    return seconds > limit and seconds > limit * slowness()
