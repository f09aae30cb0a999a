"""When the server's loop polls instead of sleeping."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from snakepit_cli.server import serial_spin
from snakepit_cli.server.serial_spin import SerialSpin


def calls(spin: SerialSpin, count: int) -> bool:
    """Calls one after another; whether the loop polls after the last one."""
    for _ in range(count):
        spin.began()
        spin.ended()
    return spin.polls


def run(test: Callable[[], object]) -> None:
    async def within() -> None:
        test()

    asyncio.run(within())


def free(**more: int) -> SerialSpin:
    return SerialSpin(running=lambda: 1, **{"processors": 2, **more})


def test_a_row_of_calls_makes_it_poll_and_a_few_do_not() -> None:
    def test() -> None:
        spin = free()
        assert not calls(spin, serial_spin._ROW - 1)
        assert calls(spin, 1)

    run(test)


def test_it_ends_soon_after_the_last_message() -> None:
    async def test() -> None:
        spin = free()
        assert calls(spin, serial_spin._ROW)
        for _ in range(1_000_000):
            if not spin.polls:
                return
            await asyncio.sleep(0)
        pytest.fail("it polls for ever")

    asyncio.run(test())


def test_a_call_beside_another_one_ends_the_row() -> None:
    async def test() -> None:
        spin = free()
        assert calls(spin, serial_spin._ROW)
        spin.began()
        spin.began()
        await asyncio.sleep(0)
        assert not spin.polls
        spin.ended()
        assert not calls(spin, 1), "another call is open"
        spin.ended()
        assert not calls(spin, serial_spin._ROW - 1)
        assert calls(spin, 1)

    asyncio.run(test())


def test_a_pause_ends_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_spin, "_PAUSE_SECONDS", -1.0)
    run(lambda: _never(free()))


def test_with_one_processor_it_never_polls() -> None:
    run(lambda: _never(free(processors=1)))


def _never(spin: SerialSpin) -> None:
    assert not any(calls(spin, 1) for _ in range(10 * serial_spin._CHECKED))


def test_where_others_need_the_processor_it_sleeps_and_looks_again_later() -> None:
    def test() -> None:
        busy = True
        spin = SerialSpin(processors=2, running=lambda: 2 if busy else 1)
        _never(spin)
        busy = False
        spin._not_before = 0.0  # the rest is over
        assert calls(spin, serial_spin._CHECKED)

    run(test)


def test_a_client_that_still_runs_when_its_call_comes_is_no_obstacle() -> None:
    def test() -> None:
        seen = itertools.cycle([2, 2, 2, 1])
        spin = SerialSpin(processors=2, running=lambda: next(seen))
        calls(spin, 2 * serial_spin._CHECKED)
        spin._not_before = 0.0
        assert calls(spin, serial_spin._CHECKED)

    run(test)


def test_what_runs_and_what_there_is_to_run_on() -> None:
    assert serial_spin._running() >= 1
    assert serial_spin._processors() >= 0


@pytest.mark.parametrize(("text", "most"), [("50000 100000\n", 0), ("max 100000\n", 1 << 20), ("100000 100000\n", 1)])
def test_a_containers_share(text: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(serial_spin, "_QUOTA", str(tmp_path / "cpu.max"))
    assert serial_spin._processors() <= most
