"""Programs that talk by lines, without a program: what is read, what is held, when reading pauses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest

from snakepit_cli.base.pipe_pair import Ends
from snakepit_cli.server.calls.credit import WINDOW
from snakepit_cli.server.workers.pipes import PIPE_BYTES, converse
from snakepit_cli.server.workers.stdio import Asked, Filter, ProgramCallbacks, Talker
from snakepit_cli.server.workers.stdio_json import Program
from snakepit_cli.wire import worker_pb2 as pb

LONGEST = 1000


class Pipe:
    """Both ends of the program."""

    def __init__(self) -> None:
        self.reading = True
        self.written = b""

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.reading = True

    def write(self, data: bytes) -> None:
        self.written += data


class Talking:
    def __init__(self, kind: Callable[[ProgramCallbacks], Talker], longest: int = LONGEST) -> None:
        self.said: list[pb.FromWorker] = []
        self.broken: list[str] = []
        self.talker: Any = kind(
            ProgramCallbacks(lambda _: None, self.said.append, self.broken.append, lambda: None, longest)
        )
        self.pipe = Pipe()
        self.talker.sink = self.pipe
        self.talker.connection_made(self.pipe)
        self.talker._trusted = True
        if kind is Program:
            self.say(b'{"hello":{"commands":["a"]}}\n')

    def say(self, data: bytes) -> None:
        self.talker.data_received(data)

    @property
    def results(self) -> list[tuple[int, bytes]]:
        return [(one.id, one.value) for message in self.said for one in message.results]

    @property
    def lines(self) -> bytes:
        return b"".join(one.lines for message in self.said for one in message.chunks)


def talking(test: Callable[[], None]) -> None:
    async def main() -> None:
        test()

    asyncio.run(main())


@pytest.mark.parametrize("kind", [Filter, Program])
@pytest.mark.parametrize("step", [1, 7, 400, 5000])
def test_a_line_without_an_end_ends_the_worker(kind: Callable[[ProgramCallbacks], Talker], step: int) -> None:
    def test() -> None:
        one = Talking(kind)
        for _ in range(5000 // step):
            one.say(b"\0" * step)
        assert one.broken == ["it wrote a line of more than 1,000 bytes"]
        assert not one.pipe.reading, "nothing more is read"
        assert not one.talker._parts

    talking(test)


def test_the_pieces_of_a_long_line_are_joined_once() -> None:
    """Joined one by one, the time would grow with the square of their number."""

    def test() -> None:
        one = Talking(Filter, 64 << 20)
        one.talker.call(1, "json", b'{"item":1}')
        for _ in range(100):
            one.say(b"1" * 1000)
        assert len(one.talker._parts) == 100
        one.say(b"\n")
        assert one.results == [(1, b"1" * 100_000)]
        assert one.talker._parts == []

    talking(test)


def test_lines_in_pieces() -> None:
    def test() -> None:
        one = Talking(Filter)
        block = pb.Block(lines=b"1\n2\n3\n", count=3)
        one.talker.call(1, "json", b"{}", block=block)
        for piece in (b"1", b"0\n2", b"0", b"\n", b"30\n"):
            one.say(piece)
        assert (one.lines, one.results) == (b"10\n20\n30\n", [(1, b"null")])

    talking(test)


def test_answers_to_a_block_are_passed_on_before_all_have_come() -> None:
    def test() -> None:
        one = Talking(Filter, 4 << 20)
        one.talker.call(1, "json", b"{}", block=pb.Block(lines=b"1\n" * 20, count=20))
        for number in range(10):
            one.say(b'"%s"\n' % (b"x" * (1 << 20)))
            assert one.talker._asked[0].size <= 2 << 20, number
        assert not one.pipe.reading, "the caller has not made room"
        one.talker.credit(1, 10 << 20)
        assert one.pipe.reading
        for _ in range(10):
            one.say(b"nonsense\n")
        assert one.results == [(1, b"null")]
        assert sum(chunks.count for message in one.said for chunks in message.chunks) == 20
        assert sum(len(chunks.failed) for message in one.said for chunks in message.chunks) == 10

    talking(test)


def test_a_stream_waits_for_its_reader_and_its_end_frees_the_others() -> None:
    def test() -> None:
        one = Talking(Program, 4 << 20)
        one.talker.call(1, "a", b"{}", stream=True)
        one.talker.call(2, "a", b"{}")
        chunk = b'{"id":1,"chunk":"%s"}\n' % (b"x" * (1 << 20))
        for _ in range(WINDOW // (1 << 20) + 1):
            one.say(chunk)
        assert not one.pipe.reading
        one.talker.cancel(1)
        assert one.pipe.reading
        one.say(b'{"id":2,"result":5}\n')
        assert one.results == [(2, b"5")]

    talking(test)


def test_too_many_answers_end_the_worker() -> None:
    def test() -> None:
        one = Talking(Filter)
        one.talker.call(1, "json", b'{"item":1}')
        one.say(b"1\n2\n")
        assert one.broken == ["it answered with more lines than it was asked"]

    talking(test)


def test_reading_pauses_while_many_lines_are_to_come_and_not_for_the_last_ones() -> None:
    def test() -> None:
        one = Talking(Filter)
        one.talker.call(1, "json", b"{}", block=pb.Block(lines=b"1\n" * 1000, count=1000))
        one.talker._asked[0].begun -= 1  # seconds ago: a millisecond for each line
        one.say(b"1\n" * 500)
        assert not one.pipe.reading
        one.talker._balance()  # what the timer does
        assert one.pipe.reading
        one.say(b"1\n" * 499)
        assert not one.pipe.reading, "the last one is likely to take longer than the shortest pause"
        one.talker._balance()
        one.say(b"1\n")
        assert (one.results, one.pipe.reading) == ([(1, b"null")], True)

    talking(test)


def test_a_pause_ends_before_the_filter_has_to_wait() -> None:
    asked = Asked(1, text=False, lines=b"", count=1001, block=True, answers=[b"1"], begun=10.0, heard=1)
    assert asked.pause(11.0) == 0.008
    assert asked.pause(10.000001) == pytest.approx(0.0005)
    asked.heard = 1 << 20
    assert asked.pause(10.01) < 0.0004, "half of a pipe has come by then"


def test_answers_are_json_each_by_itself() -> None:
    def test() -> None:
        one = Talking(Filter)
        one.talker.call(1, "json", b"{}", block=pb.Block(lines=b"1\n" * 5, count=5))
        one.say(b'1\n[2\n3]\n4,5\n"6"\n')
        [chunks] = [chunks for message in one.said for chunks in message.chunks]
        assert chunks.failed == [1, 2, 3]
        assert chunks.lines.split(b"\n")[4] == b'"6"'

    talking(test)


def test_no_read_makes_room_for_more_than_a_pipe_holds() -> None:
    async def main() -> None:
        (source, out), (into, sink) = os.pipe(), os.pipe()
        talker = Filter(ProgramCallbacks(lambda _: None, lambda _: None, lambda _: None, lambda: None, LONGEST))
        await converse(talker, Ends(sink=sink, source=source))
        assert talker.transport.max_size == PIPE_BYTES  # type: ignore[attr-defined]
        talker.close()
        talker.transport.close()
        os.close(out)
        os.close(into)

    asyncio.run(main())
