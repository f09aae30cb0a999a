"""What goes wrong with one event or effect harms nothing else; timers work however near they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from snakepit_cli.base.errors import PitError
from snakepit_cli.core import effects as fx
from snakepit_cli.core import events as ev
from snakepit_cli.core.limits import Limits
from snakepit_cli.core.moves import calls
from snakepit_cli.core.pool import Pool as Machine
from snakepit_cli.server.coalescer import Coalescer
from snakepit_cli.server.pools.driver import Driver
from tests.unit.server.harness import Harness, in_instance, until


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_deadlines_that_are_next_to_now(runner: Callable[[Any], Any]) -> None:
    """A timer of less than half a millisecond is a plain handle in uvloop, which knows nothing of its time."""

    async def test() -> None:
        settled: list[int] = []
        wrong: list[Any] = []
        machine = Machine("p", 0, Limits())

        def perform(effect: fx.Effect) -> None:
            if isinstance(effect, fx.Settle):
                settled.append(effect.call)

        driver = Driver(machine, Coalescer(), perform, lambda *failed: wrong.append(failed), lambda: None)
        for number in range(100):
            driver.feed(ev.Submit(number, "x", timeout=0.0001))
            driver.feed(ev.Admit(ev.Gate.OPEN))
        await until(lambda: len(settled) == 100)
        assert not wrong

    runner(test())


def test_an_event_that_fails_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accept = calls.accept

    def sick(pool: Any, event: ev.Submit, *rest: Any) -> None:
        if event.command == "sick":
            raise ZeroDivisionError
        accept(pool, event, *rest)

    monkeypatch.setattr("snakepit_cli.core.pool._MOVES", _with_move(sick))

    async def test(harness: Harness) -> None:
        await harness.up()
        calls = [harness.call(name, timeout=5.0) for name in ("echo", "sick", "echo")]
        first, second, third = [await call.answer for call in calls]
        assert first == third == b'{"a":1}'
        assert isinstance(second, PitError)
        assert second.kind == "internal"
        await harness.instance.pools["default"].quiet.wait()

    in_instance(test, tmp_path)
    assert "ZeroDivisionError" in (said := capsys.readouterr().err)
    assert "Attached" in said, "the story is told"


def _with_move(sick: Callable[..., None]) -> dict[Any, Any]:
    from snakepit_cli.core import pool

    return {pair: sick if move is calls.accept else move for pair, move in pool._MOVES.items()}


def test_an_effect_that_fails_harms_no_other(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        await harness.up()
        links = list(harness.warden.links.values())
        links[-1].fails = TypeError("bad argument")
        calls = [harness.call("echo"), harness.call("echo"), harness.call("echo")]
        answers = [await call.answer for call in calls]
        kinds = [answer.kind if isinstance(answer, PitError) else "ok" for answer in answers]
        assert "internal" in kinds
        assert "ok" in kinds
        links[-1].fails = None
        assert await harness.call("echo").answer == b'{"a":1}', "the slot is free again"
        assert harness.instance.pools["default"].snapshot()["running"] == 0

    in_instance(test, tmp_path)


def test_a_timer_goes_on_after_a_tick_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snakepit_cli.core import reconcile

    once = [ZeroDivisionError()]
    expire = reconcile._expire_calls

    def sick(*args: Any) -> None:
        if once:
            raise once.pop()
        expire(*args)

    monkeypatch.setattr(reconcile, "_expire_calls", sick)
    monkeypatch.setattr("snakepit_cli.server.pools.driver._PAUSE", 0.01)

    async def test(harness: Harness) -> None:
        await harness.up()
        answer = await harness.call("wait", timeout=0.01).answer
        assert answer.kind == "worker_timeout"

    in_instance(test, tmp_path)


def test_workers_that_cannot_be_asked_for_fail_with_the_reason(tmp_path: Path) -> None:
    async def test(harness: Harness) -> None:
        send = harness.warden.send

        def refuse(op: str, **fields: Any) -> None:
            if op in {"template", "spawn"}:
                raise PitError("usage", "the environment is too large")
            send(op, **fields)

        harness.warden.send = refuse  # type: ignore[method-assign]
        with pytest.raises(PitError, match="the environment is too large"):
            await harness.up()

    in_instance(test, tmp_path)
