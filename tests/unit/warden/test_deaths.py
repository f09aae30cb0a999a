"""What the warden makes of the death of a child."""

from __future__ import annotations

import signal
import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from snakepit_cli.warden.burial import oom
from snakepit_cli.warden.daemon import Warden


@pytest.mark.parametrize(
    ("number", "killed", "counted", "told"),
    [
        (signal.SIGKILL, False, True, True),
        (signal.SIGKILL, True, True, False),
        (signal.SIGKILL, False, False, False),
        (signal.SIGTERM, False, True, False),
    ],
    ids=["by the kernel", "by us, while it killed others", "by someone else", "otherwise"],
)
def test_lack_of_memory_is_told_only_of_what_the_kernel_killed(
    monkeypatch: pytest.MonkeyPatch, number: int, killed: bool, counted: bool, told: bool
) -> None:
    monkeypatch.setattr(oom, "limit", lambda: 1000)
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    buried: list[Any] = []
    warden = SimpleNamespace(
        _children={process.pid: SimpleNamespace(killed=killed)},
        _oom=SimpleNamespace(happened=lambda: counted),
        _bury=lambda child, code, starved: buried.append((code, starved)),
    )
    process.send_signal(number)
    Warden._died(warden, process.pid)  # type: ignore[arg-type]
    process.returncode = -number  # it has been reaped
    assert buried == [(-number, {"limit": 1000} if told else None)]
    assert not warden._children
