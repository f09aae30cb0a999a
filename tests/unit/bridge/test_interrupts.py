"""A handler is interrupted even when the first signal is lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.context import CallCancelled
from snakepit_bridge.runtime import interrupts
from snakepit_bridge.runtime.calls import Call
from snakepit_bridge.runtime.interrupts import SIGNAL, Interrupts
from snakepit_bridge.runtime.outbox import Outbox


@pytest.fixture
def handler_of_the_signal() -> Iterator[None]:
    before = signal.getsignal(SIGNAL)
    yield
    signal.signal(SIGNAL, before)


@pytest.mark.usefixtures("handler_of_the_signal")
@pytest.mark.parametrize("lost", [0, 1, 3])
def test_a_lost_signal_is_sent_again(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    """A signal that arrives just before a system call begins does not end that call: to the handler it is lost."""
    sent: list[int] = []
    send = signal.pthread_kill

    def lossy(thread: int, number: int) -> None:
        sent.append(number)
        if len(sent) > lost:
            send(thread, number)

    monkeypatch.setattr(signal, "pthread_kill", lossy)
    running = Interrupts()
    call = Call(pb.Call(id=1), Outbox(pb.FromWorker(), lambda: None))
    call.stop = running.poke
    began = time.monotonic()
    running.armed = call
    threading.Timer(0.05, call.cancel).start()
    with pytest.raises(CallCancelled):
        time.sleep(60)
    assert running.armed is None
    assert time.monotonic() - began < 30
    assert len(sent) > lost


@pytest.mark.usefixtures("handler_of_the_signal")
def test_what_is_shielded_is_finished_before_the_interrupt() -> None:
    running = Interrupts()
    call = Call(pb.Call(id=1), Outbox(pb.FromWorker(), lambda: None))
    call.stop = running.poke
    finished = []

    def action() -> str:
        call.cancel()  # the signal comes at once: to this thread
        finished.append(True)
        return "done"

    running.armed = call
    with pytest.raises(CallCancelled):
        running.shield(action)
    assert finished
    assert running.armed is None
    assert running.shield(lambda: "done") == "done", "nothing is armed: nothing to interrupt"
    other = Call(pb.Call(id=2), Outbox(pb.FromWorker(), lambda: None))
    running.armed = other
    assert running.shield(lambda: running.armed) is None
    assert running.armed is other


@pytest.mark.usefixtures("handler_of_the_signal")
def test_no_more_signals_after_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "pthread_kill", lambda *_: None)
    running = Interrupts()
    call = Call(pb.Call(id=1), Outbox(pb.FromWorker(), lambda: None))
    running.armed = call
    call.stop = running.poke
    call.cancel()
    insisting = [one for one in threading.enumerate() if one.name == "snakepit-interrupt"]
    assert insisting
    running.armed = None
    for one in insisting:
        one.join(interrupts.SELDOM * 10)
        assert not one.is_alive()
