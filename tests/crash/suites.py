"""All suites and controls by name."""

from __future__ import annotations

from collections.abc import Callable

from tests.crash import (
    crowds,
    faults,
    files,
    fuzz_files,
    fuzz_wire,
    kills,
    others,
    segments,
    sessions,
    strangers,
    strays,
)
from tests.crash.oracle import Oracle

SUITES: dict[str, Callable[[Oracle], None]] = {
    "kill-server": kills.kill_server,
    "kill-warden": kills.kill_warden,
    "kill-both": kills.kill_both,
    "server-state": kills.server_state,
    "map-kills": kills.map_kills,
    "segments": segments.segments,
    "journal": segments.journal,
    "gate": faults.gate,
    "failpoints": faults.failpoints,
    "syscalls": faults.syscalls,
    "pid-reuse": strangers.pid_reuse,
    "reboot": strangers.reboot,
    "registry-mutations": files.registry_mutations,
    "power-cut": files.power_cut,
    "acknowledged-writes": sessions.acknowledged_writes,
    "sessions-power-cut": sessions.sessions_power_cut,
    "first-commands": crowds.first_commands,
    "overload": crowds.overload,
    "strays": strays.strays,
    "lost-strays": strays.lost_strays,
    "strict-strays": strays.strict_strays,
    "kept": strays.kept,
    "kept-with-cgroups": strays.kept_with_cgroups,
    "lost-keeper": strays.lost_keeper,
    "helpers": strays.helpers,
    "other-users": others.other_users,
    "fuzz-front": fuzz_wire.fuzz_front,
    "fuzz-gateway": fuzz_wire.fuzz_gateway,
    "fuzz-arguments": fuzz_files.fuzz_arguments,
    "fuzz-config": fuzz_files.fuzz_config,
    "fuzz-registry": fuzz_files.fuzz_registry,
}
LONG = {
    "kill-server": 300, "kill-warden": 300, "kill-both": 300, "server-state": 200, "map-kills": 20, "gate": 50,
    "failpoints": 2 * len(faults.CASES), "syscalls": len(faults.DEATHS), "pid-reuse": 300, "reboot": 300,
    "registry-mutations": 100, "power-cut": 150, "first-commands": 100, "overload": 85, "strays": 50,
    "lost-strays": 50, "strict-strays": 50, "other-users": 10, "kept": 100, "kept-with-cgroups": 50,
    "lost-keeper": 50, "helpers": 50, "acknowledged-writes": 20,
    "sessions-power-cut": 50, "segments": 60, "journal": 20,
}  # fmt: skip
"""Trials of the long form. `failpoints` and `syscalls` go through their cases one after the other, by seed."""
INPUTS = {"fuzz-front": 5000, "fuzz-gateway": 5000, "fuzz-arguments": 5000, "fuzz-config": 10000, "fuzz-registry": 5000}
"""Suites whose trials are inputs: so many of them share a universe."""
LONG |= dict.fromkeys(INPUTS, 50_000)
CONTROLS = {
    "pdeathsig": "kill-both",
    "gate": "gate",
    "subreaper": "strays",
    "cgroup": "lost-strays",
    "keeper": "kept",
    "helper-marks": "helpers",
    "pid-namespace": "strict-strays",
    "start-time": "pid-reuse",
    "pidfd": "pid-reuse",
    "boot-id": "reboot",
    "full-sync": "power-cut",
    "store-sync": "sessions-power-cut",
    "flock": "first-commands",
    "segment-removal": "segments",
    "salvage": "journal",
    "private-directories": "other-users",
    "peer-check": "other-users",
    "frame-checks": "fuzz-front",
    "message-checks": "fuzz-gateway",
    "scanner-checks": "fuzz-arguments",
    "configuration-checks": "fuzz-config",
    "quarantine": "fuzz-registry",
}
"""Mechanism that the saboteur takes away → the suite that must go red without it."""
