"""`python -m benchmarks`: all of it in one run, or some groups of it."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import bridges, bulk, calls, pools, report, startup, streams, transport
from benchmarks.installation import Installation, clean_environment, install
from benchmarks.instance import Instance
from benchmarks.processes import BenchmarkError
from benchmarks.rows import Row
from benchmarks.trials import FULL, QUICK, Trials
from snakepit_cli.base.errors import PitError

GROUPS: dict[str, Callable[[Instance, Trials], list[Row]]] = {
    "startup": startup.measure,
    "calls": calls.measure,
    "transport": transport.measure,
    "streams": streams.measure,
    "attach": pools.attach,
    "registry": pools.registry,
    "memory": pools.memory,
    "bulk": bulk.measure,
    "large": bulk.large,
    "crowd": bulk.crowd,
    "bridges": bridges.measure,
}


def run(installation: Installation, trials: Trials, names: list[str]) -> list[Row]:
    """Each group has an instance of its own. Raises BenchmarkError and PitError."""
    rows: list[Row] = []
    for name in names:
        sys.stderr.write(f"measuring {name} …\n")
        with Instance(installation) as instance, contextlib.chdir(instance.folder):
            rows += GROUPS[name](instance, trials)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"what to measure, all without: {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="fewer trials: shows that all works, proves nothing")
    options = parser.parse_args()
    # As an exception, so that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if unknown := set(options.groups) - GROUPS.keys():
        parser.error(f"no group {', '.join(sorted(unknown))}")
    clean_environment()
    try:
        installation = install()
        rows = run(installation, QUICK if options.quick else FULL, options.groups or list(GROUPS))
    except (BenchmarkError, PitError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(report.table(rows) + "\n")
    if options.json is not None:
        text = json.dumps(report.document(rows, quick=options.quick), indent=2, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
