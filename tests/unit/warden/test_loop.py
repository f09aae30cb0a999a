"""A callback that raises costs nothing but itself."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.unit.warden.conftest import Rig


class BoomError(Exception):
    pass


def boom() -> None:
    raise BoomError


def _by_source(rig: Rig) -> None:
    read, write = os.pipe()
    os.write(write, b"x")
    rig.loop.watch(read, boom)


def _by_timer(rig: Rig) -> None:
    rig.loop.at(0.0, boom)


def _by_signal(rig: Rig) -> None:
    rig.loop.on_signal(signal.SIGUSR1, boom)
    os.kill(os.getpid(), signal.SIGUSR1)


@pytest.mark.parametrize("fail", [_by_source, _by_timer, _by_signal])
def test_the_others_go_on_and_it_is_noted(rig: Rig, fail) -> None:
    """The others: a source, a timer and a signal, due in the same round and in later ones."""
    heard: list[str] = []
    read, write = os.pipe()
    os.write(write, b"x")
    fail(rig)
    rig.loop.watch(read, lambda: heard.append(f"source {len(os.read(read, 1))}"))
    rig.loop.at(0.0, lambda: heard.append("timer"))
    rig.loop.on_signal(signal.SIGCHLD, lambda: heard.append("signal"))
    os.kill(os.getpid(), signal.SIGCHLD)
    rig.until(lambda: len(heard) == 3 and rig.notes, "all to be heard")
    os.write(write, b"x")
    rig.loop.at(time.monotonic() + 0.01, lambda: heard.append("later"))
    rig.until(lambda: len(heard) == 5, "those that come later")
    assert sorted(heard) == ["later", "signal", "source 1", "source 1", "timer"]
    assert len(rig.notes) == 1
    assert "BoomError" in rig.notes[0]
    rig.loop.forget(read)
    os.close(read)
    os.close(write)


def test_a_source_whose_callback_raises_is_not_watched_any_more_and_that_is_told(rig: Rig) -> None:
    read, write = os.pipe()
    os.write(write, b"x")
    told: list[str] = []
    rig.loop.watch(read, boom, lambda: told.append("failed"))
    rig.until(lambda: told, "the failure to be told")
    passed: list[int] = []
    rig.loop.at(time.monotonic() + 0.02, lambda: passed.append(1))
    rig.until(lambda: passed, "some more rounds")
    assert told == ["failed"]
    assert len(rig.notes) == 1
    rig.loop.watch(read, lambda: None)  # it can be watched again: it was forgotten
    rig.loop.forget(read)
    os.close(read)
    os.close(write)


def test_what_is_told_of_the_failure_may_fail_itself(rig: Rig) -> None:
    read, write = os.pipe()
    os.write(write, b"x")
    rig.loop.watch(read, boom, boom)
    rig.until(lambda: len(rig.notes) == 2, "both to be noted")
    os.close(read)
    os.close(write)
