"""What workers leave behind: descendants that have done everything to get away."""

from __future__ import annotations

import os
import signal
import time

from tests.crash.oracle import Oracle
from tests.harness import procs, wait

_STRAYS = 31
_SOON = 2.0
ADAPTER = """
import os, signal, threading, time
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()  # so that it is started cold

class Breeder:
    def execute_breed(self, n):
        for _ in range(n):
            middle = os.fork()
            if middle == 0:
                os.setsid()
                if os.fork() == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                    os.closerange(0, 256)
                    os.execve("/bin/sleep", ["sleep", "3600"], {})
                os._exit(0)
            os.waitpid(middle, 0)
        return n
"""


def strays(oracle: Oracle) -> None:
    """31 descendants: forked twice, own sessions, nothing open, no environment, deaf to SIGTERM; `down` ends them."""
    _breed(oracle)
    oracle.run("down", "--timeout", "2")


def lost_strays(oracle: Oracle) -> None:
    """The same descendants when the warden is killed with -9: nothing but their cgroup still tells whose they are."""
    _breed(oracle)
    procs.kill(oracle.json("status")["warden"]["pid"])
    wait.until(lambda: len(oracle.members()) == _STRAYS, "what depends on the warden to end")
    oracle.run("reap")
    if left := _sleeping(oracle):
        oracle.fail(f"{left} descendants are left")


def strict_strays(oracle: Oracle) -> None:
    """The same in a pool with strict containment: they end with their worker, whatever else is there to end them."""
    _breed(oracle, 'contain = "strict"')
    status, [worker] = oracle.json("status"), oracle.json("workers")
    os.kill(status["warden"]["pid"], signal.SIGSTOP)  # so that it cannot help
    procs.kill(worker["pid"])
    began = time.monotonic()
    while _sleeping(oracle) and time.monotonic() - began < _SOON:
        time.sleep(0.01)
    if left := _sleeping(oracle):
        oracle.fail(f"{left} descendants are left")
    os.kill(status["warden"]["pid"], signal.SIGCONT)


def _breed(oracle: Oracle, more: str = "") -> None:
    adapter = oracle.work / "breeder.py"
    adapter.write_text(ADAPTER)
    oracle.configure(f'[pools.default]\nadapter = "{adapter}"\nsize = 1\n{more}\n')
    oracle.run("exec", "breed", f"n:={_STRAYS}")
    wait.until(lambda: _sleeping(oracle) == _STRAYS, "all of them to execute")


def _sleeping(oracle: Oracle) -> int:
    return sum(title.startswith("sleep") for title in oracle.members().values())
