"""python -m tests.crash.registrar REGISTRY LOG: registers processes without end, and logs each that may run.

The product's registry, without the processes: thousands of acknowledged registrations a second for a power cut to hit.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from snakepit_cli.base.identity import Identity
from snakepit_cli.warden.records.store import Registry


def main() -> None:
    registry = Registry(Path(sys.argv[1]))
    log = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    number = 0
    while True:
        number += 1
        name = f"worker-{number}"
        registry.reserve("run", "worker", [name])
        registry.bind([(name, Identity("boot", 1, number, number))])
        os.write(log, f"{name}\n".encode())


if __name__ == "__main__":
    main()
