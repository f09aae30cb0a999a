"""The standby reader beside a link that does what the test says, and in a real worker under mixed load."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from snakepit_bridge import worker_pb2 as pb
from snakepit_bridge.runtime.standby_reader import StandbyReader

from tests.harness import wait
from tests.unit.bridge.gateway import Attached

STANDBY = "snakepit-standby"
PATIENCE = 20.0


class Over(Exception):  # noqa: N818
    """The test has ended."""


class ScriptedLink:
    """Reads single bytes instead of messages, and remembers which thread read what."""

    def __init__(self) -> None:
        self.here, self.there = socket.socketpair()
        self.heard: list[tuple[str, bytes]] = []
        self.steps: list[str] = []
        """Threads that began a step."""
        self.waiting = ""
        """The thread that waits for the server."""
        self.asleep = False
        """Somebody waits for a word only."""
        self.stopped = False
        """The clock: no wait for a word ends by itself."""
        self.to_say = 0
        self.said = 0
        self.before_hearing: Callable[[], None] = lambda: None
        """Called when a byte has been read and not been handed over yet."""
        self.when_asked: deque[Callable[[], None]] = deque()
        """Each is called by one `pending`, before it looks."""
        self.over = False

    def say(self, data: bytes) -> None:
        """As the server."""
        self.there.sendall(data)

    def step(self, wake: int, patience: float | None = None) -> None:
        name = threading.current_thread().name
        self.steps.append(name)
        poll = select.poll()
        poll.register(self.here, select.POLLIN)
        poll.register(wake, select.POLLIN)
        self.waiting = name
        ready = poll.poll(1000 * (PATIENCE if patience is None else patience))
        self.waiting = ""
        if self.over:
            raise Over
        assert ready or patience is not None, "nothing ended the wait"
        for descriptor, _ in ready:
            if descriptor == wake:
                os.read(wake, 4096)
            else:
                byte = self.here.recv(1)
                self.before_hearing()
                self.heard.append((name, byte))

    keeps_back = False

    def flush(self) -> bool:
        if self.over:
            raise Over
        found, self.to_say = self.to_say, 0
        self.said += found
        return found > 0

    def pending(self) -> bool:
        if self.when_asked:
            self.when_asked.popleft()()
        return self.to_say > 0

    def await_word(self, wake: int, patience: float | None = None) -> None:
        if self.stopped:
            patience = None
        self.asleep = patience is None
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        rung = poll.poll(None if patience is None else 1000 * patience)
        self.asleep = False
        if rung:
            os.read(wake, 4096)


@pytest.fixture
def link() -> Iterator[ScriptedLink]:
    one = ScriptedLink()
    yield one
    one.here.close()
    one.there.close()


@pytest.fixture
def standby_reader(link: ScriptedLink) -> Iterator[StandbyReader]:
    """Started, and asleep."""
    one = StandbyReader(link)  # type: ignore[arg-type]

    def run() -> None:
        with contextlib.suppress(Over):
            one._run()

    thread = threading.Thread(target=run, name=STANDBY)
    thread.start()
    wait.until(lambda: link.asleep, "it to fall asleep")
    yield one
    link.over = True
    one.leave()
    one.ring()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    os.close(one._bell)
    os.close(one._rope)


@pytest.fixture
def wake() -> Iterator[int]:
    """What would wake the main thread; here nothing does."""
    here, there = os.pipe()
    yield here
    os.close(here)
    os.close(there)


def taken_over(link: ScriptedLink, standby_reader: StandbyReader) -> None:
    """Begins a call and waits until the standby reader reads."""
    standby_reader.enter()
    wait.until(lambda: link.waiting == STANDBY, "the standby reader to take over")


def test_it_sleeps_while_nothing_happens(link: ScriptedLink, standby_reader: StandbyReader) -> None:
    assert standby_reader._asleep
    assert link.steps == []


def test_it_reads_while_the_main_thread_is_in_a_call(link: ScriptedLink, standby_reader: StandbyReader) -> None:
    taken_over(link, standby_reader)
    link.say(b"abc")
    wait.until(lambda: len(link.heard) == 3, "it to hear")
    assert link.heard == [(STANDBY, b"a"), (STANDBY, b"b"), (STANDBY, b"c")]


def test_it_reads_at_once_when_the_handler_waits_for_a_reply(
    link: ScriptedLink, standby_reader: StandbyReader, wake: int
) -> None:
    link.stopped = True
    for at in range(1, 20):
        standby_reader.enter()
        standby_reader.hurry()
        link.say(b"x")
        wait.until(lambda at=at: len(link.heard) == at, "it to hear")  # type: ignore[misc]
        standby_reader.hurry()  # the second request of this handler
        standby_reader.leave()
        standby_reader.read(wake)
    standby_reader.hurry()  # not in a call: the main thread reads


def test_it_gives_back_when_the_main_thread_comes(link: ScriptedLink, standby_reader: StandbyReader, wake: int) -> None:
    for _ in range(20):
        taken_over(link, standby_reader)
        standby_reader.leave()
        standby_reader.read(wake)
        assert "MainThread" not in link.steps
    wait.until(lambda: link.asleep, "it to fall asleep again")
    link.say(b"a")
    standby_reader.read(wake)
    assert link.heard == [("MainThread", b"a")]


def test_a_call_it_has_read_is_not_waited_for(link: ScriptedLink, standby_reader: StandbyReader, wake: int) -> None:
    """It reads the next call at the moment at which the main thread comes back: `read` must not wait for a third."""
    reading, comes = threading.Event(), threading.Event()

    def hold() -> None:
        reading.set()
        assert comes.wait(PATIENCE)

    link.before_hearing = hold
    taken_over(link, standby_reader)
    link.say(b"a")
    assert reading.wait(PATIENCE)
    standby_reader.leave()
    rung = standby_reader.ring

    def ring() -> None:
        rung()
        comes.set()

    standby_reader.ring = ring  # type: ignore[method-assign]
    standby_reader.read(wake)
    assert link.heard == [(STANDBY, b"a")]
    assert "MainThread" not in link.steps, "it looks at its work first"


def test_the_next_call_is_taken_over_again(link: ScriptedLink, standby_reader: StandbyReader, wake: int) -> None:
    for at in range(20):
        taken_over(link, standby_reader)
        link.say(b"x")
        wait.until(lambda at=at: len(link.heard) == at + 1, "it to hear")  # type: ignore[misc]
        standby_reader.leave()
        standby_reader.read(wake)
    assert [name for name, _ in link.heard] == [STANDBY] * 20


def test_it_sends_what_is_left_for_later(link: ScriptedLink, standby_reader: StandbyReader) -> None:
    for number in range(1, 50):
        link.to_say += 1
        standby_reader.later()
        wait.until(lambda number=number: link.said == number, "it to flush")  # type: ignore[misc]
        if number % 10 == 0:
            wait.until(lambda: link.asleep, "it to fall asleep again")


def test_it_sends_what_is_left_for_later_while_it_reads(link: ScriptedLink, standby_reader: StandbyReader) -> None:
    taken_over(link, standby_reader)
    for number in range(1, 50):
        link.to_say += 1
        standby_reader.later()
        wait.until(lambda number=number: link.said == number, "it to flush")  # type: ignore[misc]
    assert link.steps[-1] == STANDBY


@pytest.mark.parametrize("in_a_call", [False, True])
def test_what_comes_as_it_falls_asleep_is_not_forgotten(
    link: ScriptedLink, standby_reader: StandbyReader, in_a_call: bool
) -> None:
    """Between its last look and the announcement of its sleep no thread wakes it: it has to look again."""

    def speak() -> None:
        assert standby_reader._asleep, "it announces before it looks"
        link.to_say += 1

    link.when_asked.append(speak)
    if in_a_call:
        standby_reader.enter()
    else:
        standby_reader.ring()
    wait.until(lambda: link.said == 1, "it to flush")


def test_it_is_asleep_again_after_the_call(link: ScriptedLink, standby_reader: StandbyReader, wake: int) -> None:
    for _ in range(5):
        taken_over(link, standby_reader)
        standby_reader.leave()
        standby_reader.read(wake)
        wait.until(lambda: link.asleep, "it to fall asleep")
        steps = len(link.steps)
        standby_reader.ring()
        wait.until(lambda: link.asleep, "it to fall asleep")
        assert len(link.steps) == steps, "it does not read while the main thread is in no call"


def test_every_call_of_a_real_worker_is_answered_once(worker: Attached) -> None:
    """Short calls, calls around the moment at which the standby reader takes over, and cancels, one after another."""
    chance = random.Random(7)
    cancelled: set[int] = set()
    for _ in range(3000):
        kind = chance.random()
        if kind < 0.7:
            ids = [worker.call("add", b'{"a":1}')]
        else:
            ids = [worker.call("nap", b'{"seconds":%f}' % chance.uniform(0, 0.008))]
        if kind > 0.95:
            ids.append(worker.call("add", b'{"a":1}'))
        if kind > 0.9:
            cancelled.update(ids)
            for one in ids:
                worker.cancel(one)
        for one in ids:
            result = worker.result(one)
            if result.WhichOneof("outcome") == "failure":
                assert one in cancelled
                assert result.failure.kind == pb.Failure.Kind.CANCELLED
    worker.ping()
    assert len(worker.results) == worker._next
