"""Takes one mechanism away from the product, so that the suite that proves it can be seen to go red.

Python imports this at its start when this folder is on PYTHONPATH; the variable says which mechanism. Its name begins
with PYTHON because such variables are passed on to templates and workers.
"""

from __future__ import annotations

import os
import sys

_WARDEN = "snakepit_cli.warden"


def _no_pdeathsig() -> None:
    from snakepit_cli.warden import contain

    contain.die_with_parent = lambda parent: os.getppid() == parent


def _no_pdeathsig_in_templates() -> None:
    import snakepit_bridge.template

    snakepit_bridge.template.PR_SET_PDEATHSIG = 3  # PR_GET_DUMPABLE: does nothing


def _no_gate() -> None:
    from snakepit_cli.warden import spawn

    spawn.passed = lambda gate: True


def _no_start_time() -> None:
    from snakepit_cli.registry import identity

    identity.open_verified = lambda one: os.pidfd_open(one.pid)


def _no_boot_id() -> None:
    from snakepit_cli.registry import identity

    identity.boot_id = lambda: "another-boot"


def _no_flock() -> None:
    import fcntl

    fcntl.flock = lambda *_: None


_TAKEN = {
    "pdeathsig": {_WARDEN: _no_pdeathsig, "snakepit_bridge": _no_pdeathsig_in_templates},
    "gate": {_WARDEN: _no_gate},
    "start-time": {_WARDEN: _no_start_time},
    "boot-id": {_WARDEN: _no_boot_id},
    "flock": {_WARDEN: _no_flock, "snakepit_cli": _no_flock},
}

for _module, _take in _TAKEN.get(os.environ.get("PYTHON_SABOTAGE", ""), {}).items():
    if _module in sys.orig_argv:
        _take()
